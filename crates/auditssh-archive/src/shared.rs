//! What all logs of an archive share: settings, disk, clock, and the queues of the threads.

use crate::clock::Clock;
use crate::disk::{Disk, Space};
use crate::log::Log;
use crate::sealer::Job;
use crate::settings::{OnFailure, Settings, Sync};
use crate::status::Counters;
use crate::sync::{Queue, lock};
use crate::syncer::Dirty;
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Shared by all logs of an archive and by its threads.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) counters: Counters,
    pub(crate) writers: Vec<Queue<Arc<Log>>>,
    pub(crate) sealers: Vec<Queue<Job>>,
    pub(crate) syncers: Vec<Queue<Dirty>>,
    /// Stops the thread that looks after everything once a tick.
    pub(crate) ticks: Queue<()>,
    /// Logs that are not closed.
    pub(crate) live: Mutex<HashMap<String, Arc<Log>>>,
    /// Logs that an earlier run, or a failed sync, left to recovery.
    pub(crate) left: Mutex<Vec<Left>>,
    pub(crate) ending: AtomicBool,
    /// When the thread that looks after everything last began to, and what space it found.
    pub(crate) looked: Mutex<(Instant, Option<Space>)>,
}

/// A log that is to be recovered.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) id: String,
    /// Its first failure was reported.
    pub(crate) told: bool,
}

impl Left {
    pub(crate) const fn new(id: String) -> Self {
        Self { id, told: false }
    }
}

impl Shared {
    pub(crate) fn write(&self, log: &Arc<Log>) {
        if let Some(queue) = self.writers.get(place(&log.id, self.writers.len())) {
            queue.push(Arc::clone(log));
        }
    }

    /// Jobs of one log are done in their order: they all go to the same thread.
    pub(crate) fn seal(&self, job: Job) {
        let log = job.log();
        if let Some(queue) = self.sealers.get(place(&log.id, self.sealers.len())) {
            queue.push(job);
        }
    }

    /// Files of one log are synced in the order in which they were written, so that no commit
    /// overtakes one before it: they all go to the same thread.
    pub(crate) fn sync(&self, dirty: Dirty) {
        if let Some(queue) = self.syncers.get(place(&dirty.log.id, self.syncers.len())) {
            queue.push(dirty);
        }
    }

    pub(crate) fn live(&self) -> Vec<Arc<Log>> {
        lock(&self.live).values().cloned().collect()
    }

    pub(crate) fn goes_on(&self) -> bool {
        self.settings.on_failure == OnFailure::Continue
    }

    pub(crate) fn syncs(&self) -> bool {
        self.settings.sync != Sync::None
    }

    pub(crate) fn always(&self) -> bool {
        self.settings.sync == Sync::Always
    }

    /// Lets every thread end.
    pub(crate) fn close(&self) {
        self.writers.iter().for_each(Queue::close);
        self.sealers.iter().for_each(Queue::close);
        self.syncers.iter().for_each(Queue::close);
        self.ticks.close();
    }
}

/// Ids are random, so their last bytes spread logs over threads.
fn place(id: &str, threads: usize) -> usize {
    id.bytes().rev().take(4).map(usize::from).sum::<usize>() % threads.max(1)
}
