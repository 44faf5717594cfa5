//! Logs without a chain: what ContainerSSH itself leaves behind.

use super::source::Source;
use flate2::{Decompress, FlushDecompress, Status};
use std::io::{self, Read};

/// Length of a gzip header without any optional field.
const GZIP: usize = 10;
const WINDOW: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stock {
    /// Valid as far as it goes, and without an end: as ContainerSSH leaves it.
    Endless,
    /// A stream that ends, or none.
    Other,
}

/// Whether a gzip header without an extra field (or any other) stands here.
pub(super) fn begins(start: &[u8]) -> bool {
    start.starts_with(&[0x1f, 0x8b, 8, 0])
}

/// Inflates to the end of the input; `start` was read already.
pub(super) fn inflate<R: Read>(start: &[u8], source: &mut Source<R>) -> io::Result<Stock> {
    let mut inflate = Decompress::new(false);
    let mut window = vec![0; WINDOW];
    let begun = start.get(GZIP..).unwrap_or_default();
    if !source.ended && !passes(&mut inflate, begun, &mut window) {
        return Ok(Stock::Other);
    }
    loop {
        let block = source.block(usize::MAX)?;
        if block.is_empty() {
            return Ok(Stock::Endless);
        }
        if !passes(&mut inflate, block, &mut window) {
            return Ok(Stock::Other);
        }
    }
}

/// Takes `data` whole, its output thrown away; false if the stream ends or is none.
fn passes(inflate: &mut Decompress, data: &[u8], window: &mut [u8]) -> bool {
    let mut rest = data;
    loop {
        let (taken, made) = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(rest, window, FlushDecompress::None);
        if !matches!(status, Ok(Status::Ok | Status::BufError)) {
            return false;
        }
        let taken = usize::try_from(inflate.total_in() - taken).unwrap_or(usize::MAX);
        rest = rest.get(taken..).unwrap_or_default();
        if rest.is_empty() && inflate.total_out() - made < window.len() as u64 {
            return true;
        }
    }
}
