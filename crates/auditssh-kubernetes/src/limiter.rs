//! How many requests the API server is asked in a time: bursts are paid back.

use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Lets so many through at once, and so many a second in the long run.
pub(crate) struct Limiter {
    /// When the next one would be due if there were no bursts.
    due: Mutex<Instant>,
    interval: Duration,
    burst: Duration,
}

impl Limiter {
    /// Of both numbers at least one.
    pub(crate) fn new(qps: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / qps.max(1);
        Self {
            due: Mutex::new(Instant::now()),
            interval,
            burst: interval * (burst.max(1) - 1),
        }
    }

    /// Waits for its turn. Who gives up waiting has not had one.
    pub(crate) async fn admit(&self) {
        let mut due = self.due.lock().await;
        let now = Instant::now();
        let mine = (*due).max(now);
        if let Some(start) = mine.checked_sub(self.burst).filter(|start| *start > now) {
            // Whoever comes later waits for the lock, in order.
            sleep_until(start).await;
        }
        *due = mine + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_at_once_and_is_paid_back() {
        let limiter = Limiter::new(5, 10);
        let begun = Instant::now();
        for _ in 0..10 {
            limiter.admit().await;
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        for _ in 0..10 {
            limiter.admit().await;
        }
        let waited = begun.elapsed();
        assert!(waited >= Duration::from_millis(1990) && waited <= Duration::from_millis(2010));
        tokio::time::advance(Duration::from_mins(1)).await;
        let begun = Instant::now();
        for _ in 0..10 {
            limiter.admit().await;
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
