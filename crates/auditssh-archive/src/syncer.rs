//! Forces to the disk what the writers and sealers wrote, many files at once.
//!
//! Up to 8 files are synced one by one, more by one sync of the whole file system; if that fails, one
//! by one after all, so that each failure finds its file.

use crate::disk::{DiskFile, uninterrupted};
use crate::error::RecordError;
use crate::log::Log;
use crate::sealer;
use crate::shared::Shared;
use crate::spool;
use crate::status::Counters;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// From this many files on, all are synced at once.
const ONE_BY_ONE: usize = 8;

/// A file to sync, and what waits for it, and for what was to be synced before.
#[derive(Debug)]
pub(crate) struct Dirty {
    pub(crate) log: Arc<Log>,
    /// `None` if only what was before is waited for.
    pub(crate) file: Option<Arc<dyn DiskFile>>,
    /// Names were made in the directory that must not be lost either.
    pub(crate) names: bool,
    pub(crate) then: Then,
}

/// What a sync makes possible.
#[derive(Debug)]
pub(crate) enum Then {
    /// Tickets below this are on the disk, and so committed.
    Commit(u64),
    /// Another file, which is to be synced next, if this one could be.
    Next,
    /// Chunks of the log are safe.
    Sealed {
        /// How many there are.
        chunks: u32,
        /// How long files are with the last of them.
        lengths: Vec<(String, u64)>,
    },
    /// The first tail is on the disk: the first member may be written.
    Rooted,
    /// The log is complete, with files of these names.
    Finished(Vec<String>),
}

/// Runs until the queue is closed.
pub(crate) fn run(shared: &Arc<Shared>, thread: usize) {
    let Some(queue) = shared.syncers.get(thread) else {
        return;
    };
    while let Some(batch) = queue.pop_all() {
        let directory = sync_names(shared, &batch);
        let mut files: Vec<(Arc<dyn DiskFile>, io::Result<()>)> = Vec::new();
        for file in batch.iter().filter_map(|dirty| dirty.file.as_ref()) {
            if !files.iter().any(|(known, _)| Arc::ptr_eq(known, file)) {
                files.push((Arc::clone(file), Ok(())));
            }
        }
        sync_files(shared, &mut files);
        for dirty in batch {
            let is_it = |file: &Arc<dyn DiskFile>| {
                (dirty.file.as_ref()).is_some_and(|dirty| Arc::ptr_eq(file, dirty))
            };
            let file = files.iter().find(|(file, _)| is_it(file));
            let result = file.map_or(&Ok(()), |(_, result)| result);
            match (result, &directory) {
                (Err(error), _) => poison(dirty, error),
                (Ok(()), Err(error)) if dirty.names => poison(dirty, error),
                (Ok(()), _) => settle(dirty),
            }
        }
    }
}

fn sync_names(shared: &Shared, batch: &VecDeque<Dirty>) -> io::Result<()> {
    if batch.iter().any(|dirty| dirty.names) {
        uninterrupted(|| shared.disk.sync())?;
    }
    Ok(())
}

fn sync_files(shared: &Shared, files: &mut [(Arc<dyn DiskFile>, io::Result<()>)]) {
    if files.len() > ONE_BY_ONE && uninterrupted(|| shared.disk.sync_all()).is_ok() {
        return;
    }
    for (file, result) in files {
        *result = uninterrupted(|| file.sync());
    }
}

/// Does what a sync made possible.
pub(crate) fn settle(dirty: Dirty) {
    let log = dirty.log;
    let condemned = log.condemned();
    match (dirty.then, condemned) {
        (Then::Commit(end), None) => {
            log.forced.fetch_max(end, Ordering::AcqRel);
            log.progress.resolve(end);
        }
        // What came after the failure has been on its way already.
        (Then::Commit(end), Some(error)) => unsure(&log, end, error),
        (Then::Sealed { chunks, lengths }, None) => sealer::safe(&log, chunks, &lengths),
        (Then::Sealed { .. }, Some(_)) | (Then::Next, _) => {}
        (Then::Rooted, _) => sealer::rooted(&log),
        (Then::Finished(names), None) => sealer::finished(&log, &names),
        (Then::Finished(_), Some(_)) => sealer::abandon(&log),
    }
}

/// Tickets below `end` are written, and may be lost all the same.
fn unsure(log: &Log, end: u64, error: &RecordError) {
    if log.shared.goes_on() {
        log.progress.resolve(end);
    } else if log.shared.always() {
        log.progress.reject(end.saturating_sub(1)..end, error);
    }
}

/// What a failed sync was to write may be gone, whatever a later one says.
fn poison(dirty: Dirty, error: &io::Error) {
    let error = RecordError::storage("it could not be forced to the disk", error);
    condemn(&dirty.log, &error);
    settle(dirty);
}

/// The files of a log are not trusted again: its session ends, or goes on in another log.
pub(crate) fn condemn(log: &Arc<Log>, error: &RecordError) {
    Counters::add(&log.shared.counters.failures, 1);
    if log.condemn(error) {
        tracing::error!(connection = %log.id, %error, "a log is not trusted any more");
    }
    if log.shared.goes_on() {
        log.wake();
    } else {
        log.fail(error);
        log.progress.reject_all(error);
        log.progress.close(Err(error.clone()));
    }
    spool::free(log);
}
