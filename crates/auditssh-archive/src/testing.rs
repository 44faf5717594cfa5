//! Disks and clocks that misbehave, to test against: nothing of the product uses them.

mod faulty;
mod power;

pub use faulty::{Fault, FaultyDisk, Plan};
pub use power::PowerDisk;

use crate::clock::Clock;
use crate::disk::Disk;
use crate::form::Form;
use crate::recovery::{Recovered, Recovery, RecoveryError, leftovers};
use auditssh_log::codec::Format;
use auditssh_log::seal::Deflate;
use auditssh_log::tail::Stamp;
use std::io;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A clock that goes only when it is told to.
#[derive(Debug, Default)]
pub struct ManualClock {
    wall: AtomicI64,
    mono: AtomicU64,
    /// When the last pause that began ends.
    end: AtomicU64,
    pauses: AtomicU64,
}

impl ManualClock {
    /// Time passes.
    pub fn advance(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.mono.fetch_add(nanoseconds, Ordering::Relaxed);
        self.jump(i64::try_from(nanoseconds).unwrap_or(i64::MAX));
    }

    /// Someone sets the wall clock, by so many nanoseconds.
    pub fn jump(&self, nanoseconds: i64) {
        self.wall.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// How many pauses began; `None` while the last of them is over, or there was none.
    pub fn pauses(&self) -> Option<u64> {
        let end = self.end.load(Ordering::Acquire);
        let pauses = self.pauses.load(Ordering::Acquire);
        (end > self.now().mono).then_some(pauses)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Stamp {
        Stamp {
            wall: self.wall.load(Ordering::Relaxed),
            mono: self.mono.load(Ordering::Relaxed),
        }
    }

    fn pause(&self, time: Duration, wait: &mut dyn FnMut(Duration) -> bool) -> bool {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let end = self.now().mono.saturating_add(time);
        self.pauses.fetch_add(1, Ordering::AcqRel);
        self.end.store(end, Ordering::Release);
        while self.now().mono < end {
            if wait(Duration::from_millis(1)) {
                return true;
            }
        }
        false
    }
}

/// Completes the logs of a disk, as [`recover`](crate::recover) does those of a directory.
pub fn recover(disk: &dyn Disk) -> io::Result<Vec<Result<Recovered, RecoveryError>>> {
    let mut recovery = Recovery {
        disk,
        form: &Form::Messages(Format::Audit),
        key: None,
        deflate: Deflate::new(),
        gives_away: false,
        files: Vec::new(),
        casts: None,
    };
    let logs = leftovers(disk)?;
    Ok(logs.iter().map(|id| recovery.run(id)).collect())
}
