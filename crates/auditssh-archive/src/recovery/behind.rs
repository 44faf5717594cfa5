//! What stands behind a torn member.

use crate::disk::{DiskFile, read_full};
use auditssh_log::seal::{MEMBER_START, SEAL_LENGTH, Seal};
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

/// How much is read at a time.
const WINDOW: usize = 64 << 10;

/// How often, on average, a byte may be hashed in vain.
const PATIENCE: u64 = 16;

/// The number of a whole member that stands where a member `number` should begin, or behind that
/// and cannot have been written while that was not safe: no more than one, and the end, are.
pub(super) fn later(
    log: &Arc<dyn DiskFile>,
    stretch: Range<u64>,
    number: u32,
) -> io::Result<Option<u32>> {
    let mut patience = (stretch.end - stretch.start).saturating_mul(PATIENCE);
    let mut window = vec![0; WINDOW + SEAL_LENGTH];
    let mut at = stretch.start;
    while at < stretch.end {
        let length = read_full(&**log, &mut window, at)?;
        let window = window.get(..length).unwrap_or_default();
        let starts = window
            .windows(MEMBER_START.len())
            .take(WINDOW)
            .enumerate()
            .filter(|(_, bytes)| *bytes == MEMBER_START);
        for (offset, _) in starts {
            let place = at + offset as u64;
            let seal = Seal::read(window.get(offset..).unwrap_or_default());
            let misplaced =
                |seal: &Seal| place == stretch.start || seal.number > number.saturating_add(2);
            let Some(seal) = seal.filter(misplaced) else {
                continue;
            };
            // One that is cut short is not whole.
            if place.saturating_add(seal.length.into()) > stretch.end {
                continue;
            }
            let Some(left) = patience.checked_sub(seal.length.into()) else {
                return Ok(Some(seal.number));
            };
            patience = left;
            if seal.holds_for(Bytes { log, at: place })? {
                return Ok(Some(seal.number));
            }
        }
        if length < WINDOW {
            break;
        }
        at += WINDOW as u64;
    }
    Ok(None)
}

/// A log from a place on.
struct Bytes<'a> {
    log: &'a Arc<dyn DiskFile>,
    at: u64,
}

impl Read for Bytes<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.log.read_at(bytes, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk as _, LocalDisk, write_all};
    use auditssh_log::codec::Format;
    use auditssh_log::seal::{Chain, Chunk, Deflate};
    use std::fs::File;

    #[test]
    fn a_member_counts_only_if_it_is_whole() {
        let home = tempfile::tempdir().unwrap();
        let disk = LocalDisk::new(File::open(&home).unwrap().into(), None);
        let file = disk.create("log").unwrap();
        let content: Vec<u8> = (0..100_000_u32)
            .flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes())
            .collect();
        let chunk = Chunk {
            count: 1,
            ..Chunk::default()
        };
        let mut chain = Chain::new(&Format::Binary.header());
        let member = chain.seal(&content, &chunk, &mut Deflate::new()).unwrap();
        for end in [SEAL_LENGTH, SEAL_LENGTH + 5000, member.len() - 1] {
            file.truncate(0).unwrap();
            write_all(&*file, &member[..end], 0).unwrap();
            assert_eq!(later(&file, 0..end as u64, 0).unwrap(), None, "{end}");
        }
        write_all(&*file, &member, 0).unwrap();
        let found = later(&file, 0..member.len() as u64, 0).unwrap();
        assert_eq!(found, Some(0));
    }
}
