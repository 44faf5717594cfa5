//! The members of a damaged log, wherever they stand, and what is between them.

use auditssh_log::codec::{Format, HEADER_LENGTH};
use auditssh_log::seal::{Flags, MAX_MEMBER, MEMBER_START, SEAL_LENGTH, Seal};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const BLOCK: usize = 64 << 10;

/// How often, on average, a byte may be hashed in vain: a log can be made to look like a great many
/// members that all fail.
const PATIENCE: u64 = 16;

pub(super) struct Input {
    file: File,
    header: Vec<u8>,
    length: u64,
}

/// A stretch of the log.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) length: u64,
    /// Number of the member that stands here, or should.
    pub(super) number: u32,
    pub(super) piece: Piece,
}

#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// A member whose hash holds.
    Member(Box<Seal>),
    /// Anything else.
    Damage,
}

impl Input {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut input = Self {
            file,
            header: Vec::new(),
            length,
        };
        input.header = input.at(0, HEADER_LENGTH as u64)?;
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

    pub(super) fn bytes(&self, place: &Place) -> io::Result<Vec<u8>> {
        self.at(place.offset, place.length.min(u64::from(MAX_MEMBER)))
    }

    /// Everything behind the header, in the order of the numbers, each number once.
    pub(super) fn places(&self) -> io::Result<Vec<Place>> {
        let mut places = Vec::new();
        let mut patience = self.length.saturating_mul(PATIENCE);
        let mut at = HEADER_LENGTH as u64;
        let mut number = 0;
        let mut ended = false;
        while at < self.length {
            let found = self.find(at, &mut patience)?;
            let until = found.as_ref().map_or(self.length, |(offset, _)| *offset);
            if until > at && !ended {
                places.push(Place {
                    offset: at,
                    length: until - at,
                    number,
                    piece: Piece::Damage,
                });
            }
            let Some((offset, seal)) = found else { break };
            number = seal.number.saturating_add(1);
            ended = seal.flags.contains(Flags::FINAL);
            at = offset + u64::from(seal.length);
            places.push(Place {
                offset,
                length: seal.length.into(),
                number: seal.number,
                piece: Piece::Member(Box::new(seal)),
            });
        }
        Ok(in_order(places))
    }

    /// The next member that holds.
    fn find(&self, from: u64, patience: &mut u64) -> io::Result<Option<(u64, Seal)>> {
        let mut at = from;
        while let Some(start) = self.search(at)? {
            if let Some(seal) = Seal::read(&self.at(start, SEAL_LENGTH as u64)?) {
                let member = self.at(start, seal.length.into())?;
                if seal.holds(&member) {
                    return Ok(Some((start, seal)));
                }
                *patience = patience.saturating_sub(member.len() as u64);
                if *patience == 0 {
                    return Ok(None);
                }
            }
            at = start + 1;
        }
        Ok(None)
    }

    /// Where a member may begin.
    fn search(&self, from: u64) -> io::Result<Option<u64>> {
        let mut at = from;
        while at < self.length {
            let block = self.at(at, BLOCK as u64)?;
            let start = MEMBER_START.len();
            if let Some(found) = block.windows(start).position(|bytes| bytes == MEMBER_START) {
                return Ok(Some(at + found as u64));
            }
            if block.len() < BLOCK {
                return Ok(None);
            }
            at += (block.len() - start + 1) as u64;
        }
        Ok(None)
    }

    /// Reads at most `length` bytes.
    fn at(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let length = length.min(self.length.saturating_sub(offset));
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
}

/// Sorts by number. Where a member holds, damage with the same number is of no use.
fn in_order(mut places: Vec<Place>) -> Vec<Place> {
    places.sort_by_key(|place| (place.number, matches!(place.piece, Piece::Damage)));
    let mut held = BTreeSet::new();
    places.retain(|place| match place.piece {
        Piece::Member(_) => held.insert(place.number),
        Piece::Damage => !held.contains(&place.number),
    });
    places
}
