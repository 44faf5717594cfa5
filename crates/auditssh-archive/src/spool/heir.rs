//! Another log for a session that goes on although its own is not trusted any more.
//!
//! After a failed sync nobody knows what of a file is on the disk, and a later success says nothing
//! of it. Nothing more is written to it, then. With `onFailure: continue` the session is counted as
//! missing until a new log is begun and found to reach the disk; that begins with the gap, which
//! names the log before and tells whose session it is, and takes what comes from then on. The old
//! one is left to recovery.

use super::Spool;
use super::gap::Lost;
use crate::archive::{self, new_log};
use crate::disk::uninterrupted;
use crate::error::RecordError;
use crate::lines;
use crate::log::Log;
use crate::missing::Missing;
use crate::recorder::new_id;
use crate::sealer::Job;
use crate::status::Counters;
use crate::sync::lock;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Begins the log in which a session is to go on, unless there is one already. Waits for the disk:
/// not for writers.
pub(crate) fn make(log: &Arc<Log>) -> io::Result<()> {
    let shared = &log.shared;
    let needed = |spool: &Spool| spool.heir.is_none() && !spool.done;
    if !needed(&lock(&log.spool)) {
        return Ok(());
    }
    let heir = new_log(shared, &new_id())?;
    let reaches_the_disk = || {
        if shared.syncs() {
            for open in lock(&heir.seals).open() {
                uninterrupted(|| open.file.sync())?;
            }
            lock(&heir.spool).tails.sync()?;
            shared.disk.sync()?;
        }
        Ok(())
    };
    if let Err(error) = reaches_the_disk() {
        archive::discard(shared, &heir.id);
        return Err(error);
    }
    Counters::add(&shared.counters.begun, 1);
    lock(&shared.live).insert(heir.id.clone(), Arc::clone(&heir));
    lock(&log.spool).heir = Some(heir);
    log.wake();
    Ok(())
}

impl Spool {
    /// Counts the backlog as missing; the end of the session is the next log's to record.
    pub(super) fn give_up(&mut self, log: &Arc<Log>, error: &RecordError) {
        let ended = std::mem::take(&mut self.backlog.ended);
        if ended {
            let end = self.backlog.tickets.pop_back().map_or(0, |last| last.end);
            log.progress.resolve(end);
            log.progress
                .close(Err(RecordError::Deferred(error.to_string().into())));
        }
        self.lose(log, error);
        self.backlog = super::Waiting::default();
    }

    /// Leaves what comes from now on to the next log, if there is one.
    pub(super) fn leave(&mut self, log: &Arc<Log>) {
        let (Some(heir), Some(reason), false) = (&self.heir, log.condemned(), self.done) else {
            return;
        };
        let mut missing = self
            .lost
            .as_ref()
            .map(|lost| lost.missing)
            .unwrap_or_default();
        missing.events += self.unsure(log);
        {
            // Its writer waits until the gap is known.
            let mut next = lock(&heir.spool);
            let lines = self.lost.as_ref().map(|lost| &lost.lines);
            let ended = lines.map_or_else(Vec::new, lines::Lost::ended);
            let mut begun = lines.map_or_else(Vec::new, lines::Lost::whole);
            let Some(continued) = log.leave_to(heir, &ended, &mut begun) else {
                return; // what came meanwhile is counted first
            };
            next.lost = Some(Lost {
                missing,
                reason: reason.clone(),
                again: 0,
                continues: Some(continued),
                lines: lines::Lost::of(begun),
            });
        }
        heir.gapped.store(true, Ordering::Release);
        tracing::warn!(connection = %log.id, log = %heir.id, "a session goes on in another log");
        self.done = true;
        self.lost = None;
        log.gapped.store(false, Ordering::Release);
        log.shared.seal(Job::Finish(Arc::clone(log)));
    }

    /// How many events are written, and may be lost all the same.
    fn unsure(&self, log: &Log) -> u64 {
        if !log.shared.syncs() {
            return 0;
        }
        let counted = self.lost.as_ref().map_or(
            0,
            |Lost {
                 missing: Missing { events, .. },
                 ..
             }| *events,
        );
        let forced = log.forced.load(Ordering::Acquire);
        self.end.saturating_sub(forced).saturating_sub(counted)
    }
}
