//! What is missing when sessions go on although they cannot be recorded (`onFailure: continue`).

use super::{Spool, Stop};
use crate::error::RecordError;
use crate::form::Form;
use crate::lines;
use crate::log::Log;
use crate::missing::Missing;
use crate::status::Counters;
use auditssh_log::extension::{Continued, Gap};
use auditssh_log::tail;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Events that could not be recorded.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    pub(super) missing: Missing,
    pub(super) reason: RecordError,
    /// Monotonic time in nanoseconds before which it is not tried again.
    pub(super) again: u64,
    /// The log before this one, and what it told of the connection.
    pub(super) continues: Option<Continued>,
    /// What is to be written in the place of lines.
    pub(super) lines: lines::Lost,
}

fn later(log: &Log) -> u64 {
    let tick = u64::try_from(log.shared.settings.tick.as_nanos()).unwrap_or(u64::MAX);
    log.shared.clock.now().mono.saturating_add(tick)
}

impl Spool {
    /// Counts the backlog as missing, but for the end of the log, which is tried again.
    pub(super) fn lose(&mut self, log: &Arc<Log>, error: &RecordError) {
        let gone = self.backlog.tickets.len() - usize::from(self.backlog.ended);
        let (mut missing, mut end, mut at) = (Missing::default(), 0, 0);
        let (form, mut lost_lines) = (&log.shared.settings.form, lines::Lost::default());
        for ticket in self.backlog.tickets.drain(..gone) {
            end = ticket.end;
            if let Some(run) = ticket.missing {
                missing.add(&run);
                let run = self.backlog.lost.pop_front().unwrap_or_default();
                if let Form::Lines(encoders) = form {
                    lost_lines.merge(run, &**encoders);
                }
                continue;
            }
            let frame = self.backlog.frames.get(at..).unwrap_or_default();
            let length = tail::length(frame).unwrap_or(frame.len());
            if let Form::Lines(encoders) = form {
                let message = frame.get(tail::FRAME..length).unwrap_or_default();
                lost_lines.add(lines::pieces(message), &**encoders);
            }
            at += length;
            missing.add(&Missing::one(ticket.bytes, wall(frame)));
        }
        self.backlog.frames.drain(..at);
        self.count(log, &missing, error);
        if let Some(lost) = &mut self.lost {
            lost.again = later(log);
            if let Form::Lines(encoders) = form {
                lost.lines.merge(lost_lines, &**encoders);
            }
        }
        if gone > 0 {
            self.publish(log, end);
        }
    }

    /// Adds to what is missing.
    pub(super) fn count(&mut self, log: &Log, missing: &Missing, error: &RecordError) {
        if self.lost.is_none() {
            tracing::error!(connection = %log.id, %error, "a session goes on unrecorded");
        }
        let lost = self.lost.get_or_insert_with(|| Lost {
            missing: Missing::default(),
            reason: error.clone(),
            again: 0,
            continues: None,
            lines: lines::Lost::default(),
        });
        lost.missing.add(missing);
        log.gapped.store(true, Ordering::Release);
        Counters::add(&log.shared.counters.missing, missing.events);
    }

    /// The same of the lines of events that found no room.
    pub(super) fn count_lines(&mut self, log: &Log) {
        let run = self.backlog.lost.pop_front().unwrap_or_default();
        if let (Some(lost), Form::Lines(encoders)) = (&mut self.lost, &log.shared.settings.form) {
            lost.lines.merge(run, &**encoders);
        }
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
        let stamp = log.now();
        let (from, to) = lost.missing.span.unwrap_or((stamp.wall, stamp.wall));
        let gap = Gap {
            messages: lost.missing.events,
            bytes: lost.missing.bytes,
            reason: lost.reason.to_string().into(),
            from,
            to,
        };
        let (event, mut extra) = gap.record();
        if let Some(before) = &lost.continues {
            extra.extend(before.to_extra());
        }
        let mut frame = Vec::new();
        log.encode_gap(&mut frame, (event, extra), &lost.lines);
        let ends = self.place(&mut frame, self.next, self.ends.clone());
        self.put(&frame, None).map_err(Stop::Fault)?;
        self.ends = ends;
        self.note(log, 1, frame.len() - tail::FRAME, frame.len());
        tracing::warn!(connection = %log.id, "a session is recorded again, after a gap");
        self.lost = None;
        log.gapped.store(false, Ordering::Release);
        Ok(())
    }
}

/// The wall clock of a frame.
fn wall(frame: &[u8]) -> i64 {
    let field = frame.get(16..24).and_then(|field| field.first_chunk());
    field.map_or(0, |field| i64::from_le_bytes(*field))
}
