//! Lines as bytes: a block of them is compressed as a whole.

use super::{BLOCK, LARGEST_BLOCK, Stored};
use auditssh_view::survey::{Kind, LONGEST_LINE, Line};
use flate2::write::DeflateEncoder;
use flate2::{Compression, Decompress, FlushDecompress, Status};
use std::io::{self, Write as _};

/// Gathers lines, and makes blocks of them.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    raw: Vec<u8>,
    /// The blocks that are full, each with its length and checksum.
    pub(super) bytes: Vec<u8>,
}

impl Blocks {
    pub(super) fn push(&mut self, line: &Line<'_>) -> io::Result<()> {
        write(line, &mut self.raw);
        if self.raw.len() >= BLOCK {
            self.close()?;
        }
        Ok(())
    }

    /// Ends the block that was begun.
    pub(super) fn close(&mut self) -> io::Result<()> {
        if self.raw.is_empty() {
            return Ok(());
        }
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&self.raw)?;
        let packed = packed.finish()?;
        self.raw.clear();
        let length = u32::try_from(packed.len()).map_err(io::Error::other)?;
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend(crc32c::crc32c(&packed).to_le_bytes());
        self.bytes.extend(packed);
        Ok(())
    }
}

/// The bytes of a block; `None` if they are not those of one.
pub(super) fn unpack(packed: &[u8], raw: &mut Vec<u8>) -> Option<()> {
    raw.clear();
    raw.reserve(LARGEST_BLOCK);
    let mut stream = Decompress::new(false);
    let status = stream.decompress_vec(packed, raw, FlushDecompress::Finish);
    (status.ok()? == Status::StreamEnd).then_some(())
}

/// Writes a line: kind, channel, program, time, start of the program, length, text.
fn write(line: &Line<'_>, to: &mut Vec<u8>) {
    to.push(match line.kind {
        Kind::Command => 0,
        Kind::Typed => 1,
        Kind::Shown => 2,
        Kind::File => 3,
    });
    number(line.channel, to);
    number(line.program.into(), to);
    number(line.at, to);
    let at = i64::try_from(line.at).unwrap_or(i64::MAX);
    // The same for all lines of a program.
    to.extend(line.time.wrapping_sub(at).to_le_bytes());
    number(line.text.len() as u64, to);
    to.extend(line.text.as_bytes());
}

/// Reads a line; `None` if there is none, or no whole one.
pub(super) fn read(bytes: &mut &[u8]) -> Option<Stored> {
    let kind = match byte(bytes)? {
        0 => Kind::Command,
        1 => Kind::Typed,
        2 => Kind::Shown,
        3 => Kind::File,
        _ => return None,
    };
    let channel = take_number(bytes)?;
    let program = take_number(bytes)?.try_into().ok()?;
    let at = take_number(bytes)?;
    let (start, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    let length = usize::try_from(take_number(bytes)?).ok()?;
    if length > LONGEST_LINE {
        return None;
    }
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let passed = i64::try_from(at).unwrap_or(i64::MAX);
    Some(Stored {
        channel,
        program,
        kind,
        at,
        time: i64::from_le_bytes(*start).wrapping_add(passed),
        text: String::from_utf8(text.to_vec()).ok()?,
    })
}

/// Writes a number, seven bits a byte, the last one first.
fn number(mut number: u64, to: &mut Vec<u8>) {
    while let byte @ 0x80.. = number {
        to.push((byte & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    to.push((number & 0x7f) as u8);
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = byte(bytes)?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}
