//! The file ledger: which files went through a connection.
//!
//! SFTP (versions 3 to 6), the old protocol of scp, and of rsync that it ran. Everything here was
//! written by a client or a server that may be hostile: what is held is bounded, and what is not
//! understood ends the ledger of its channel, which is said.
//!
//! The fold reads the streams. [`Live`] does so while they pass, for a log that may not have them;
//! [`Ledger`] reads a log, which may have the one, the other, or both.

mod entry;
mod ledger;
mod line;
mod live;
mod record;
mod rsync;
mod scp;
mod sftp;
#[cfg(test)]
mod tests;
mod transfer;

use crate::runs::{Did, Protocol, Runs, Start, Step};
use auditssh_log::Message;
pub use entry::{Action, Content, Direction, Entry, Outcome};
pub use ledger::Ledger;
pub use line::hex;
pub use live::Live;
pub(crate) use record::describe;
use rsync::Rsync;
use scp::Scp;
use sftp::Sftp;
use std::collections::BTreeMap;
use std::convert::Infallible;

/// Longest path that is kept, in bytes; of longer ones the first.
pub const LONGEST_PATH: usize = 4096;

/// How many bytes are held of all that did not end: paths, what waits for an answer, content that
/// came too early.
const MOST_HELD: usize = 16 << 20;
/// Most channels whose ledger is kept at once.
const MOST_CHANNELS: usize = 64;

/// What the ledger tells while messages are pushed.
#[derive(Clone, Copy, Debug)]
pub enum Note<'a> {
    /// Bytes of a file's content.
    Data(&'a Data<'a>),
    /// Something that happened to a file, when it is known how it ended.
    Entry(&'a Entry),
}

/// What the streams tell.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Told<'a> {
    /// A program begins whose files are told.
    Begin(&'a Begun<'a>),
    /// A file is opened.
    Open(&'a Begun<'a>),
    /// Bytes of a file's content.
    Data(&'a Data<'a>),
    /// Something that happened to a file.
    Entry(&'a Entry),
}

/// Something that begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun<'a> {
    pub(crate) at: At,
    pub(crate) protocol: &'static str,
    /// The path of a file, if it is one.
    pub(crate) path: &'a [u8],
    pub(crate) direction: Option<Direction>,
}

/// Bytes of a file's content. An entry of the same number follows.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    /// The number of the transfer.
    pub transfer: u64,
    /// Which way they went.
    pub direction: Direction,
    /// The path, as far as it is known.
    pub path: &'a [u8],
    /// Where in the file they stand.
    pub offset: u64,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// Where it goes.
pub(crate) type To<'a> = dyn FnMut(Told<'_>) + 'a;

/// Reads the streams of a connection.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    runs: Runs,
    open: BTreeMap<u64, Open>,
    shared: Shared,
}

#[derive(Debug)]
struct Open {
    /// Unix time of the beginning in nanoseconds.
    begun: i64,
    parser: Parser,
}

#[derive(Debug)]
enum Parser {
    Sftp(Box<Sftp>),
    Scp(Box<Scp>),
    Rsync(Rsync),
}

/// What all ledgers of a connection share: numbers for transfers, and memory.
#[derive(Debug)]
pub(crate) struct Shared {
    number: u64,
    /// How many bytes may still be held.
    room: usize,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            number: 0,
            room: MOST_HELD,
        }
    }
}

impl Shared {
    /// The number of the next transfer.
    pub(crate) fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// Whether so many bytes may be held; they are given back when they are not any more.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let left = self.room.checked_sub(bytes);
        self.room = left.unwrap_or(self.room);
        left.is_some()
    }

    pub(crate) fn give(&mut self, bytes: usize) {
        self.room = self.room.saturating_add(bytes);
    }
}

/// When something happens, and on which channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) channel: u64,
    /// Unix time in nanoseconds.
    pub(crate) time: i64,
}

impl Fold {
    /// Takes a message, and tells what it shows of files.
    pub(crate) fn push(&mut self, message: &Message, to: &mut To<'_>) {
        let (open, shared) = (&mut self.open, &mut self.shared);
        let Ok(()) = self.runs.push(message, |step| {
            take(open, shared, &step, to);
            Ok::<_, Infallible>(())
        });
    }

    /// Tells what did not end.
    pub(crate) fn finish(mut self, to: &mut To<'_>) {
        let (open, shared) = (&mut self.open, &mut self.shared);
        let Ok(()) = self.runs.finish(|step| {
            take(open, shared, &step, to);
            Ok::<_, Infallible>(())
        });
    }
}

fn take(open: &mut BTreeMap<u64, Open>, shared: &mut Shared, step: &Step<'_>, to: &mut To<'_>) {
    if let Did::Begin(start) = step.what {
        let begun = start.time;
        match parser(start) {
            Some((protocol, _)) if open.len() >= MOST_CHANNELS => to(Told::Entry(&Entry {
                channel: step.channel,
                begun,
                ended: begun,
                protocol,
                action: Action::Lost,
                path: Vec::new(),
                outcome: Outcome::Unknown,
            })),
            Some((protocol, parser)) => {
                let at = At {
                    channel: step.channel,
                    time: begun,
                };
                to(Told::Begin(&Begun {
                    at,
                    protocol,
                    path: &[],
                    direction: None,
                }));
                if let Parser::Rsync(rsync) = &parser {
                    rsync.open(at, to);
                }
                open.insert(step.channel, Open { begun, parser });
            }
            None => {}
        }
        return;
    }
    let Some(Open { begun, parser }) = open.get_mut(&step.channel) else {
        return;
    };
    let passed = i64::try_from(step.at).unwrap_or(i64::MAX);
    let at = At {
        channel: step.channel,
        time: begun.saturating_add(passed),
    };
    match (parser, step.what) {
        (Parser::Sftp(sftp), Did::Input(data)) => sftp.requests(data, at, shared, to),
        (Parser::Sftp(sftp), Did::Output(data)) => sftp.replies(data, at, shared, to),
        (Parser::Sftp(sftp), Did::End) => sftp.end(at, shared, to),
        (Parser::Scp(scp), Did::Input(data)) => scp.input(data, at, shared, to),
        (Parser::Scp(scp), Did::Output(data)) => scp.output(data, at, shared, to),
        (Parser::Scp(scp), Did::End) => scp.end(at, shared, to),
        (Parser::Rsync(rsync), Did::Input(data)) => rsync.input(data),
        (Parser::Rsync(rsync), Did::Output(data)) => rsync.output(data),
        (Parser::Rsync(rsync), Did::Exit(exit)) => rsync.exit(exit),
        (Parser::Rsync(rsync), Did::End) => rsync.end(at, to),
        _ => {}
    }
    if matches!(step.what, Did::End) {
        open.remove(&step.channel);
    }
}

/// What reads the bytes of a program, if they are of files, and the name of their protocol.
fn parser(start: &Start) -> Option<(&'static str, Parser)> {
    let scp = |direction| ("scp", Parser::Scp(Box::new(Scp::new(start, direction))));
    Some(match start.protocol() {
        Protocol::None => return None,
        Protocol::Sftp => ("sftp", Parser::Sftp(Box::default())),
        Protocol::ScpSink => scp(Direction::Upload),
        Protocol::ScpSource => scp(Direction::Download),
        Protocol::Rsync => ("rsync", Parser::Rsync(Rsync::new(start))),
    })
}

/// A path, cut if it is too long.
pub(crate) fn path(bytes: &[u8]) -> Vec<u8> {
    bytes.get(..LONGEST_PATH).unwrap_or(bytes).to_vec()
}
