//! A recording, read message by message.

use crate::store::{Id, Store};
use auditssh_log::Message;
use auditssh_log::codec::{DecodeError, Decoder, End};
use auditssh_view::Summary;
use std::io::{self, Read};
use std::ops::ControlFlow;

/// Whether to read on.
pub(crate) type Flow = io::Result<ControlFlow<()>>;

/// To read on.
pub(crate) const ON: Flow = Ok(ControlFlow::Continue(()));
/// To stop.
pub(crate) const STOP: Flow = Ok(ControlFlow::Break(()));

/// How reading ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ending {
    /// How the log ends; `None` if it was not read so far.
    pub(crate) end: Option<End>,
    /// What is wrong with it.
    pub(crate) problem: Option<String>,
}

/// Reads a recording, and gives each message with its number, from 0, and about where in the log it
/// stands.
pub(crate) fn read(
    reader: impl Read,
    mut each: impl FnMut(u64, &Message, u64) -> Flow,
) -> io::Result<Ending> {
    let mut decoder = Decoder::new(reader);
    let mut problem = None;
    let mut number = 0_u64;
    while let Some(message) = decoder.next() {
        match message {
            Ok(message) => {
                if each(number, &message, decoder.offset())?.is_break() {
                    return Ok(Ending::default());
                }
                number += 1;
            }
            Err(DecodeError::Read { source, .. }) => return Err(source),
            Err(wrong) => problem = Some(wrong.to_string()),
        }
    }
    Ok(Ending {
        end: decoder.end(),
        problem,
    })
}

/// What is to be said of a recording as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A server writes it.
    Open,
    /// It has its end.
    Complete,
    /// It was closed after a crash.
    Recovered,
    /// Its server died, and it is not closed yet.
    Unfinished,
    /// It is cut or damaged.
    Damaged,
}

impl State {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Complete => "complete",
            Self::Recovered => "recovered",
            Self::Unfinished => "unfinished",
            Self::Damaged => "damaged",
        }
    }

    /// Asked after reading: a log that was closed meanwhile is told apart from one that is cut.
    pub(crate) fn of(ending: &Ending, store: &Store, id: &Id) -> Self {
        match ending.end {
            _ if ending.problem.is_some() => Self::Damaged,
            Some(End::Complete) => Self::Complete,
            Some(End::Recovered) => Self::Recovered,
            Some(End::Open) if store.is_live(id) => Self::Open,
            Some(End::Open) => match store.open(id) {
                Ok(reader) if reader.has_tails() => Self::Unfinished,
                Ok(_) if closed_since(store, id) => Self::Complete,
                _ => Self::Damaged,
            },
            _ => Self::Damaged,
        }
    }
}

/// Whether a log has an end now that it had not when it was read.
fn closed_since(store: &Store, id: &Id) -> bool {
    store
        .open(id)
        .and_then(|reader| read(reader, |_, _, _| ON))
        .is_ok_and(|ending| matches!(ending.end, Some(End::Complete | End::Recovered)))
}

/// Whose recording it is: the name that was proven or, once nothing more can come, the last one that
/// was offered. Until then a login may still become anyone's.
pub(crate) fn login(store: &Store, id: &Id) -> io::Result<Option<Vec<u8>>> {
    let mut summary = Summary::default();
    let ending = read(store.open(id)?, |_, message, _| {
        summary.push(message);
        if summary.authenticated || summary.disconnected {
            STOP
        } else {
            ON
        }
    })?;
    let is_over = summary.disconnected || ending.end == Some(End::Recovered);
    let user = summary.user.filter(|_| summary.authenticated || is_over);
    Ok(user.map(|user| user.as_bytes().to_vec()))
}
