//! What is kept beside a log so that it need not be read to be found: `.ID.index`.
//!
//! An index begins with 16 bytes that name it and its version. Its head follows: length and CRC-32C,
//! four bytes each, and JSON ([`Head`]). Then come blocks of lines, compressed, each with its length
//! and CRC-32C before it. Numbers are little endian.
//!
//! The head says to which log the index belongs: how long that was, and the SHA-256 of its end. A log
//! that is anything else has no index. So has one that is still written.

mod block;
mod make;
mod read;
#[cfg(test)]
mod tests;

use crate::place::{END, Listed, Place};
use auditssh_view::survey::{Facts, Kind, Line, Surveyed};
pub use make::{Made, Reading, make, of_log};
pub use read::{BadIndex, Index};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io;

/// What every index begins with.
pub const NAME: &[u8; 15] = b"AuditSSH-Index\0";
/// The same, with the version.
const MAGIC: [u8; 16] = *b"AuditSSH-Index\0\x01";

/// The longest head, in bytes.
const LONGEST_HEAD: usize = 256 << 10;

/// How much a block of lines holds, about, and the most that one may be, in bytes.
const BLOCK: usize = 256 << 10;
const LARGEST_BLOCK: usize = 512 << 10;

/// How large the lines of an index may be, compressed. Of a log that has more the index has only the
/// facts, and says so.
pub const LARGEST: usize = 8 << 20;

/// What is known of a log as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A server writes it.
    Open,
    /// It has everything up to the end of the connection.
    Complete,
    /// It was closed after a crash.
    Recovered,
    /// It has no end, and nobody writes it.
    Unfinished,
    /// It cannot be read to its end.
    Damaged,
}

impl State {
    /// Whether the log cannot be read to its end.
    pub const fn is_damaged(self) -> bool {
        matches!(self, Self::Damaged)
    }

    /// The state as one word, for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Complete => "complete",
            Self::Recovered => "recovered",
            Self::Unfinished => "unfinished",
            Self::Damaged => "damaged",
        }
    }
}

/// What an index begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// How long the log was, in bytes.
    pub size: u64,
    /// SHA-256 of its last bytes, at most [`END`] of them.
    pub end: [u8; 32],
    /// What is known of it as a whole.
    pub state: State,
    /// The facts of the connection.
    pub facts: Facts,
    /// Whether messages were passed over, so that the facts count less than there was.
    pub partial: bool,
    /// Whether lines may be missing that stood on a screen for a moment.
    pub incomplete: bool,
    /// Whether there were too many lines to keep: they are to be read from the log.
    pub cut: bool,
    /// How long the blocks are together, in bytes.
    pub blocks: u64,
}

impl Head {
    /// What a survey of a log came to that is bound to nothing.
    pub(crate) fn unbound(state: State, surveyed: Surveyed) -> Self {
        Self {
            size: 0,
            end: [0; 32],
            state,
            facts: surveyed.facts,
            partial: false,
            incomplete: surveyed.incomplete,
            cut: false,
            blocks: 0,
        }
    }
}

/// A line of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The channel.
    pub channel: u64,
    /// Which of the programs of that channel, from 0.
    pub program: u32,
    /// What kind of text it is.
    pub kind: Kind,
    /// Nanoseconds since the program began.
    pub at: u64,
    /// Unix time in nanoseconds.
    pub time: i64,
    /// The text.
    pub text: String,
}

impl Stored {
    /// The line as a survey tells it.
    pub fn line(&self) -> Line<'_> {
        Line {
            channel: self.channel,
            program: self.program,
            kind: self.kind,
            at: self.at,
            time: self.time,
            text: &self.text,
        }
    }
}

impl From<&Line<'_>> for Stored {
    fn from(line: &Line<'_>) -> Self {
        Self {
            channel: line.channel,
            program: line.program,
            kind: line.kind,
            at: line.at,
            time: line.time,
            text: line.text.to_owned(),
        }
    }
}

/// What an index of a log that is so now would be bound to.
fn bound(place: &dyn Place, log: &Listed) -> io::Result<[u8; 32]> {
    let end = place.end(&log.name, log.size)?;
    if end.len() as u64 != log.size.min(END) {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the log is shorter than it was a moment ago",
        ));
    }
    Ok(Sha256::digest(&end).into())
}
