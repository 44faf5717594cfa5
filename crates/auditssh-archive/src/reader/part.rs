//! Stretches of the stream that a reader gives.

use super::cbor;
use crate::span::Span;
use auditssh_log::seal::{MAX_CONTENT, Seal};
use flate2::bufread::DeflateDecoder;
use flate2::{Crc, CrcReader};
use std::fs::File;
use std::io::{self, BufReader, Read, Take};
use std::sync::Arc;

/// Stored blocks hold at most this much.
const BLOCK: usize = 0xffff;

/// Begins a gzip member without an extra field.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// What is delivered at a time.
#[derive(Debug)]
pub(super) enum Part {
    Bytes(io::Cursor<Vec<u8>>),
    Span(Span),
    Rest(Box<Rest>),
    /// All that is left of the file.
    Last(Span),
    /// All that comes from what is no file.
    Stream(Arc<File>),
}

impl Read for Part {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Bytes(ready) => {
                let length = ready.read(bytes)?;
                if ready.position() >= ready.get_ref().len() as u64 {
                    // Not held while the message is decoded that it was.
                    *ready = io::Cursor::default();
                }
                Ok(length)
            }
            Self::Span(span) | Self::Last(span) => span.read(bytes),
            Self::Rest(rest) => rest.read(bytes),
            Self::Stream(file) => (&**file).read(bytes),
        }
    }
}

/// A member of ours without its first messages, as a member of stored blocks.
pub(super) struct Rest {
    content: BufReader<Take<CrcReader<DeflateDecoder<BufReader<Span>>>>>,
    /// Of what is delivered.
    crc: Crc,
    ready: io::Cursor<Vec<u8>>,
    ended: bool,
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rest").finish_non_exhaustive()
    }
}

impl Rest {
    /// What follows the first `known` messages of `member`. The content begins with `prologue`.
    pub(super) fn new(
        mut member: Span,
        seal: &Seal,
        prologue: &[u8],
        known: u64,
    ) -> io::Result<Self> {
        member.pass(seal.data_start() as u64);
        let content = CrcReader::new(DeflateDecoder::new(BufReader::new(member)));
        let mut rest = Self {
            content: BufReader::with_capacity(BLOCK, content.take(MAX_CONTENT.into())),
            crc: Crc::new(),
            ready: io::Cursor::new(HEADER.to_vec()),
            ended: false,
        };
        if !or_damage(rest.skip(prologue, known))?.unwrap_or(false) {
            rest.spoil();
        }
        Ok(rest)
    }

    /// Passes over messages; false if they are not there.
    fn skip(&mut self, prologue: &[u8], known: u64) -> io::Result<bool> {
        let mut start = vec![0; prologue.len()];
        self.content.read_exact(&mut start)?;
        if start != prologue {
            return Ok(false);
        }
        for _ in 0..known {
            if !cbor::skip(&mut self.content)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Ends with a block of a kind that does not exist: the damage is the decoder's to report.
    fn spoil(&mut self) {
        self.ready.get_mut().push(0x07);
        self.ended = true;
    }

    /// Makes the next block ready.
    fn advance(&mut self) -> io::Result<()> {
        self.ready = io::Cursor::new(Vec::with_capacity(BLOCK + 16));
        let mut block = vec![0; BLOCK];
        match or_damage(self.content.read(&mut block))? {
            Some(0) if or_damage(self.holds())?.unwrap_or(false) => {
                finish(self.ready.get_mut(), &self.crc);
                self.ended = true;
            }
            Some(0) | None => self.spoil(),
            Some(length) => {
                block.truncate(length);
                self.crc.update(&block);
                store(self.ready.get_mut(), &block, false);
            }
        }
        Ok(())
    }

    /// Whether the content that was read to its end is what the member's trailer says.
    fn holds(&mut self) -> io::Result<bool> {
        let content = self.content.get_mut().get_mut();
        let expected = [content.crc().sum(), content.crc().amount()].map(u32::to_le_bytes);
        let mut trailer = Vec::new();
        content.get_mut().get_mut().read_to_end(&mut trailer)?;
        Ok(trailer == expected.concat())
    }
}

/// `None` for damage, in contrast to a failure to read.
fn or_damage<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) => match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => Ok(None),
            _ => Err(error),
        },
        Ok(done) => Ok(Some(done)),
    }
}

impl Read for Rest {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.ready.read(bytes)?;
        if length > 0 || self.ended {
            return Ok(length);
        }
        self.advance()?;
        self.ready.read(bytes)
    }
}

/// A gzip member of stored blocks that grows.
pub(super) struct Wrapped {
    bytes: Vec<u8>,
    crc: Crc,
}

impl Wrapped {
    pub(super) fn new() -> Self {
        Self {
            bytes: HEADER.to_vec(),
            crc: Crc::new(),
        }
    }

    /// About how long its content is.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends to its content.
    pub(super) fn push(&mut self, content: &[u8]) {
        self.crc.update(content);
        self.bytes
            .reserve(content.len() + content.len() / 1024 + 64);
        for block in content.chunks(BLOCK) {
            store(&mut self.bytes, block, false);
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        finish(&mut self.bytes, &self.crc);
        self.bytes
    }
}

/// Ends a member.
fn finish(out: &mut Vec<u8>, crc: &Crc) {
    store(out, &[], true);
    out.extend(crc.sum().to_le_bytes());
    out.extend(crc.amount().to_le_bytes());
}

/// Appends a stored block (RFC 1951, 3.2.4).
fn store(out: &mut Vec<u8>, block: &[u8], last: bool) {
    let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
    out.push(u8::from(last));
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend_from_slice(block);
}
