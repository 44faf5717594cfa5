//! Time as an argument, so that tests can make it jump.

use auditssh_log::tail::Stamp;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Where times come from.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Unix time, and the time since some fixed moment that never jumps and does not stop while
    /// the machine sleeps; both in nanoseconds.
    fn now(&self) -> Stamp;

    /// Waits for `time` with `wait`, which says whether the wait was broken off; so does this.
    fn pause(&self, time: Duration, wait: &mut dyn FnMut(Duration) -> bool) -> bool {
        wait(time)
    }
}

/// The clocks of the operating system (`CLOCK_REALTIME`, `CLOCK_BOOTTIME`).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Stamp {
        let wall = clock_gettime(ClockId::Realtime);
        let mono = clock_gettime(ClockId::Boottime);
        let nanoseconds = |time: rustix::time::Timespec| {
            time.tv_sec
                .saturating_mul(1_000_000_000)
                .saturating_add(time.tv_nsec)
        };
        Stamp {
            wall: nanoseconds(wall),
            mono: u64::try_from(nanoseconds(mono)).unwrap_or(0),
        }
    }
}

/// The times of one log: they never run backwards, and a jump of the wall clock is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeline {
    /// What the clocks showed last.
    seen: Stamp,
    /// What was given out last.
    last: Stamp,
    /// By how much the log's wall time is ahead of the clock, after jumps back.
    ahead: i64,
}

/// A wall clock that is off by more than this against the monotonic one has jumped.
const STEP: i64 = 1_000_000_000;

impl Timeline {
    pub(crate) fn new(now: Stamp) -> Self {
        Self {
            seen: now,
            last: now,
            ahead: 0,
        }
    }

    /// The time to record for `now`; and by how many nanoseconds the wall clock jumped since the
    /// last call, if it did.
    pub(crate) fn stamp(&mut self, now: Stamp) -> (Stamp, Option<i64>) {
        let mono = now.mono.max(self.last.mono);
        let passed = i64::try_from(mono.saturating_sub(self.seen.mono)).unwrap_or(i64::MAX);
        let jump = now
            .wall
            .saturating_sub(self.seen.wall)
            .saturating_sub(passed);
        let step = (jump.saturating_abs() > STEP).then_some(jump);
        if step.is_some() {
            self.ahead = self.ahead.saturating_sub(jump).max(0);
        }
        let wall = now.wall.saturating_add(self.ahead).max(self.last.wall);
        self.seen = Stamp {
            wall: now.wall,
            mono,
        };
        self.last = Stamp { wall, mono };
        (self.last, step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000_000;

    fn at(wall: i64, mono: u64) -> Stamp {
        Stamp {
            wall: wall * SECOND,
            mono: mono * 1_000_000_000,
        }
    }

    #[test]
    fn after_a_jump_back_time_goes_on_by_the_monotonic_clock() {
        let mut line = Timeline::new(at(10_000, 5));
        assert_eq!(line.stamp(at(10_001, 6)), (at(10_001, 6), None));
        let (stamp, step) = line.stamp(at(6_402, 7));
        assert_eq!((stamp, step), (at(10_002, 7), Some(-3600 * SECOND)));
        assert_eq!(line.stamp(at(6_403, 8)), (at(10_003, 8), None));
        let (stamp, step) = line.stamp(at(10_004, 9));
        assert_eq!((stamp, step), (at(10_004, 9), Some(3600 * SECOND)));
    }

    #[test]
    fn after_a_jump_ahead_time_is_that_of_the_clock() {
        let mut line = Timeline::new(at(0, 5));
        let (stamp, step) = line.stamp(at(2_000_000_000, 6));
        assert_eq!(stamp, at(2_000_000_000, 6));
        assert_eq!(step, Some(1_999_999_999 * SECOND));
    }

    proptest! {
        #[test]
        fn times_never_run_backwards(readings in prop::collection::vec(any::<(i64, u64)>(), 1..50)) {
            let mut line = Timeline::new(Stamp::default());
            let mut last = Stamp { wall: i64::MIN, mono: 0 };
            for (wall, mono) in readings {
                let (stamp, _) = line.stamp(Stamp { wall, mono });
                prop_assert!(stamp.wall >= last.wall && stamp.mono >= last.mono);
                last = stamp;
            }
        }
    }
}
