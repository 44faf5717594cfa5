//! Reads logs where they are written: finished ones, open ones with their tails, growing ones.
//!
//! [`LogReader`] gives a log as one stream of bytes that any decoder takes. What still stands in
//! tails comes as further gzip members, made up on the way, without a seal: they show messages and
//! prove nothing. No lock is needed and nothing is changed. Nothing is held but a frame of a tail.
//!
//! [`Casts`] gives the casts of a connection in the same way; of them the tails are held.

mod casts;
mod cbor;
mod part;
mod skim;
mod tails;
#[cfg(test)]
mod tests;

use crate::directory::is_id;
use crate::span::Span;
use crate::verify::is_written;
use auditssh_log::codec::{Format, HEADER_LENGTH};
use auditssh_log::seal::{Flags, SEAL_LENGTH, Seal};
pub use casts::Casts;
pub(crate) use casts::holds_lines;
use part::{Part, Rest, Wrapped};
use skim::{Border, Skim};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tails::Tails;

/// How often a growing log is looked at.
const PAUSE: Duration = Duration::from_millis(50);
/// How often it is asked whether a server still writes it.
const ASK: Duration = Duration::from_secs(1);

/// A log as a stream of bytes, what stands in its tails included.
#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    /// When it was last seen that a server writes the log.
    asked: Option<Instant>,
    file: Arc<File>,
    tails: Tails,
    follow: bool,
    /// Set by who does not want to follow any more.
    stop: Option<Arc<AtomicBool>>,
    /// Where the next member begins.
    offset: u64,
    /// Members passed so far.
    members: u32,
    /// Messages in them.
    sealed: u64,
    /// Messages delivered so far.
    delivered: u64,
    /// What is being delivered.
    part: Part,
    recovered: bool,
    skim: Option<Skim>,
    /// Messages that were passed over.
    left_out: u64,
    state: State,
}

/// How a log ended for its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its end was not reached yet.
    Reading,
    /// It has its final member.
    Finished,
    /// It has none, and was read up to the last message that stands in it or in a tail.
    Open,
    /// It is not made of members, or not from here on: a log of ContainerSSH's own, one that is cut
    /// inside a member, or damaged. The bytes come as they are.
    Plain,
}

impl LogReader {
    /// Opens a log. With `follow` the stream ends with the log, and waits until then, as long as a
    /// server writes it; without it ends with the last message that is there now. What is no
    /// regular file (a pipe, say) is read as it comes.
    pub fn open(path: &Path, follow: bool) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let is_file = file.metadata()?.is_file();
        let mut header = Vec::with_capacity(HEADER_LENGTH);
        (&mut file)
            .take(HEADER_LENGTH as u64)
            .read_to_end(&mut header)?;
        let format = header
            .first_chunk()
            .and_then(|header| Format::from_header(header).ok())
            .filter(|_| is_file);
        let tails = match (format, path.file_name().and_then(|name| name.to_str())) {
            (Some(_), Some(name)) if is_id(name) => Tails::of(path.parent(), name),
            _ => Tails::none(),
        };
        let mut reader = Self {
            path: path.to_owned(),
            asked: None,
            file: Arc::new(file),
            tails,
            follow,
            stop: None,
            offset: header.len() as u64,
            members: 0,
            sealed: 0,
            delivered: 0,
            part: Part::Bytes(io::Cursor::new(header)),
            recovered: false,
            skim: None,
            left_out: 0,
            state: State::Reading,
        };
        if format.is_none() {
            reader.state = State::Plain;
        }
        Ok(reader)
    }

    /// Follows only until `stop` is set: then the stream ends with the last message that is there.
    #[must_use]
    pub fn until(self, stop: Arc<AtomicBool>) -> Self {
        Self {
            stop: Some(stop),
            ..self
        }
    }

    /// Reads of a long log only what stands at its beginning and its end: members with so many
    /// bytes of content, about, and what stands in tails. Of members between only the seals are
    /// read. A log that is not made of members is read whole.
    #[must_use]
    pub fn skim(self, first: u64, last: u64) -> Self {
        Self {
            skim: Some(Skim::new(first, last)),
            ..self
        }
    }

    /// How many messages were passed over, as far as reading came.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// How far reading came.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether a member says that it was made after a crash.
    pub const fn is_recovered(&self) -> bool {
        self.recovered
    }

    /// Whether tails stand beside it: it is being written, or waits for recovery.
    pub fn has_tails(&self) -> bool {
        self.tails.exist()
    }

    /// How many members of ours were read.
    pub const fn members(&self) -> u32 {
        self.members
    }

    /// The next part; `None` at the end.
    fn advance(&mut self) -> io::Result<Option<Part>> {
        while self.state == State::Reading {
            // Asked first: a log that is closed while we look has its last members before its
            // tails are gone.
            let written = self.tails.exist();
            let part = match self.frames()? {
                Some(part) => Some(part),
                None => self.member()?,
            };
            match part {
                Some(part) => return Ok(Some(part)),
                None if self.state != State::Reading => {}
                None if written && self.follows() && self.is_live() => std::thread::sleep(PAUSE),
                None if written && !self.tails.exist() => {}
                None => self.state = self.end()?,
            }
        }
        match (self.state, &self.part) {
            (State::Plain, Part::Bytes(_) | Part::Span(_) | Part::Rest(_)) => {
                self.plain().map(Some)
            }
            _ => Ok(None),
        }
    }

    fn follows(&self) -> bool {
        let stop = self.stop.as_ref();
        self.follow && stop.is_none_or(|stop| !stop.load(Ordering::Relaxed))
    }

    /// Whether a server writes in the log's directory; asked now and then, since it takes a lock for
    /// a moment. Who may not ask waits.
    fn is_live(&mut self) -> bool {
        if self.asked.is_none_or(|asked| asked.elapsed() >= ASK) {
            if !is_written(&self.path).unwrap_or(true) {
                return false;
            }
            self.asked = Some(Instant::now());
        }
        true
    }

    /// New messages in the tail of the chunk that is being written, as a member of their own.
    fn frames(&mut self) -> io::Result<Option<Part>> {
        let mut content = Wrapped::new();
        if self.delivered == 0 {
            content.push(self.prologue());
        }
        let count = self
            .tails
            .next(self.members, self.delivered, &mut content)?;
        if count == 0 {
            return Ok(None);
        }
        self.delivered = self.delivered.saturating_add(count);
        Ok(Some(Part::Bytes(io::Cursor::new(content.finish()))))
    }

    /// The next member, if it is there as a whole: as it is, or only with what of it was not
    /// delivered from a tail.
    fn member(&mut self) -> io::Result<Option<Part>> {
        let mut start = Vec::new();
        self.span(SEAL_LENGTH as u64).read_to_end(&mut start)?;
        let Some(seal) = Seal::read(&start) else {
            // Of a member that is being written, or is cut, what is there may still be one.
            let other = start.len() >= 4 && !start.starts_with(&[0x1f, 0x8b, 8, 4]);
            if other || start.len() == SEAL_LENGTH {
                self.state = State::Plain;
            }
            return Ok(None);
        };
        let end = self.offset.saturating_add(seal.length.into());
        if self.file.metadata()?.len() < end {
            return Ok(None);
        }
        if (seal.number, seal.first) != (self.members, self.sealed) {
            // It is not what it should be: no use in counting on.
            self.state = State::Plain;
            return Ok(None);
        }
        // An array begins in member 0.
        let may_leap = self.members > 0 && self.delivered == self.sealed;
        let skim = self.skim.as_mut();
        if may_leap && skim.is_some_and(|skim| skim.is_enough(&seal)) {
            self.leap()?;
            return Ok(Some(Part::Bytes(io::Cursor::default())));
        }
        let whole = self.span(seal.length.into());
        self.offset = end;
        self.members = self.members.saturating_add(1);
        self.recovered |= seal.flags.contains(Flags::RECOVERED);
        let known = self.delivered.saturating_sub(self.sealed);
        self.sealed = self.sealed.saturating_add(seal.count.into());
        self.delivered = self.delivered.max(self.sealed);
        if seal.flags.contains(Flags::FINAL) {
            self.state = State::Finished;
        } else if known > 0 && known >= seal.count.into() {
            return Ok(Some(Part::Bytes(io::Cursor::default())));
        } else if known > 0 {
            let prologue = if self.members == 1 {
                self.prologue()
            } else {
                &[]
            };
            let rest = Rest::new(whole, &seal, prologue, known)?;
            return Ok(Some(Part::Rest(Box::new(rest))));
        }
        Ok(Some(Part::Span(whole)))
    }

    /// Goes on with the log's last members.
    fn leap(&mut self) -> io::Result<()> {
        let Some(skim) = &self.skim else {
            return Ok(());
        };
        let to = skim.leap(
            &self.file,
            Border {
                offset: self.offset,
                members: self.members,
                sealed: self.sealed,
            },
        )?;
        self.left_out = to.sealed.saturating_sub(self.sealed);
        (self.offset, self.members) = (to.offset, to.members);
        (self.sealed, self.delivered) = (to.sealed, to.sealed);
        Ok(())
    }

    /// What the stream ends with, once nothing more is there.
    fn end(&mut self) -> io::Result<State> {
        let length = self.file.metadata()?.len();
        if length > self.offset && !self.tails.exist() {
            return Ok(State::Plain);
        }
        Ok(State::Open)
    }

    /// The rest of the file, as it is.
    fn plain(&mut self) -> io::Result<Part> {
        if !self.file.metadata()?.is_file() {
            return Ok(Part::Stream(Arc::clone(&self.file)));
        }
        let rest = self.span(u64::MAX);
        self.offset = u64::MAX;
        Ok(Part::Last(rest))
    }

    /// The bytes of the file from the next member on.
    fn span(&self, length: u64) -> Span {
        Span::new(Arc::clone(&self.file), self.offset, length)
    }

    fn prologue(&self) -> &'static [u8] {
        self.tails.format().map_or(&[], Format::prologue)
    }
}

impl Read for LogReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.part.read(bytes)?;
            if length > 0 || bytes.is_empty() {
                return Ok(length);
            }
            match self.advance()? {
                Some(part) => self.part = part,
                None => return Ok(0),
            }
        }
    }
}
