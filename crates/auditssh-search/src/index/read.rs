use super::{Head, LARGEST, LARGEST_BLOCK, LONGEST_HEAD, MAGIC, Stored, block, bound};
use crate::Pattern;
use crate::place::{Listed, Place, Writer};
use std::fmt;
use std::io::{self, Read};
use std::ops::ControlFlow;

/// Why an index is not believed.
#[derive(Debug, thiserror::Error)]
pub enum BadIndex {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is none, or one of another version.
    #[error("it is no index of this version")]
    Version,
    /// It is not as it was written.
    #[error("it is damaged")]
    Damaged,
    /// The log is another, or has changed since.
    #[error("the log has changed since it was made")]
    Stale,
}

/// The index of a log.
pub struct Index {
    head: Head,
    rest: Box<dyn Read + Send>,
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index")
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

impl Index {
    /// The index beside a log, if there is one and it belongs to the log as it is now.
    pub fn of(place: &dyn Place, log: &Listed) -> Result<Option<Self>, BadIndex> {
        if log.writer != Writer::None {
            return Ok(None);
        }
        let Some(from) = place.index(&log.name)? else {
            return Ok(None);
        };
        let index = Self::read(from)?;
        if index.head.size != log.size || bound(place, log)? != index.head.end {
            return Err(BadIndex::Stale);
        }
        Ok(Some(index))
    }

    /// Reads what an index begins with.
    pub fn read(mut from: Box<dyn Read + Send>) -> Result<Self, BadIndex> {
        let mut magic = [0; MAGIC.len()];
        fill(&mut from, &mut magic)?;
        if magic != MAGIC {
            return Err(BadIndex::Version);
        }
        let json = piece(&mut from, LONGEST_HEAD)?;
        let head: Head = serde_json::from_slice(&json).map_err(|_| BadIndex::Damaged)?;
        if head.blocks > (LARGEST + LARGEST_BLOCK) as u64 {
            return Err(BadIndex::Damaged);
        }
        Ok(Self { head, rest: from })
    }

    /// What it begins with.
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// What it begins with, and nothing else.
    pub fn into_head(self) -> Head {
        self.head
    }

    /// Hands on its lines, until nobody wants more; blocks in which a pattern cannot be are passed
    /// over. On an error some were handed on.
    pub fn lines(
        mut self,
        pattern: Option<&Pattern>,
        mut each: impl FnMut(&Stored) -> ControlFlow<()>,
    ) -> Result<(), BadIndex> {
        let mut left = self.head.blocks;
        let mut raw = Vec::new();
        while left > 0 {
            let packed = piece(&mut self.rest, LARGEST_BLOCK)?;
            let length = packed.len() as u64 + 8;
            left = left.checked_sub(length).ok_or(BadIndex::Damaged)?;
            block::unpack(&packed, &mut raw).ok_or(BadIndex::Damaged)?;
            if pattern.is_some_and(|pattern| !pattern.may_be_in(&raw)) {
                continue;
            }
            let mut rest = raw.as_slice();
            while !rest.is_empty() {
                let line = block::read(&mut rest).ok_or(BadIndex::Damaged)?;
                if each(&line).is_break() {
                    return Ok(());
                }
            }
        }
        // Nothing follows the last block.
        match fill(&mut self.rest, &mut [0]) {
            Ok(()) => Err(BadIndex::Damaged),
            Err(BadIndex::Damaged) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Reads bytes that stand behind their length and checksum.
fn piece(from: &mut impl Read, longest: usize) -> Result<Vec<u8>, BadIndex> {
    let (mut length, mut sum) = ([0; 4], [0; 4]);
    fill(from, &mut length)?;
    fill(from, &mut sum)?;
    let length = u32::from_le_bytes(length);
    if length as usize > longest {
        return Err(BadIndex::Damaged);
    }
    let mut bytes = Vec::new();
    from.take(length.into()).read_to_end(&mut bytes)?;
    let is_whole = bytes.len() as u64 == u64::from(length);
    if !is_whole || crc32c::crc32c(&bytes) != u32::from_le_bytes(sum) {
        return Err(BadIndex::Damaged);
    }
    Ok(bytes)
}

fn fill(from: &mut impl Read, bytes: &mut [u8]) -> Result<(), BadIndex> {
    from.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => BadIndex::Damaged,
        _ => BadIndex::Io(error),
    })
}
