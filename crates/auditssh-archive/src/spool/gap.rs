//! What is missing when sessions go on although they cannot be recorded (`onFailure: continue`).

use super::{Spool, Stop};
use crate::error::RecordError;
use crate::log::Log;
use crate::status::Counters;
use auditssh_log::extension::Gap;
use auditssh_log::tail;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Messages that could not be recorded.
#[derive(Debug)]
pub(super) struct Lost {
    messages: u64,
    bytes: u64,
    reason: RecordError,
    from: i64,
    to: i64,
    /// Monotonic time in nanoseconds before which it is not tried again.
    again: u64,
}

fn later(log: &Log) -> u64 {
    let tick = u64::try_from(log.shared.settings.tick.as_nanos()).unwrap_or(u64::MAX);
    log.shared.clock.now().mono.saturating_add(tick)
}

impl Spool {
    /// Counts the backlog as missing, but for the end of the log, which is tried again.
    pub(super) fn lose(&mut self, log: &Arc<Log>, error: &RecordError) {
        if self.lost.is_none() {
            tracing::error!(connection = %log.id, %error, "a session goes on unrecorded");
        }
        let ended = self.backlog.ended;
        let gone = self.backlog.tickets.len() - usize::from(ended);
        let (mut bytes, mut end) = (0, 0);
        for ticket in self.backlog.tickets.drain(..gone) {
            (bytes, end) = (bytes + ticket.bytes, ticket.end);
        }
        let (mut at, mut times) = (0, None);
        for _ in 0..gone {
            let rest = self.backlog.frames.get(at..).unwrap_or_default();
            let wall = rest.get(16..24).and_then(|field| field.first_chunk());
            let wall = wall.map_or(0, |field| i64::from_le_bytes(*field));
            times = Some((times.map_or(wall, |(from, _)| from), wall));
            at += tail::length(rest).unwrap_or(rest.len());
        }
        self.backlog.frames.drain(..at);
        let (from, to) = times.unwrap_or_default();
        let again = later(log);
        let lost = self.lost.get_or_insert(Lost {
            messages: 0,
            bytes: 0,
            reason: error.clone(),
            from,
            to,
            again,
        });
        lost.messages += gone as u64;
        lost.bytes += bytes;
        lost.again = again;
        if gone > 0 {
            lost.to = to;
            self.publish(log, end);
        }
        log.gapped.store(true, Ordering::Release);
        Counters::add(&log.shared.counters.missing, gone as u64);
    }

    /// It did not work again.
    pub(super) fn postpone(&mut self, log: &Log, error: &RecordError) {
        if let Some(lost) = &mut self.lost {
            lost.again = later(log);
        }
        tracing::debug!(connection = %log.id, %error, "a gap cannot be recorded yet");
    }

    /// Records what is missing, before anything else is recorded.
    pub(super) fn tell_gap(&mut self, log: &Arc<Log>) -> Result<(), Stop> {
        let Some(lost) = &self.lost else {
            return Ok(());
        };
        if log.shared.clock.now().mono < lost.again {
            return Err(Stop::Fault(lost.reason.clone()));
        }
        let gap = Gap {
            messages: lost.messages,
            bytes: lost.bytes,
            reason: lost.reason.to_string().into(),
            from: lost.from,
            to: lost.to,
        };
        let (event, extra) = gap.record();
        let mut frame = Vec::new();
        log.encode(&mut frame, log.now(), true, (event, None, extra));
        let seed = self.tails.seed(self.chunk);
        tail::place(&mut frame, seed, self.chunk, self.next);
        self.put(&frame, None).map_err(Stop::Fault)?;
        self.note(log, 1, frame.len() - tail::FRAME, frame.len());
        tracing::warn!(connection = %log.id, "a session is recorded again, after a gap");
        self.lost = None;
        log.gapped.store(false, Ordering::Release);
        Ok(())
    }
}
