//! What an archive tells of itself.

use crate::disk::Space;
use crate::error::Refusal;
use crate::latency::Latency;
use crate::sync::lock;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Running totals since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages at their commit point.
    pub messages: AtomicU64,
    /// How long what an event records waited until it might have its effect, of those that did.
    pub commits: Latency,
    /// Bytes that stand in logs.
    pub bytes: AtomicU64,
    /// Logs begun.
    pub begun: AtomicU64,
    /// Logs closed properly.
    pub closed: AtomicU64,
    /// Logs of earlier runs that were recovered.
    pub recovered: AtomicU64,
    /// Logs of which recovery set something aside, or which it did not touch: no crash leaves them
    /// so.
    pub damaged: AtomicU64,
    /// Connections refused because no log could be begun.
    pub refused: AtomicU64,
    /// File operations that failed.
    pub failures: AtomicU64,
    /// Messages that are missing from logs (`audit.onFailure: continue`).
    pub missing: AtomicU64,
    /// Logs or tails, or their directory, that someone deleted, replaced or cut while they were
    /// written.
    pub tampered: AtomicU64,
    /// Warnings that free space fell below 25, 10 and 5 %.
    pub space_warnings: [AtomicU64; 3],
    refusal: Mutex<Option<Refusal>>,
}

/// How an archive is at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Why no log is begun at present, if so.
    pub refusal: Option<Refusal>,
    /// Logs that are not closed.
    pub open: usize,
    /// Logs of earlier runs that are still to be recovered.
    pub unrecovered: usize,
    /// Space of the file system that the logs are on, as it was a moment ago, if that is known.
    pub space: Option<Space>,
}

impl Status {
    /// Two outputs together, of which the one with less space counts.
    pub(crate) fn and(self, other: Self) -> Self {
        let spaces = [self.space, other.space].into_iter().flatten();
        Self {
            refusal: self.refusal.or(other.refusal),
            open: self.open + other.open,
            unrecovered: self.unrecovered + other.unrecovered,
            space: spaces.min_by_key(|space| space.free),
        }
    }
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn refusal(&self) -> Option<Refusal> {
        lock(&self.refusal).clone()
    }

    pub(crate) fn set_refusal(&self, refusal: Option<Refusal>) {
        *lock(&self.refusal) = refusal;
    }
}
