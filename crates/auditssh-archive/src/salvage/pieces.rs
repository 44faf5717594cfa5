//! The members of a damaged log, wherever they stand, and what is between them.

use crate::span::Span;
use auditssh_log::codec::{Format, HEADER_LENGTH};
use auditssh_log::seal::{Flags, MAX_MEMBER, MEMBER_START, SEAL_LENGTH, Seal};
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::sync::Arc;

pub(super) const BLOCK: usize = 64 << 10;

/// How often, on average, a byte may be hashed in vain: a log can be made to look like a great many
/// members that all fail.
const PATIENCE: u64 = 16;

/// Most stretches of a log that are told apart. Each takes 32 bytes of memory.
const MOST: usize = 1 << 18;

pub(super) struct Input {
    file: Arc<File>,
    header: Vec<u8>,
    length: u64,
    /// What was read last of it, and where that stands.
    window: (u64, Vec<u8>),
}

/// A stretch of the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) length: u64,
    /// Number of the first member that stands here, or of the one that should.
    pub(super) number: u32,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Members whose hashes hold, one after the other, numbered without a gap.
    Members,
    /// Anything else.
    Damage,
}

/// All stretches of a log.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// In the order of their numbers.
    pub(super) places: Vec<Place>,
    /// Whether there are more than are told apart.
    pub(super) more: bool,
}

impl Input {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let status = file.metadata()?;
        if !status.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is no regular file",
            ));
        }
        let mut input = Self {
            file: Arc::new(file),
            header: Vec::new(),
            length: status.len(),
            window: (0, Vec::new()),
        };
        input.header = input.at(0, HEADER_LENGTH)?;
        Ok(input)
    }

    pub(super) fn format(&self) -> Option<Format> {
        let header = self.header.first_chunk()?;
        Format::from_header(header).ok()
    }

    /// Whether what follows the header is no member of ours, but a header that can be read.
    pub(super) fn is_foreign(&self) -> io::Result<bool> {
        let start = self.at(HEADER_LENGTH as u64, 4)?;
        Ok(self.format().is_some() && start == [0x1f, 0x8b, 8, 0])
    }

    /// All of the log.
    pub(super) fn whole(&self) -> Span {
        self.span(0, self.length)
    }

    pub(super) fn span(&self, offset: u64, length: u64) -> Span {
        Span::new(Arc::clone(&self.file), offset, length)
    }

    /// What stands at a place of damage, as far as it can be one member.
    pub(super) fn damage(&self, place: &Place) -> Span {
        self.span(place.offset, place.length.min(MAX_MEMBER.into()))
    }

    /// The seal of the member that begins there, if there is one.
    pub(super) fn seal(&self, offset: u64) -> io::Result<Option<Seal>> {
        Ok(Seal::read(&self.at(offset, SEAL_LENGTH)?))
    }

    /// Everything behind the header.
    pub(super) fn places(&mut self) -> io::Result<Places> {
        let mut found = Places::default();
        let mut patience = self.length.saturating_mul(PATIENCE);
        let mut at = HEADER_LENGTH as u64;
        let mut number = 0;
        let mut ended = false;
        while at < self.length && !found.more {
            let member = self.find(at, &mut patience)?;
            let until = member.as_ref().map_or(self.length, |(offset, _)| *offset);
            if until > at && !ended {
                found.add(Place {
                    offset: at,
                    length: until - at,
                    number,
                    kind: Kind::Damage,
                });
            }
            let Some((offset, seal)) = member else { break };
            let follows = number == seal.number && until == at;
            number = seal.number.saturating_add(1);
            ended = seal.flags.contains(Flags::FINAL);
            at = offset + u64::from(seal.length);
            match found.places.last_mut() {
                Some(last) if follows && last.kind == Kind::Members => {
                    last.length = at - last.offset;
                }
                _ => found.add(Place {
                    offset,
                    length: seal.length.into(),
                    number: seal.number,
                    kind: Kind::Members,
                }),
            }
        }
        found.places.sort_by_key(|place| (place.number, place.kind));
        Ok(found)
    }

    /// The next member that holds.
    fn find(&mut self, from: u64, patience: &mut u64) -> io::Result<Option<(u64, Seal)>> {
        let mut at = from;
        while let Some(start) = self.search(at)? {
            if let Some(seal) = self.seal(start)? {
                let member = self.span(start, seal.length.into());
                if seal.holds_for(BufReader::with_capacity(BLOCK, member))? {
                    return Ok(Some((start, seal)));
                }
                *patience = patience.saturating_sub(seal.length.into());
                if *patience == 0 {
                    return Ok(None);
                }
            }
            at = start + 1;
        }
        Ok(None)
    }

    /// Where a member may begin.
    fn search(&mut self, from: u64) -> io::Result<Option<u64>> {
        let mut at = from;
        while at < self.length {
            let (begun, window) = &self.window;
            let inside = at
                .checked_sub(*begun)
                .and_then(|at| usize::try_from(at).ok());
            let rest = inside.and_then(|at| window.get(at..)).unwrap_or_default();
            let start = MEMBER_START.len();
            if let Some(found) = rest.windows(start).position(|bytes| bytes == MEMBER_START) {
                return Ok(Some(at + found as u64));
            }
            // What is left may be the beginning of one.
            at += rest.len().saturating_sub(start - 1) as u64;
            if self.length - at < start as u64 {
                return Ok(None);
            }
            self.window = (at, self.at(at, BLOCK)?);
            if self.window.1.len() < start {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Reads at most `length` bytes.
    fn at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(length);
        self.span(offset, length as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Places {
    fn add(&mut self, place: Place) {
        self.more |= self.places.len() >= MOST;
        if !self.more {
            self.places.push(place);
        }
    }
}
