//! Indexes that anybody may have written.

use auditssh_search::Index;
use auditssh_search::index::NAME;
use auditssh_view::survey::LONGEST_LINE;
use std::io::Cursor;
use std::ops::ControlFlow;

/// Bytes that say that they are an index, with right lengths and checksums if the first is odd, are
/// read without a panic.
pub fn index(data: &[u8]) {
    let Some((first, data)) = data.split_first() else {
        return;
    };
    let bytes = if first % 2 == 0 {
        data.to_vec()
    } else {
        mended(data)
    };
    let Ok(index) = Index::read(Box::new(Cursor::new(bytes))) else {
        return;
    };
    let _ = index.lines(None, |line| {
        assert!(line.text.len() <= LONGEST_LINE);
        ControlFlow::Continue(())
    });
}

/// An index of pieces, each of which begins with how long it is.
fn mended(mut data: &[u8]) -> Vec<u8> {
    let mut index = NAME.to_vec();
    index.push(1);
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (piece, rest) = rest.split_at(length);
        index.extend((length as u32).to_le_bytes());
        index.extend(crc32c::crc32c(piece).to_le_bytes());
        index.extend(piece);
        data = rest;
    }
    index
}
