//! Reads logs where they are written: finished ones, open ones with their tails, growing ones.
//!
//! [`LogReader`] gives a log as one stream of bytes that any decoder takes. What still stands in
//! tails comes as further gzip members, made up on the way, without a seal: they show messages and
//! prove nothing. No lock is needed and nothing is changed.

mod cbor;
mod tails;

use crate::directory::is_id;
use auditssh_log::codec::{Format, HEADER_LENGTH};
use flate2::read::DeflateDecoder;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;
use tails::Tails;

/// Offsets in a member, and the bytes that precede its data (`auditssh_log::seal`).
const PREFIX: usize = 140;
const SIGNED: usize = 236;
const FINAL: u8 = 2;

/// How often a growing log is looked at.
const PAUSE: Duration = Duration::from_millis(50);

/// Stored blocks hold at most this much.
const BLOCK: usize = 0xffff;

/// A log as a stream of bytes, what stands in its tails included.
#[derive(Debug)]
pub struct LogReader {
    file: File,
    tails: Tails,
    follow: bool,
    /// Where the next member begins.
    offset: u64,
    /// Members passed so far.
    members: u32,
    /// Messages delivered so far.
    delivered: u64,
    /// What is to be read next.
    ready: io::Cursor<Vec<u8>>,
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
    /// It is not made of members: a log of ContainerSSH's own, or damaged. The bytes come as they are.
    Plain,
}

impl LogReader {
    /// Opens a log. With `follow` the stream ends with the log, and waits until then; without it
    /// ends with the last message that is there now.
    pub fn open(path: &Path, follow: bool) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut header = vec![0; HEADER_LENGTH];
        let length = read_full(&mut file, &mut header)?;
        header.truncate(length);
        let format = header
            .first_chunk()
            .and_then(|header| Format::from_header(header).ok());
        let tails = match (format, path.file_name().and_then(|name| name.to_str())) {
            (Some(_), Some(name)) if is_id(name) => Tails::of(path.parent(), name),
            _ => Tails::none(),
        };
        Ok(Self {
            file,
            tails,
            follow,
            offset: length as u64,
            members: 0,
            delivered: 0,
            ready: io::Cursor::new(header),
            state: if format.is_some() {
                State::Reading
            } else {
                State::Plain
            },
        })
    }

    /// How far reading came.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Fills `ready`; leaves it empty at the end.
    fn advance(&mut self) -> io::Result<()> {
        while self.state == State::Reading {
            // Asked first: a log that is closed while we look has its last members before its
            // tails are gone.
            let written = self.tails.exist();
            let bytes = match self.frames()? {
                Some(bytes) => Some(bytes),
                None => self.member()?,
            };
            match bytes {
                Some(bytes) if !bytes.is_empty() => {
                    self.ready = io::Cursor::new(bytes);
                    return Ok(());
                }
                Some(_) => {}
                None if self.state != State::Reading => {}
                None if written && self.follow => std::thread::sleep(PAUSE),
                None if written && !self.tails.exist() => {}
                None => self.state = self.end()?,
            }
        }
        if self.state == State::Plain {
            self.plain()?;
        }
        Ok(())
    }

    /// New messages in the tail of the chunk that is being written, as a member of their own.
    fn frames(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(messages) = self.tails.next(self.members, self.delivered)? else {
            return Ok(None);
        };
        let mut content = Vec::new();
        if self.delivered == 0 {
            content.extend_from_slice(self.prologue());
        }
        content.extend_from_slice(&messages.bytes);
        self.delivered += messages.count;
        Ok(Some(wrap(&content)))
    }

    /// The next member, if it is there as a whole: as it is, or only with what of it was not
    /// delivered from a tail.
    fn member(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.file.seek(SeekFrom::Start(self.offset))?;
        let mut prefix = [0; PREFIX];
        let length = read_full(&mut self.file, &mut prefix)?;
        let Some(member) = Prefix::read(prefix.get(..length).unwrap_or_default()) else {
            if length >= 4 && !prefix.starts_with(&[0x1f, 0x8b, 8, 4]) {
                self.state = State::Plain;
            }
            return Ok(None);
        };
        let mut bytes = prefix.to_vec();
        let rest = u64::from(member.length).saturating_sub(PREFIX as u64);
        (&mut self.file).take(rest).read_to_end(&mut bytes)?;
        if bytes.len() != member.length as usize {
            return Ok(None);
        }
        self.offset += bytes.len() as u64;
        self.members = self.members.saturating_add(1);
        let known = self.delivered.saturating_sub(member.first);
        self.delivered = self.delivered.max(member.first + u64::from(member.count));
        if member.flags & FINAL != 0 {
            self.state = State::Finished;
        }
        if known == 0 || member.flags & FINAL != 0 {
            return Ok(Some(bytes));
        }
        if known >= u64::from(member.count) {
            return Ok(Some(Vec::new()));
        }
        self.rest_of(&bytes, known).map(Some)
    }

    /// The messages of a member after the first `known`.
    fn rest_of(&self, member: &[u8], known: u64) -> io::Result<Vec<u8>> {
        let data = member.get(PREFIX..).unwrap_or_default();
        let mut content = Vec::new();
        DeflateDecoder::new(data).read_to_end(&mut content)?;
        let mut rest = content.as_slice();
        if self.members == 1 {
            rest = rest.strip_prefix(self.prologue()).unwrap_or(rest);
        }
        for _ in 0..known {
            let length = cbor::length(rest)
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a damaged member"))?;
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(wrap(rest))
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
    fn plain(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = vec![0; BLOCK];
        let length = read_full(&mut self.file, &mut bytes)?;
        bytes.truncate(length);
        self.offset += length as u64;
        self.ready = io::Cursor::new(bytes);
        Ok(())
    }

    fn prologue(&self) -> &'static [u8] {
        self.tails.format().map_or(&[], Format::prologue)
    }
}

impl Read for LogReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.ready.position() == self.ready.get_ref().len() as u64 {
            self.ready = io::Cursor::new(Vec::new());
            self.advance()?;
        }
        self.ready.read(bytes)
    }
}

/// What the beginning of a member says.
struct Prefix {
    flags: u8,
    length: u32,
    count: u32,
    first: u64,
}

impl Prefix {
    fn read(bytes: &[u8]) -> Option<Self> {
        bytes
            .starts_with(&[0x1f, 0x8b, 8, 4])
            .then_some(())
            .filter(|()| bytes.len() >= PREFIX)?;
        let number = |at: usize| {
            let field = bytes.get(at..)?.first_chunk::<4>()?;
            Some(u32::from_le_bytes(*field))
        };
        let first = bytes.get(36..)?.first_chunk::<8>()?;
        let prefix = Self {
            flags: *bytes.get(17)?,
            length: number(24)?,
            count: number(32)?,
            first: u64::from_le_bytes(*first),
        };
        let most = auditssh_log::seal::MAX_MEMBER as usize + SIGNED;
        ((PREFIX..=most).contains(&(prefix.length as usize))).then_some(prefix)
    }
}

/// Messages as a gzip member of stored blocks.
fn wrap(content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut blocks = content.chunks(BLOCK).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        bytes.push(u8::from(blocks.peek().is_none()));
        bytes.extend(length.to_le_bytes());
        bytes.extend((!length).to_le_bytes());
        bytes.extend_from_slice(block);
    }
    let mut crc = flate2::Crc::new();
    crc.update(content);
    bytes.extend(crc.sum().to_le_bytes());
    bytes.extend(crc.amount().to_le_bytes());
    bytes
}

fn read_full(file: &mut File, bytes: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(length) => done += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
