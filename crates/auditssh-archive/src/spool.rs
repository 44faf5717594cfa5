//! The writer's side of a log: frames into tails, tails into chunks.
//!
//! A chunk is handed to the sealer when it is full and the tail of the next one is free, that is,
//! when the chunk before it is safe in the log. Until then it grows, so that a disk that takes its
//! time is asked less often for more; once it cannot, the writer stops taking events of this log,
//! and only of this one.

mod gap;
mod heir;
mod tails;

use crate::disk::write_all;
use crate::error::RecordError;
use crate::lines::Ends;
use crate::log::{Log, Waiting};
use crate::missing::Missing;
use crate::sealer::Job;
use crate::status::Counters;
use crate::sync::lock;
use crate::syncer::{Dirty, Then};
use auditssh_log::tail;
use gap::Lost;
pub(crate) use heir::make as make_heir;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
pub(crate) use tails::Tails;

/// A chunk is full with this many bytes of messages.
const CHUNK: usize = 256 << 10;
/// It grows up to this many while the chunk before it is not safe yet.
const GROWN: usize = 1 << 20;

/// What a log's writer knows.
#[derive(Debug)]
pub(crate) struct Spool {
    tails: Tails,
    chunk: u32,
    /// Where the next frame goes in the tail.
    at: u64,
    /// Bytes and number of the messages in the chunk.
    content: usize,
    count: u32,
    /// Number of the next message.
    next: u64,
    backlog: Waiting,
    /// How long files are, if the log consists of lines.
    ends: Option<Ends>,
    lost: Option<Lost>,
    /// Tickets below this are written, or counted as lost.
    end: u64,
    /// The log in which the session is to go on.
    heir: Option<Arc<Log>>,
    /// Sealing waits for nothing but the sealer.
    done: bool,
    stalled: bool,
}

enum Stop {
    /// The tail of the next chunk is not free yet.
    Stall,
    /// It could not be written.
    Fault(RecordError),
}

/// Does what waits for a log: the one function of a writer.
pub(crate) fn serve(log: &Arc<Log>) {
    let mut spool = lock(&log.spool);
    spool.stalled = false;
    loop {
        if spool.backlog.tickets.is_empty() {
            match log.take() {
                Some(waiting) => spool.backlog = waiting,
                None => break,
            }
        }
        if !spool.drain(log) {
            return;
        }
    }
    spool.look(log);
}

/// The tail of a chunk became free, or sealing failed: the writer may have waited for that.
pub(crate) fn free(log: &Arc<Log>) {
    let waited = std::mem::take(&mut lock(&log.spool).stalled);
    if waited {
        log.resume();
    }
}

impl Spool {
    pub(crate) fn new(tails: Tails, ends: Option<Ends>) -> Self {
        Self {
            tails,
            chunk: 0,
            at: tail::HEADER as u64,
            content: 0,
            count: 0,
            next: 0,
            backlog: Waiting::default(),
            ends,
            lost: None,
            end: 0,
            heir: None,
            done: false,
            stalled: false,
        }
    }

    /// The tails, to see whether they are still what was written.
    pub(crate) const fn tails(&self) -> &Tails {
        &self.tails
    }

    /// Writes the backlog. False if it has to wait: then the log stays out of the queue until
    /// [`free`].
    fn drain(&mut self, log: &Arc<Log>) -> bool {
        if let Some(error) = log.condemned().filter(|_| log.shared.goes_on()) {
            self.give_up(log, error);
            return true;
        }
        while !self.backlog.tickets.is_empty() {
            match self.write(log) {
                Ok(()) => {}
                Err(Stop::Stall) => {
                    self.stalled = true;
                    // The sealer may have been done just before.
                    if !self.is_next_free(log) && !log.is_blocked() && !log.is_condemned() {
                        return false;
                    }
                    self.stalled = false;
                }
                Err(Stop::Fault(error)) => {
                    self.fault(log, &error);
                    if log.shared.goes_on() {
                        break;
                    }
                }
            }
        }
        if self.backlog.ended && self.backlog.tickets.is_empty() {
            self.finish(log);
        }
        if self.backlog.tickets.is_empty() {
            self.backlog = Waiting::default();
            return true;
        }
        // What is left is the end of the log: it is tried again at the next tick.
        log.gapped.store(true, Ordering::Release);
        log.progress.close(Err(RecordError::Deferred(
            "its end cannot be written yet".into(),
        )));
        log.rest();
        false
    }

    /// Writes as much of the backlog as belongs into the current chunk, with one call.
    fn write(&mut self, log: &Arc<Log>) -> Result<(), Stop> {
        if let Some((run, end)) = self.run_of_missing() {
            self.count(log, &run, &RecordError::Behind);
            self.count_lines(log);
            self.publish(log, end);
            return Ok(());
        }
        let closing = log.has_failed();
        if closing.is_none() {
            self.turn(log)?;
            self.tell_gap(log)?;
        }
        let batch = self.batch(match closing {
            Some(_) => 0,
            None if self.content < CHUNK => CHUNK,
            None => GROWN,
        });
        self.put(&batch.frames, closing).map_err(Stop::Fault)?;
        self.ends = batch.ends;
        self.note(log, batch.count, batch.content, batch.frames.len());
        let mut end = 0;
        for ticket in self.backlog.tickets.drain(..batch.count as usize) {
            end = ticket.end;
        }
        self.backlog.frames.drain(..batch.frames.len());
        self.publish(log, end);
        Ok(())
    }

    /// Goes to the next chunk if this one is full.
    fn turn(&mut self, log: &Arc<Log>) -> Result<(), Stop> {
        if self.content < CHUNK {
            return Ok(());
        }
        if self.is_next_free(log) {
            self.tails
                .make(self.chunk.wrapping_add(1))
                .map_err(|error| Stop::Fault(fault("no further tail can be made", &error)))?;
            self.rotate(log);
            return Ok(());
        }
        if log.is_blocked() || log.is_condemned() {
            let error = RecordError::Storage("full chunks cannot be sealed".into());
            return Err(Stop::Fault(error));
        }
        if self.content < GROWN {
            return Ok(());
        }
        Err(Stop::Stall)
    }

    fn is_next_free(&self, log: &Log) -> bool {
        log.safe.load(Ordering::Acquire) >= self.chunk
    }

    /// Hands the chunk to the sealer.
    fn rotate(&mut self, log: &Arc<Log>) {
        let Some(tail) = self.tails.of(self.chunk) else {
            return;
        };
        log.shared.seal(Job::Seal {
            log: Arc::clone(log),
            chunk: self.chunk,
            tail: Arc::clone(&tail.file),
            seed: tail.seed,
            end: self.at,
        });
        self.chunk = self.chunk.saturating_add(1);
        (self.at, self.content, self.count) = (tail::HEADER as u64, 0, 0);
        log.since.store(0, Ordering::Release);
    }

    /// The events at the front of the backlog that found no room, and where their tickets end.
    fn run_of_missing(&mut self) -> Option<(Missing, u64)> {
        let front = self.backlog.tickets.front()?;
        let found = (front.missing?, front.end);
        self.backlog.tickets.pop_front();
        Some(found)
    }

    /// The frames of the backlog up to `most` bytes, at least one, with their places.
    fn batch(&mut self, most: usize) -> Batch {
        let mut batch = Batch {
            ends: self.ends.clone(),
            ..Batch::default()
        };
        let mut waiting = std::mem::take(&mut self.backlog.frames);
        let mut frames = waiting.as_mut_slice();
        let mut end = 0;
        for _ in (self.backlog.tickets.iter()).take_while(|ticket| ticket.missing.is_none()) {
            let Some(length) = tail::length(frames) else {
                break;
            };
            let (frame, rest) = frames.split_at_mut(length);
            let number = self.next + u64::from(batch.count);
            batch.ends = self.place(frame, number, batch.ends);
            end += length;
            batch.count += 1;
            batch.content += length - tail::FRAME;
            frames = rest;
            if self.content + batch.content >= most {
                break;
            }
        }
        batch.frames = waiting.get(..end).unwrap_or_default().to_vec();
        self.backlog.frames = waiting;
        batch
    }

    /// Completes a frame with its place, and the pieces in it with theirs.
    fn place(&self, frame: &mut [u8], number: u64, mut ends: Option<Ends>) -> Option<Ends> {
        if let Some(ends) = &mut ends {
            ends.place(frame.get_mut(tail::FRAME..).unwrap_or_default());
        }
        let seed = self.tails.seed(self.chunk);
        tail::place(frame, seed, self.chunk, number);
        ends
    }

    /// Puts frames into the tail; when the log is `closing`, only where there is room already.
    fn put(&mut self, frames: &[u8], closing: Option<RecordError>) -> Result<(), RecordError> {
        let end = self.at + frames.len() as u64;
        match closing {
            Some(error) if !self.tails.has_room(self.chunk, end) => return Err(error),
            Some(_) => {}
            None => self
                .tails
                .make_room(self.chunk, end)
                .map_err(|error| fault("no room in the tail", &error))?,
        }
        let tail = self.tails.of(self.chunk).ok_or(RecordError::Ended)?;
        write_all(&*tail.file, frames, self.at)
            .map_err(|error| fault("the tail cannot be written", &error))
    }

    fn note(&mut self, log: &Log, count: u32, content: usize, length: usize) {
        if self.count == 0 {
            let now = log.shared.clock.now().mono.max(1);
            log.since.store(now, Ordering::Release);
        }
        self.count = self.count.saturating_add(count);
        self.content += content;
        self.next += u64::from(count);
        self.at += length as u64;
        Counters::add(&log.shared.counters.messages, count.into());
    }

    /// Makes known that tickets below `end` are written.
    fn publish(&mut self, log: &Arc<Log>, end: u64) {
        self.end = self.end.max(end);
        let always = log.shared.always();
        let unsynced = !log.shared.syncs() || log.shared.goes_on() && log.is_condemned();
        if !always || unsynced {
            log.progress.resolve(end);
        }
        if unsynced {
            return;
        }
        let names = self.tails.take_new();
        let Some(tail) = self.tails.of(self.chunk) else {
            return;
        };
        let dirty = Dirty {
            log: Arc::clone(log),
            file: Some(Arc::clone(&tail.file)),
            names,
            then: Then::Commit(end),
        };
        if always {
            log.shared.sync(dirty);
            return;
        }
        let mut known = lock(&log.dirty);
        if !names {
            let same = |known: &Dirty| match (&known.file, &dirty.file) {
                (Some(known), Some(file)) => Arc::ptr_eq(known, file),
                _ => false,
            };
            known.retain(|known| known.names || !same(known));
        }
        known.push(dirty);
    }

    /// What the session did not live to see written is not recorded, or counted as missing.
    fn fault(&mut self, log: &Arc<Log>, error: &RecordError) {
        Counters::add(&log.shared.counters.failures, 1);
        if log.shared.goes_on() {
            self.lose(log, error);
            return;
        }
        if log.has_failed().is_none() {
            tracing::error!(connection = %log.id, %error, "a session ends, since it cannot be recorded");
            log.fail(error);
            self.keep(|ticket| ticket.closes, log, error);
        } else {
            // Not even the end of the session found room.
            self.keep(|_| false, log, error);
        }
    }

    /// Drops the frames of the backlog that are not kept; they are not recorded.
    fn keep(&mut self, kept: impl Fn(&crate::log::Ticket) -> bool, log: &Log, error: &RecordError) {
        let mut frames = Vec::new();
        let mut rest = self.backlog.frames.as_slice();
        self.backlog.tickets.retain(|ticket| {
            let length = tail::length(rest).unwrap_or(rest.len());
            let (frame, after) = rest.split_at(length.min(rest.len()));
            rest = after;
            let stays = kept(ticket);
            if stays {
                frames.extend_from_slice(frame);
            } else {
                log.progress
                    .reject(ticket.end.saturating_sub(1)..ticket.end, error);
            }
            stays
        });
        self.backlog.frames = frames;
    }

    /// Age and gaps are looked at when nothing else is to be done.
    fn look(&mut self, log: &Arc<Log>) {
        if log.shared.goes_on() && log.is_condemned() {
            self.leave(log);
            return;
        }
        if self.lost.is_some() && log.has_failed().is_none() && !self.done {
            match self.turn(log).and_then(|()| self.tell_gap(log)) {
                Ok(()) => self.publish(log, self.end),
                Err(Stop::Stall) => {}
                Err(Stop::Fault(error)) => self.postpone(log, &error),
            }
        }
        let since = log.since.load(Ordering::Acquire);
        let age = log.shared.clock.now().mono.saturating_sub(since);
        let due = u128::from(age) >= log.shared.settings.seal_interval.as_nanos();
        if self.count > 0 && since > 0 && due && self.is_next_free(log) && !self.done {
            match self.tails.make(self.chunk.wrapping_add(1)) {
                Ok(()) => self.rotate(log),
                Err(error) => {
                    tracing::warn!(connection = %log.id, %error, "a chunk is not sealed yet");
                }
            }
        }
    }

    /// The log has its last message.
    fn finish(&mut self, log: &Arc<Log>) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        if self.count > 0 {
            self.rotate(log);
        }
        log.shared.seal(Job::Finish(Arc::clone(log)));
    }
}

#[derive(Default)]
struct Batch {
    frames: Vec<u8>,
    ends: Option<Ends>,
    count: u32,
    content: usize,
}

fn fault(doing: &str, error: &io::Error) -> RecordError {
    RecordError::storage(doing, error)
}
