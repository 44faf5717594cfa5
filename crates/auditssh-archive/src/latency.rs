//! How long something takes, counted in classes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;

/// Durations in classes. What has no upper bound is in the last one.
#[derive(Debug, Default)]
pub struct Latency {
    classes: [AtomicU64; Self::BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Latency {
    /// Upper bounds of the classes, in nanoseconds, each included: from what memory takes to what a
    /// disk takes that is about to fail, and a pod to start.
    pub const BOUNDS: [u64; 18] = [
        50 * MICROSECOND,
        100 * MICROSECOND,
        250 * MICROSECOND,
        500 * MICROSECOND,
        MILLISECOND,
        2_500 * MICROSECOND,
        5 * MILLISECOND,
        10 * MILLISECOND,
        25 * MILLISECOND,
        50 * MILLISECOND,
        100 * MILLISECOND,
        250 * MILLISECOND,
        500 * MILLISECOND,
        1_000 * MILLISECOND,
        2_500 * MILLISECOND,
        10_000 * MILLISECOND,
        30_000 * MILLISECOND,
        60_000 * MILLISECOND,
    ];

    /// Counts one.
    pub fn observe(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let class = Self::BOUNDS.partition_point(|bound| *bound < nanoseconds);
        if let Some(counter) = self.classes.get(class) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// How many fell into each class, one for each of [`Self::BOUNDS`] and the last.
    pub fn classes(&self) -> [u64; Self::BOUNDS.len() + 1] {
        self.classes
            .each_ref()
            .map(|counter| counter.load(Ordering::Relaxed))
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_in_the_first_class_that_holds_it() {
        let latency = Latency::default();
        let times = [0, 50_000, 50_001, 1_000_000, 60_000_000_000, 60_000_000_001];
        for nanoseconds in times {
            latency.observe(Duration::from_nanos(nanoseconds));
        }
        let classes = latency.classes();
        assert_eq!((classes[0], classes[1], classes[4]), (2, 1, 1));
        assert_eq!((classes[17], classes[18]), (1, 1));
        assert_eq!(classes.iter().sum::<u64>(), 6);
        assert_eq!(latency.sum(), Duration::from_nanos(times.iter().sum()));
        assert!(Latency::BOUNDS.is_sorted());
    }
}
