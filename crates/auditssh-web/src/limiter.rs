//! How often someone may be wrong.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most that are remembered; beyond that the oldest are forgotten.
const MOST: usize = 10_000;

/// Counts failures by what they have in common: a bucket that leaks.
#[derive(Debug)]
pub(crate) struct Limiter<K> {
    /// How many failures are free at once.
    burst: u32,
    /// After which time one is forgiven.
    every: Duration,
    /// When all of someone's failures are forgiven.
    failures: Mutex<HashMap<K, Instant>>,
}

impl<K: Eq + Hash + Clone> Limiter<K> {
    pub(crate) fn new(burst: u32, every: Duration) -> Self {
        Self {
            burst,
            every,
            failures: Mutex::default(),
        }
    }

    /// Counts a try before it is known whether it fails, so that many at once are not free either.
    /// An error tells how long to wait.
    pub(crate) fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= MOST && !failures.contains_key(&key) {
            make_room(&mut failures, now);
        }
        let until = failures.entry(key).or_insert(now);
        let debt = until.saturating_duration_since(now);
        let free = self.every * self.burst.saturating_sub(1);
        if let Some(wait) = debt.checked_sub(free).filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        *until = (*until).max(now) + self.every;
        Ok(())
    }

    /// The try did not fail.
    pub(crate) fn give_back(&self, key: &K) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = failures.get_mut(key) {
            *until = until.checked_sub(self.every).unwrap_or(*until);
        }
    }
}

fn make_room<K: Eq + Hash + Clone>(failures: &mut HashMap<K, Instant>, now: Instant) {
    failures.retain(|_, until| *until > now);
    if failures.len() < MOST {
        return;
    }
    let oldest = failures.iter().min_by_key(|(_, until)| **until);
    if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
        failures.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_failures_are_free_and_each_is_forgiven() {
        let limiter = Limiter::new(3, Duration::from_secs(10));
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(limiter.take("a", start), Ok(()));
        }
        for _ in 0..1000 {
            assert_eq!(limiter.take("a", start), Err(Duration::from_secs(10)));
        }
        assert_eq!(limiter.take("b", start), Ok(()));
        let later = start + Duration::from_secs(10);
        assert_eq!(limiter.take("a", later), Ok(()));
        assert!(limiter.take("a", later).is_err());
        limiter.give_back(&"a");
        assert_eq!(limiter.take("a", later), Ok(()));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let limiter = Limiter::new(3, Duration::from_secs(10));
        let now = Instant::now();
        for number in 0..=MOST {
            assert_eq!(limiter.take(number, now), Ok(()));
        }
        assert_eq!(limiter.failures.lock().unwrap().len(), MOST);
    }
}
