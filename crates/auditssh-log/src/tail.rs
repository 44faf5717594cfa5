//! The open form of a log: a file beside it that takes one frame a message until a chunk of them is
//! sealed into a member ([`seal`](crate::seal)).
//!
//! Chunk n becomes member n. While it grows it stands in tail n mod 2, so that the tail of a chunk
//! is not touched before its member is safe. A tail is 64 bytes of header, then frames without
//! anything between them; what follows the last frame are zeros (space that was allocated ahead) or
//! the remains of chunk n − 2, since a tail is overwritten from its first frame and never cut.
//! Numbers are little endian.
//!
//! | header | bytes | what |
//! |---|---|---|
//! | 0 | 16 | `auditssh tail 1` and a zero |
//! | 16 | 32 | the connection's id |
//! | 48 | 4 | format version of the log: 1 or 2; 3 if the messages are lines of casts |
//! | 52 | 8 | random bytes |
//! | 60 | 4 | CRC-32C of the 60 bytes before |
//!
//! | frame | bytes | what |
//! |---|---|---|
//! | 0 | 4 | length of the message, not 0 |
//! | 4 | 4 | number of the chunk |
//! | 8 | 8 | number of the message within the log, from 0 |
//! | 16 | 8 | its wall clock: Unix time in nanoseconds, signed |
//! | 24 | 8 | its monotonic clock, nanoseconds |
//! | 32 | 4 | flags: bit 0, the message tells of a gap; others are 0 |
//! | 36 | 4 | CRC-32C of the bytes 0 to 35 and the message, continued from the header's CRC-32C |
//! | 40 | | the message: what the member's content will hold of it |
//!
//! CRC-32C is the Castagnoli polynomial as in RFC 3720. That a frame's is continued from the header's,
//! and so depends on its random bytes, ties the frame to its log and keeps anyone who chooses what
//! is recorded from placing bytes in the remains of an old chunk that pass for a frame of a new one.
//!
//! # Reading
//! Read the log's members first; let n be how many there are and m how many messages they hold. The
//! messages that follow are the frames of tail n mod 2 with chunk n, then those of the other tail
//! with chunk n + 1, as long as their CRC is right and their numbers count on from m. A frame that
//! fails ends its chunk. If a frame with a right CRC and a number not yet reached stands anywhere
//! after it, the tail is damaged ([`stray`]).

use std::ops::Range;

/// Length of a tail's header.
pub const HEADER: usize = 64;
/// Length of what precedes the message in a frame.
pub const FRAME: usize = 40;
/// The longest message, in bytes.
pub const MAX_MESSAGE: usize = 16 << 20;

const MAGIC: &[u8; 16] = b"auditssh tail 1\0";

/// The first bytes of a tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The connection's id.
    pub id: [u8; 32],
    /// Format version of the log.
    pub version: u32,
    /// Random bytes.
    pub nonce: [u8; 8],
}

/// When a message was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Unix time in nanoseconds.
    pub wall: i64,
    /// Monotonic clock in nanoseconds.
    pub mono: u64,
}

/// One message in a tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Number of the chunk.
    pub chunk: u32,
    /// Number of the message within the log.
    pub number: u64,
    /// When it was recorded.
    pub stamp: Stamp,
    /// Whether it tells of a gap.
    pub gap: bool,
    /// The message.
    pub message: &'a [u8],
}

impl Header {
    /// The header as it is written.
    pub fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let fields: [&[u8]; 4] = [MAGIC, &self.id, &self.version.to_le_bytes(), &self.nonce];
        for (place, &byte) in bytes.iter_mut().zip(fields.iter().copied().flatten()) {
            *place = byte;
        }
        if let Some((fields, crc)) = bytes.split_last_chunk_mut::<4>() {
            *crc = crc32c::crc32c(fields).to_le_bytes();
        }
        bytes
    }

    /// Reads a header; `None` if it is not one, or damaged.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (header, _) = bytes.split_first_chunk::<HEADER>()?;
        let (magic, rest) = header.split_first_chunk::<16>()?;
        let (id, rest) = rest.split_first_chunk::<32>()?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let (nonce, _) = rest.split_first_chunk::<8>()?;
        let header = Self {
            id: *id,
            version: u32::from_le_bytes(*version),
            nonce: *nonce,
        };
        (magic == MAGIC && header.encode() == *bytes.first_chunk()?).then_some(header)
    }

    /// What the checksums of the frames continue from.
    pub fn seed(&self) -> u32 {
        self.encode()
            .last_chunk::<4>()
            .map_or(0, |crc| u32::from_le_bytes(*crc))
    }
}

/// Appends a frame whose place is not known yet; [`place`] completes it. What `message` appends
/// becomes the message.
pub fn open(out: &mut Vec<u8>, stamp: Stamp, gap: bool, message: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 16]);
    out.extend(stamp.wall.to_le_bytes());
    out.extend(stamp.mono.to_le_bytes());
    out.extend(u32::from(gap).to_le_bytes());
    out.extend([0; 4]);
    message(out);
    let length = out.len() - start - FRAME;
    put(
        out.get_mut(start..).unwrap_or_default(),
        0,
        &u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes(),
    );
}

/// Completes the frame at the start of `frames` with its place in the log and its checksum.
/// Returns its length; `None` if there is no whole frame.
pub fn place(frames: &mut [u8], seed: u32, chunk: u32, number: u64) -> Option<usize> {
    let length = length(frames)?;
    let frame = frames.get_mut(..length)?;
    put(frame, 4, &chunk.to_le_bytes());
    put(frame, 8, &number.to_le_bytes());
    let crc = checksum(frame, seed)?;
    put(frame, 36, &crc.to_le_bytes());
    Some(length)
}

/// Length of the frame at the start of `bytes`, all included; `None` if it is not all there.
pub fn length(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    (1..=MAX_MESSAGE).contains(&length).then_some(())?;
    (bytes.len() >= FRAME + length).then_some(FRAME + length)
}

/// Reads the frame at the start of `bytes`, of whatever chunk; `None` if there is none whose
/// checksum is right. Returns its length, too.
pub fn read(bytes: &[u8], seed: u32) -> Option<(Frame<'_>, usize)> {
    let head = Head::read(bytes.first_chunk()?)?;
    let message = bytes.get(FRAME..)?.get(..head.length)?;
    (crc32c::crc32c_append(head.sum(seed), message) == head.crc).then_some(())?;
    let frame = Frame {
        chunk: head.chunk,
        number: head.number,
        stamp: head.stamp,
        gap: head.gap,
        message,
    };
    Some((frame, FRAME + head.length))
}

/// What precedes the message in a frame, for those who do not hold the message in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Length of the message, in bytes.
    pub length: usize,
    /// Number of the chunk.
    pub chunk: u32,
    /// Number of the message within the log.
    pub number: u64,
    /// When it was recorded.
    pub stamp: Stamp,
    /// Whether it tells of a gap.
    pub gap: bool,
    /// The checksum that it names.
    pub crc: u32,
    /// What the checksum covers of it.
    covered: [u8; 36],
}

impl Head {
    /// Reads what precedes a message; `None` if that is not possible. Whether it is one, its
    /// checksum tells: [`Head::sum`], continued with the message ([`sum`]), is [`Head::crc`].
    pub fn read(bytes: &[u8; FRAME]) -> Option<Self> {
        let (covered, crc) = bytes.split_last_chunk::<4>()?;
        let length = u32::from_le_bytes(take(covered, 0)?) as usize;
        let flags = u32::from_le_bytes(take(covered, 32)?);
        ((1..=MAX_MESSAGE).contains(&length) && flags <= 1).then_some(())?;
        Some(Self {
            length,
            chunk: u32::from_le_bytes(take(covered, 4)?),
            number: u64::from_le_bytes(take(covered, 8)?),
            stamp: Stamp {
                wall: i64::from_le_bytes(take(covered, 16)?),
                mono: u64::from_le_bytes(take(covered, 24)?),
            },
            gap: flags == 1,
            crc: u32::from_le_bytes(*crc),
            covered: *covered.first_chunk()?,
        })
    }

    /// Its part of the checksum, where `seed` is the header's.
    pub fn sum(&self, seed: u32) -> u32 {
        sum(seed, &self.covered)
    }
}

/// Continues a checksum (CRC-32C).
pub fn sum(before: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(before, bytes)
}

/// Whether a frame stands anywhere in `bytes` (a tail without its header) whose number is not below
/// `number`: a message that was recorded and cannot be reached. What lies inside a frame whose
/// checksum is right is that one's message: nothing was written over it since.
///
/// Bytes made to look like a great many frames are taken for one once the search would take
/// longer than a look at everything 64 times.
pub fn stray(bytes: &[u8], seed: u32, number: u64) -> Option<Range<usize>> {
    let mut budget = bytes.len().saturating_mul(64);
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| rest.len() > FRAME) {
        let flags = take(rest, 32).map_or(u32::MAX, u32::from_le_bytes);
        let Some(length) = length(rest).filter(|_| flags <= 1) else {
            at += 1;
            continue;
        };
        if let Some((frame, length)) = read(rest, seed) {
            if frame.number >= number {
                return Some(at..at + length);
            }
            at += length;
            continue;
        }
        budget = match budget.checked_sub(length) {
            None => return Some(at..at + length),
            Some(budget) => budget,
        };
        at += 1;
    }
    None
}

fn checksum(frame: &[u8], seed: u32) -> Option<u32> {
    let crc = crc32c::crc32c_append(seed, frame.get(..36)?);
    Some(crc32c::crc32c_append(crc, frame.get(FRAME..)?))
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    for (place, &byte) in bytes.iter_mut().skip(at).zip(field) {
        *place = byte;
    }
}

#[cfg(test)]
mod tests;
