//! Chunks into members or casts: compressing, hashing and appending, away from the writers.
//!
//! Jobs of one log are done in their order. One that fails stays, is tried again every tick, and
//! those behind it wait: a full disk costs no message that stands in a tail.

mod files;

use crate::disk::{DiskFile, read_full, uninterrupted};
use crate::error::RecordError;
use crate::log::Log;
use crate::shared::{Left, Shared};
use crate::spool;
use crate::status::Counters;
use crate::sync::lock;
use crate::syncer::{self, Dirty, Then};
use crate::ticker::watch;
use auditssh_log::seal::Deflate;
use auditssh_log::tail::{self, Frame, HEADER};
pub(crate) use files::{Files, Written, begin};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What is to be done for a log.
#[derive(Debug)]
pub(crate) enum Job {
    /// A chunk is complete.
    Seal {
        log: Arc<Log>,
        chunk: u32,
        tail: Arc<dyn DiskFile>,
        seed: u32,
        end: u64,
    },
    /// All chunks are.
    Finish(Arc<Log>),
    /// What failed is tried again.
    Retry(Arc<Log>),
}

impl Job {
    pub(crate) const fn log(&self) -> &Arc<Log> {
        match self {
            Self::Seal { log, .. } | Self::Finish(log) | Self::Retry(log) => log,
        }
    }
}

/// What a log's sealer knows.
#[derive(Debug)]
pub(crate) struct Seals {
    files: Box<dyn Files>,
    jobs: VecDeque<Job>,
    /// The first tail is on its way to the disk.
    rooting: bool,
}

impl Seals {
    /// For a log that begins with these files.
    pub(crate) fn new(files: Box<dyn Files>) -> Self {
        Self {
            files,
            jobs: VecDeque::new(),
            rooting: false,
        }
    }

    /// The files that are open, and how long they must be.
    pub(crate) fn open(&self) -> Vec<Written> {
        self.files.open()
    }
}

/// Runs until the queue is closed.
pub(crate) fn run(shared: &Arc<Shared>, thread: usize) {
    let mut deflate = Deflate::new();
    let Some(queue) = shared.sealers.get(thread) else {
        return;
    };
    while let Some(job) = queue.pop() {
        let log = Arc::clone(job.log());
        let mut seals = lock(&log.seals);
        if !matches!(job, Job::Retry(_)) {
            seals.jobs.push_back(job);
        }
        let Err(error) = seals.work(&log, &mut deflate) else {
            continue;
        };
        // A limit on the size of files goes away as little as damage does.
        if matches!(
            error.kind(),
            io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge
        ) {
            syncer::condemn(&log, &RecordError::storage("it cannot be sealed", &error));
            let _ = seals.work(&log, &mut deflate);
            continue;
        }
        drop(seals);
        block(&log, &error);
    }
}

impl Seals {
    fn work(&mut self, log: &Arc<Log>, deflate: &mut Deflate) -> io::Result<()> {
        while let Some(job) = self.jobs.front() {
            if log.is_condemned() {
                let over = self.jobs.iter().any(|job| matches!(job, Job::Finish(_)));
                self.jobs.clear();
                if over {
                    abandon(log);
                }
                break;
            }
            match job {
                Job::Seal {
                    chunk,
                    tail,
                    seed,
                    end,
                    ..
                } => {
                    if !is_rooted(log) {
                        if !std::mem::replace(&mut self.rooting, true) {
                            root(log, tail);
                        }
                        return Ok(());
                    }
                    let (chunk, bytes) = (*chunk, read(&**tail, *end)?);
                    let frames = frames(&bytes, *seed, chunk)?;
                    let written = self.files.seal(&log.shared, &frames, deflate)?;
                    let lengths = written.iter().map(|file| (file.name.clone(), file.length));
                    let sealed = Then::Sealed {
                        chunks: chunk.saturating_add(1),
                        lengths: lengths.collect(),
                    };
                    settle(log, written, sealed);
                }
                Job::Finish(_) => {
                    let written = self.files.finish(&log.shared)?;
                    let names = self.files.names();
                    // What was done to them since the last look is not to be missed.
                    watch::log(&log.shared, log, &self.open());
                    settle(log, written, Then::Finished(names));
                }
                Job::Retry(_) => {}
            }
            self.jobs.pop_front();
            if log.blocked.swap(false, Ordering::AcqRel) {
                tracing::info!(connection = %log.id, "a log can be sealed again");
            }
        }
        Ok(())
    }
}

/// Whether the first tail is on the disk, as far as anything is to be. Recovery tells by it that a
/// crash left the log, not someone who cut it.
fn is_rooted(log: &Log) -> bool {
    !log.shared.syncs()
        || log.rooted.load(Ordering::Acquire)
        || log.forced.load(Ordering::Acquire) > 0
}

/// Has the first tail forced to the disk. The jobs of the log wait for [`rooted`].
fn root(log: &Arc<Log>, tail: &Arc<dyn DiskFile>) {
    log.shared.sync(Dirty {
        log: Arc::clone(log),
        file: Some(Arc::clone(tail)),
        names: true,
        then: Then::Rooted,
    });
}

/// The first tail is on the disk, or the log is not trusted: its jobs go on.
pub(crate) fn rooted(log: &Arc<Log>) {
    log.rooted.store(true, Ordering::Release);
    log.shared.seal(Job::Retry(Arc::clone(log)));
}

/// Has files forced to the disk, one after the other, and then does what that makes possible. If one
/// fails, the log is condemned, and nothing is possible any more.
fn settle(log: &Arc<Log>, written: Vec<Written>, then: Then) {
    let mut dirty = Dirty {
        log: Arc::clone(log),
        file: None,
        names: false,
        then,
    };
    if !log.shared.syncs() {
        syncer::settle(dirty);
        return;
    }
    let mut written = written.into_iter();
    if let Some(last) = written.next_back() {
        (dirty.file, dirty.names) = (Some(last.file), last.new);
    }
    for Written { file, new, .. } in written {
        log.shared.sync(Dirty {
            log: Arc::clone(log),
            file: Some(file),
            names: new,
            then: Then::Next,
        });
    }
    log.shared.sync(dirty);
}

/// So many chunks are in the log for good: the tail of the last of them is free.
pub(crate) fn safe(log: &Arc<Log>, chunks: u32, lengths: &[(String, u64)]) {
    log.safe.fetch_max(chunks, Ordering::AcqRel);
    if let Some(observer) = &log.shared.settings.observer {
        for (name, length) in lengths {
            observer.sealed(name, *length);
        }
    }
    spool::free(log);
}

/// The log is complete: its tails are not needed any more. `names` are its files.
pub(crate) fn finished(log: &Arc<Log>, names: &[String]) {
    let shared = &log.shared;
    watch::tails(shared, log);
    // What is removed below was not removed by somebody else.
    log.changed.store(u8::MAX, Ordering::Release);
    let mut cleared = true;
    for chunk in 0..2 {
        let name = crate::directory::tail_name(&log.id, chunk);
        match uninterrupted(|| shared.disk.remove(&name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(connection = %log.id, %error, "a tail cannot be removed yet");
                cleared = false;
            }
            _ => {}
        }
    }
    if shared.syncs()
        && let Err(error) = uninterrupted(|| shared.disk.sync())
    {
        tracing::warn!(connection = %log.id, %error, "the directory cannot be synced");
        cleared = false;
    }
    Counters::add(&shared.counters.closed, 1);
    log.progress.close(Ok(()));
    if cleared && let Some(observer) = &shared.settings.observer {
        // Before the archive counts it as done: at the end, nothing waits for it after that.
        for name in names {
            observer.closed(name);
        }
    }
    forget(log);
    if !cleared {
        // Recovery removes what is left beside a complete log.
        lock(&shared.left).push(Left::new(log.id.clone()));
    }
}

/// Nothing writes to the log any more, but its files are not trusted: recovery reads them again,
/// and proves what it finds.
pub(crate) fn abandon(log: &Log) {
    if let Some(error) = log.condemned() {
        log.progress.close(Err(error.clone()));
    }
    if forget(log) {
        lock(&log.shared.left).push(Left::new(log.id.clone()));
    }
}

/// Lets go of a log; whether it was held.
fn forget(log: &Log) -> bool {
    // What is still to be synced of its tails holds the log itself.
    lock(&log.dirty).clear();
    lock(&log.shared.live).remove(&log.id).is_some()
}

/// Sealing failed: the session is told, and the writer does not wait for a tail.
fn block(log: &Arc<Log>, error: &io::Error) {
    Counters::add(&log.shared.counters.failures, 1);
    let error = RecordError::storage("it cannot be sealed", error);
    if !log.blocked.swap(true, Ordering::AcqRel) {
        tracing::error!(connection = %log.id, %error, "a log waits to be sealed");
    }
    if !log.shared.goes_on() {
        log.fail(&error);
    }
    log.progress
        .close(Err(RecordError::Deferred(error.to_string().into())));
    spool::free(log);
}

fn read(tail: &dyn DiskFile, end: u64) -> io::Result<Vec<u8>> {
    let length = usize::try_from(end).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    let read = read_full(tail, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// The frames of a chunk, which were written by us just before.
fn frames(bytes: &[u8], seed: u32, chunk: u32) -> io::Result<Vec<Frame<'_>>> {
    let mut rest = bytes.get(HEADER..).unwrap_or_default();
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let found = tail::read(rest, seed).filter(|(frame, _)| frame.chunk == chunk);
        let Some((frame, length)) = found else {
            let text = "the tail does not hold what was written to it";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        };
        frames.push(frame);
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(frames)
}
