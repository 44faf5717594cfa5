//! The content of gzip members (RFC 1952), one after the other, as a stream.

use super::error::{Damage, Fault};
use super::parse::Source;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use std::io::{ErrorKind, Read};

const BUFFER: usize = 64 * 1024;

const HEADER_CRC: u8 = 0x02;
const EXTRA: u8 = 0x04;
const NAME: u8 = 0x08;
const COMMENT: u8 = 0x10;
const RESERVED: u8 = 0xe0;

/// Bit of a seal's flags that marks the final member of a log.
const FINAL: u8 = 0x02;

/// Inflates members, however many follow each other.
pub(super) struct Gzip<R> {
    input: Input<R>,
    inflate: Decompress,
    crc: Crc,
    output: Box<[u8]>,
    /// What of `output` has not been consumed.
    ready: std::ops::Range<usize>,
    state: State,
    /// Members begun.
    begun: u64,
    sealed: bool,
    is_final: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Where a member may begin.
    Between,
    /// In compressed data.
    Inside,
    /// Behind compressed data, whose last bytes have been shown.
    Trailer,
    /// Where compressed data is invalid, behind all that could be inflated.
    Invalid,
}

impl<R: Read> Gzip<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            input: Input::new(reader),
            inflate: Decompress::new(false),
            crc: Crc::new(),
            output: vec![0; BUFFER].into_boxed_slice(),
            ready: 0..0,
            state: State::Between,
            begun: 0,
            sealed: false,
            is_final: false,
        }
    }

    /// Number of the member that is being read, from 0.
    pub(super) fn member(&self) -> u64 {
        self.begun.saturating_sub(1)
    }

    /// Whether a seal says that this member is the log's last.
    pub(super) fn is_final(&self) -> bool {
        self.is_final
    }

    /// Bytes before the first member.
    pub(super) fn preamble(&mut self, out: &mut [u8]) -> Result<usize, Fault> {
        let mut filled = 0;
        for byte in out {
            let Some(next) = self.input.next()? else {
                break;
            };
            *byte = next;
            filled += 1;
        }
        Ok(filled)
    }

    /// Reads a member's header; `false` at the end of the input.
    fn begin(&mut self) -> Result<bool, Fault> {
        let Some(first) = self.input.next()? else {
            return Ok(false);
        };
        self.begun += 1;
        self.sealed = false;
        let mut rest = [0; 9];
        // What is there of a cut header must still be one.
        for (at, byte) in rest.iter_mut().enumerate() {
            let next = self.input.next()?;
            *byte = next.ok_or(Fault::Cut)?;
            let wrong = match at {
                0 => first != 0x1f || *byte != 0x8b,
                1 => *byte != 8,
                2 => *byte & RESERVED != 0,
                _ => false,
            };
            if wrong {
                return Err(Damage::GzipHeader.into());
            }
        }
        let [_, _, flags, ..] = rest;
        self.optional_fields(flags)?;
        self.inflate.reset(false);
        self.crc.reset();
        self.state = State::Inside;
        Ok(true)
    }

    fn optional_fields(&mut self, flags: u8) -> Result<(), Fault> {
        if flags & EXTRA != 0 {
            self.extra_field()?;
        }
        for _ in 0..(flags & NAME).count_ones() + (flags & COMMENT).count_ones() {
            while self.input.must()? != 0 {}
        }
        if flags & HEADER_CRC != 0 {
            self.input.must()?;
            self.input.must()?;
        }
        Ok(())
    }

    /// Looks for the seal's subfield and its flags; the seal itself is checked elsewhere
    /// ([`seal`](crate::seal)).
    fn extra_field(&mut self) -> Result<(), Fault> {
        let length = u16::from_le_bytes([self.input.must()?, self.input.must()?]);
        let mut field = vec![0; usize::from(length)];
        for byte in &mut field {
            *byte = self.input.must()?;
        }
        if let [b'A', b'S', _, _, _, flags, ..] = field.as_slice() {
            self.sealed = true;
            self.is_final = flags & FINAL != 0;
        }
        Ok(())
    }

    /// Inflates until there is something to show or the compressed data ends. What precedes
    /// invalid data is shown first.
    fn advance(&mut self) -> Result<(), Fault> {
        loop {
            let input = self.input.fill()?;
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let result = self
                .inflate
                .decompress(input, &mut self.output, FlushDecompress::None);
            let at_end = input.is_empty();
            let taken = difference(self.inflate.total_in(), before_in);
            let made = difference(self.inflate.total_out(), before_out);
            self.input.consume(taken);
            self.ready = 0..made;
            self.crc.update(self.output.get(..made).unwrap_or_default());
            match result {
                Ok(Status::StreamEnd) => {
                    self.state = State::Trailer;
                    return Ok(());
                }
                Err(_) => self.state = State::Invalid,
                Ok(Status::Ok | Status::BufError) => {}
            }
            if made > 0 {
                return Ok(());
            }
            if self.state == State::Invalid {
                return Err(Damage::Deflate.into());
            }
            if at_end {
                return Err(self.unfinished());
            }
            if taken == 0 {
                return Err(Damage::Deflate.into());
            }
        }
    }

    fn unfinished(&self) -> Fault {
        if self.sealed && !self.is_final {
            Fault::Cut
        } else {
            Fault::Unfinished
        }
    }

    fn trailer(&mut self) -> Result<(), Fault> {
        let mut word = || -> Result<u32, Fault> {
            Ok(u32::from_le_bytes([
                self.input.must()?,
                self.input.must()?,
                self.input.must()?,
                self.input.must()?,
            ]))
        };
        let (sum, length) = (word()?, word()?);
        if sum != self.crc.sum() {
            return Err(Damage::Checksum.into());
        }
        if length != self.crc.amount() {
            return Err(Damage::Length.into());
        }
        self.state = State::Between;
        Ok(())
    }
}

impl<R: Read> Source for Gzip<R> {
    fn fill(&mut self) -> Result<&[u8], Fault> {
        while self.ready.is_empty() {
            match self.state {
                State::Between => {
                    if !self.begin()? {
                        break;
                    }
                }
                State::Inside => self.advance()?,
                State::Trailer => self.trailer()?,
                State::Invalid => return Err(Damage::Deflate.into()),
            }
        }
        Ok(self.output.get(self.ready.clone()).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.ready.start = (self.ready.start + count).min(self.ready.end);
    }

    fn offset(&self) -> u64 {
        self.input.offset
    }
}

fn difference(after: u64, before: u64) -> usize {
    usize::try_from(after - before).unwrap_or(usize::MAX)
}

/// A reader with a buffer that knows how far it is.
struct Input<R> {
    reader: R,
    buffer: Box<[u8]>,
    ready: std::ops::Range<usize>,
    offset: u64,
}

impl<R: Read> Input<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            ready: 0..0,
            offset: 0,
        }
    }

    fn fill(&mut self) -> Result<&[u8], Fault> {
        while self.ready.is_empty() {
            match self.reader.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => self.ready = 0..count.min(self.buffer.len()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::Read(error)),
            }
        }
        Ok(self.buffer.get(self.ready.clone()).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.ready.start = (self.ready.start + count).min(self.ready.end);
        self.offset += count as u64;
    }

    /// The next byte; `None` at the end.
    fn next(&mut self) -> Result<Option<u8>, Fault> {
        let next = self.fill()?.first().copied();
        if next.is_some() {
            self.consume(1);
        }
        Ok(next)
    }

    /// The next byte of something that is written whole.
    fn must(&mut self) -> Result<u8, Fault> {
        self.next()?.ok_or(Fault::Cut)
    }
}
