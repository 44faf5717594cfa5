//! What stands in the frames of a log that consists of lines.
//!
//! A frame holds what one event adds: a 1, then any number of pieces. Numbers are little endian.
//!
//! | piece | bytes | what |
//! |---|---|---|
//! | 0 | 8 | number of the channel, whose file it belongs to |
//! | 8 | 8 | where it stands in the file |
//! | 16 | 1 | bit 0: the file begins with it; bit 1: the file ends with it; bit 2: it counts for nothing |
//! | 17 | 4 | length of the lines |
//! | 21 | | the lines |
//!
//! A piece says itself where it stands, so that it may be written to its file any number of times:
//! that is all that recovery does. The place is known only when the frame is written, since frames
//! before it may have found no room.

use crate::form::{Encoders, Piece};
use std::collections::BTreeMap;

/// The version of a tail whose frames hold pieces.
pub(crate) const VERSION: u32 = 3;

/// The first byte of a frame's message.
const KIND: u8 = 1;
/// What precedes the lines in a piece.
const HEAD: usize = 21;

const BEGINS: u8 = 1;
const ENDS: u8 = 2;
const VOID: u8 = 4;

/// A piece with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed<'a> {
    pub(crate) channel: u64,
    pub(crate) offset: u64,
    pub(crate) begins: bool,
    pub(crate) ends: bool,
    pub(crate) lines: &'a [u8],
}

/// Appends the message of a frame; [`Ends::place`] gives its pieces their places.
pub(crate) fn encode(pieces: &[Piece], out: &mut Vec<u8>) {
    out.push(KIND);
    for piece in pieces {
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let flags = flag(piece.begins, BEGINS) | flag(piece.ends, ENDS);
        out.extend(piece.channel.to_le_bytes());
        out.extend([0; 8]);
        out.push(flags);
        let length = u32::try_from(piece.lines.len()).unwrap_or(u32::MAX);
        out.extend(length.to_le_bytes());
        out.extend(&piece.lines);
    }
}

/// The pieces of a message that count; `None` if it is damaged.
pub(crate) fn decode(message: &[u8]) -> Option<Vec<Placed<'_>>> {
    let (kind, mut rest) = message.split_first()?;
    (*kind == KIND).then_some(())?;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, flags, after) = split(rest)?;
        if flags & VOID == 0 {
            pieces.push(piece);
        }
        rest = after;
    }
    Some(pieces)
}

/// The pieces of a message that was not placed yet.
pub(crate) fn pieces(message: &[u8]) -> Vec<Piece> {
    let piece = |placed: Placed<'_>| Piece {
        channel: placed.channel,
        begins: placed.begins,
        ends: placed.ends,
        lines: placed.lines.to_vec(),
    };
    let placed = decode(message).unwrap_or_default();
    placed.into_iter().map(piece).collect()
}

fn split(bytes: &[u8]) -> Option<(Placed<'_>, u8, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
    let (channel, head) = head.split_first_chunk::<8>()?;
    let (offset, head) = head.split_first_chunk::<8>()?;
    let (flags, length) = head.split_first()?;
    let length = u32::from_le_bytes(*length.first_chunk()?) as usize;
    let (lines, after) = rest.split_at_checked(length)?;
    let piece = Placed {
        channel: u64::from_le_bytes(*channel),
        offset: u64::from_le_bytes(*offset),
        begins: flags & BEGINS != 0,
        ends: flags & ENDS != 0,
        lines,
    };
    Some((piece, *flags, after))
}

/// How long the open files of a connection are, with all that is written to tails.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ends(BTreeMap<u64, u64>);

impl Ends {
    /// Gives the pieces of a message their places. What belongs to a file whose beginning was not
    /// written counts for nothing.
    pub(crate) fn place(&mut self, message: &mut [u8]) {
        let mut rest = message.get_mut(1..).unwrap_or_default();
        while let Some((piece, flags, _)) = split(rest) {
            let (length, channel) = (piece.lines.len(), piece.channel);
            let (begins, ends) = (piece.begins, piece.ends);
            let known = self.0.get(&channel).copied();
            let offset = if begins { Some(0) } else { known };
            let flags = match offset {
                Some(_) => flags & !VOID,
                None => flags | VOID,
            };
            let place = offset.unwrap_or_default();
            let fields = (place.to_le_bytes().into_iter()).chain([flags]);
            for (byte, field) in rest.iter_mut().skip(8).zip(fields) {
                *byte = field;
            }
            match offset {
                Some(_) if ends => {
                    self.0.remove(&channel);
                }
                Some(offset) => {
                    self.0.insert(channel, offset + length as u64);
                }
                None => {}
            }
            rest = rest.get_mut(HEAD + length..).unwrap_or_default();
        }
    }
}

/// How many files are remembered that have lost something, and how many bytes of their beginnings. A
/// file whose beginning is forgotten is not written.
const MOST_FILES: usize = 1024;
const MOST_BYTES: usize = 4 << 20;

/// What is to be written in the place of lines that found no room, by channel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lost {
    files: BTreeMap<u64, Piece>,
    bytes: usize,
}

impl Lost {
    /// Of files that begin once more.
    pub(crate) fn of(begun: Vec<Piece>) -> Self {
        let mut lost = Self::default();
        for piece in begun {
            lost.begin(piece);
        }
        lost
    }

    /// Adds what was lost after all that is known.
    pub(crate) fn add(&mut self, pieces: Vec<Piece>, encoders: &dyn Encoders) {
        for piece in pieces {
            if piece.begins {
                self.begin(piece);
                continue;
            }
            if self.files.len() >= MOST_FILES && !self.files.contains_key(&piece.channel) {
                continue;
            }
            let file = self.files.entry(piece.channel).or_insert_with(|| Piece {
                channel: piece.channel,
                ..Piece::default()
            });
            // A header is no lost line.
            let mut bytes = file.lines.iter().take_while(|_| file.begins);
            let header = bytes.position(|byte| *byte == b'\n');
            let at = header.map_or(0, |end| end + 1);
            let before = file.lines.split_off(at.min(file.lines.len()));
            let told = encoders.missing(&before, &piece.lines);
            file.lines.extend(told);
            file.ends |= piece.ends;
        }
    }

    /// Adds what was lost later.
    pub(crate) fn merge(&mut self, later: Self, encoders: &dyn Encoders) {
        for piece in later.files.into_values() {
            let (begins, ends, channel) = (piece.begins, piece.ends, piece.channel);
            match self.files.get(&channel) {
                Some(_) if !begins => self.add(vec![piece], encoders),
                _ => {
                    self.begin(piece);
                    if let Some(file) = self.files.get_mut(&channel) {
                        (file.begins, file.ends) = (begins, ends);
                    }
                }
            }
        }
    }

    fn begin(&mut self, piece: Piece) {
        let bytes = self.bytes + piece.lines.len();
        if bytes <= MOST_BYTES && self.files.len() < MOST_FILES {
            self.bytes = bytes;
            self.files.insert(piece.channel, piece);
        }
    }

    /// The files that have ended meanwhile, and of which nothing is written.
    pub(crate) fn whole(&self) -> Vec<Piece> {
        let files = self.files.values();
        files
            .filter(|file| file.begins && file.ends)
            .cloned()
            .collect()
    }

    /// The channels of files that have ended meanwhile, but for those.
    pub(crate) fn ended(&self) -> Vec<u64> {
        let files = self.files.values();
        let ended = files.filter(|file| file.ends && !file.begins);
        ended.map(|file| file.channel).collect()
    }

    /// What is to be written.
    pub(crate) fn pieces(&self) -> Vec<Piece> {
        self.files.values().cloned().collect()
    }
}

/// How far bytes are whole lines of a cast, which hold no control characters, and whether they are
/// so to their end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sound {
    /// Where the last whole line ends.
    pub(crate) end: u64,
    at: u64,
    broken: bool,
}

impl Sound {
    /// Looks at the bytes that follow. False once there is no use in more.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        for &byte in bytes {
            match byte {
                _ if self.broken => break,
                b'\n' => self.end = self.at + 1,
                0..0x20 | 0x7f => self.broken = true,
                _ => {}
            }
            self.at += 1;
        }
        !self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece(channel: u64, begins: bool, ends: bool, lines: &[u8]) -> Piece {
        Piece {
            channel,
            begins,
            ends,
            lines: lines.to_vec(),
        }
    }

    #[test]
    fn pieces_stand_one_behind_the_other() {
        let mut ends = Ends::default();
        let mut message = Vec::new();
        let written = [
            piece(7, true, false, b"head\n"),
            piece(7, false, false, b"a\n"),
            piece(8, false, false, b"lost\n"),
            piece(7, false, true, b"b\n"),
            piece(7, false, false, b"late\n"),
        ];
        encode(&written, &mut message);
        ends.place(&mut message);
        let placed: Vec<_> = decode(&message)
            .unwrap()
            .iter()
            .map(|piece| (piece.channel, piece.offset, piece.lines.to_vec()))
            .collect();
        let expected = [(7, 0, &b"head\n"[..]), (7, 5, b"a\n"), (7, 7, b"b\n")];
        let expected = expected.map(|(channel, at, lines)| (channel, at, lines.to_vec()));
        assert_eq!(placed, expected);
        assert!(ends.0.is_empty());
    }

    #[test]
    fn lines_are_sound_up_to_a_control_character() {
        let mut sound = Sound::default();
        assert!(sound.push(b"a\nb"));
        assert_eq!(sound.end, 2);
        assert!(sound.push(b"\nc"));
        assert_eq!(sound.end, 4);
        assert!(!sound.push(b"c\0\nd\n"));
        assert_eq!(sound.end, 4);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            parts in proptest::collection::vec(
                (any::<u64>(), any::<bool>(), any::<bool>(), proptest::collection::vec(any::<u8>(), 0..9)), 0..9
            ),
        ) {
            let written: Vec<_> = parts.iter().map(|(c, b, e, l)| piece(*c, *b, *e, l)).collect();
            let mut message = Vec::new();
            encode(&written, &mut message);
            prop_assert_eq!(pieces(&message), written);
        }

        #[test]
        fn nothing_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&bytes);
            Ends::default().place(&mut bytes);
        }
    }
}
