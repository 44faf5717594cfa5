//! The file ledger: which files went through a connection, as its recorded streams tell.
//!
//! SFTP (versions 3 to 6), the old protocol of scp, and of rsync that it ran. Everything here was
//! written by a client or a server that may be hostile: what is held is bounded, and what is not
//! understood ends the ledger of its channel, which is said.

mod entry;
mod line;
mod rsync;
mod scp;
mod sftp;
#[cfg(test)]
mod tests;
mod transfer;

use crate::runs::{Did, Protocol, Runs, Start, Step};
use auditssh_log::Message;
pub use entry::{Action, Content, Direction, Entry, Outcome};
pub use line::hex;
use rsync::Rsync;
use scp::Scp;
use sftp::Sftp;
use std::collections::BTreeMap;

/// Longest path that is kept, in bytes; of longer ones the first.
pub const LONGEST_PATH: usize = 4096;

/// What the ledger tells while messages are pushed.
#[derive(Clone, Copy, Debug)]
pub enum Note<'a> {
    /// Bytes of a file's content.
    Data(&'a Data<'a>),
    /// Something that happened to a file, when it is known how it ended.
    Entry(&'a Entry),
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

/// Where notes go.
pub(crate) type To<'a> = dyn FnMut(Note<'_>) + 'a;

/// Keeps the ledger of a connection.
#[derive(Debug, Default)]
pub struct Ledger {
    runs: Runs,
    open: BTreeMap<u64, Open>,
    numbers: Numbers,
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

/// Numbers transfers.
#[derive(Debug, Default)]
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// When something happens, and on which channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) channel: u64,
    /// Unix time in nanoseconds.
    pub(crate) time: i64,
}

impl Ledger {
    /// Takes a message, and tells what it shows of files.
    pub fn push(&mut self, message: &Message, mut to: impl FnMut(Note<'_>)) {
        let (open, numbers) = (&mut self.open, &mut self.numbers);
        let Ok(()) = self.runs.push(message, |step| {
            take(open, numbers, &step, &mut to);
            Ok::<_, std::convert::Infallible>(())
        });
    }

    /// Tells what did not end.
    pub fn finish(mut self, mut to: impl FnMut(Note<'_>)) {
        let (open, numbers) = (&mut self.open, &mut self.numbers);
        let Ok(()) = self.runs.finish(|step| {
            take(open, numbers, &step, &mut to);
            Ok::<_, std::convert::Infallible>(())
        });
    }
}

fn take(open: &mut BTreeMap<u64, Open>, numbers: &mut Numbers, step: &Step<'_>, to: &mut To<'_>) {
    if let Did::Begin(start) = step.what {
        if let Some(parser) = parser(start) {
            let begun = start.time;
            open.insert(step.channel, Open { begun, parser });
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
        (Parser::Sftp(sftp), Did::Input(data)) => sftp.requests(data, at, numbers, to),
        (Parser::Sftp(sftp), Did::Output(data)) => sftp.replies(data, at, numbers, to),
        (Parser::Sftp(sftp), Did::End) => sftp.end(at, numbers, to),
        (Parser::Scp(scp), Did::Input(data)) => scp.input(data, at, numbers, to),
        (Parser::Scp(scp), Did::Output(data)) => scp.output(data, at, numbers, to),
        (Parser::Scp(scp), Did::End) => scp.end(at, to),
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

fn parser(start: &Start) -> Option<Parser> {
    Some(match start.protocol() {
        Protocol::None => return None,
        Protocol::Sftp => Parser::Sftp(Box::default()),
        Protocol::ScpSink => Parser::Scp(Box::new(Scp::new(start, Direction::Upload))),
        Protocol::ScpSource => Parser::Scp(Box::new(Scp::new(start, Direction::Download))),
        Protocol::Rsync => Parser::Rsync(Rsync::new(start)),
    })
}

/// A path, cut if it is too long.
pub(crate) fn path(bytes: &[u8]) -> Vec<u8> {
    bytes.get(..LONGEST_PATH).unwrap_or(bytes).to_vec()
}
