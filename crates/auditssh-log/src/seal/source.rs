//! An input that is read in blocks, counted, and whose last bytes are remembered.

use super::chain::Hasher;
use super::fields::{Flags, PLAIN, SIGNED, Seal};
use std::io::{self, ErrorKind, Read};

const BLOCK: usize = 64 << 10;

/// More than the longest final member.
const RECENT: usize = 256;

pub(super) struct Source<R> {
    input: R,
    buffer: Box<[u8]>,
    recent: Recent,
    /// Bytes read so far.
    pub(super) read: u64,
    /// Whether the input has come to its end.
    pub(super) ended: bool,
}

impl<R> std::fmt::Debug for Source<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("read", &self.read)
            .finish_non_exhaustive()
    }
}

impl<R: Read> Source<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            buffer: vec![0; BLOCK].into(),
            recent: Recent::default(),
            read: 0,
            ended: false,
        }
    }

    /// Fills `to`, or as much of it as there is left.
    pub(super) fn fill(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(block) = to.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let length = self.input.read_some(block)?;
            self.recent
                .push(to.get(filled..filled + length).unwrap_or_default());
            filled += length;
            if length == 0 {
                self.ended = true;
                break;
            }
        }
        self.read += filled as u64;
        Ok(filled)
    }

    /// The next bytes, at most `limit`; none at the end.
    pub(super) fn block(&mut self, limit: usize) -> io::Result<&[u8]> {
        let size = limit.min(self.buffer.len());
        let block = self.buffer.get_mut(..size).unwrap_or_default();
        let length = self.input.read_some(block)?;
        self.read += length as u64;
        self.ended |= length == 0;
        let block = self.buffer.get(..length).unwrap_or_default();
        self.recent.push(block);
        Ok(block)
    }

    /// Whether the bytes read last are a whole final member with a number above `number`: then
    /// the input was not cut.
    pub(super) fn ends_with_final(&self, number: u32) -> bool {
        let found = self.recent.as_slice();
        [5, 14, 15].iter().any(|data| {
            [PLAIN, SIGNED].iter().any(|prefix| {
                found
                    .len()
                    .checked_sub(data + prefix)
                    .and_then(|start| found.get(start..)?.split_at_checked(*prefix))
                    .is_some_and(|(prefix, data)| is_final(prefix, data, number))
            })
        })
    }
}

fn is_final(prefix: &[u8], data: &[u8], above: u32) -> bool {
    Seal::decode(prefix).is_some_and(|seal| {
        let mut hash = Hasher::new(&seal);
        hash.update(data);
        seal.number > above && seal.flags.contains(Flags::FINAL) && hash.finish() == seal.this
    })
}

trait ReadSome: Read {
    /// [`Read::read`], tried again when a signal came in between.
    fn read_some(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.read(to) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

impl<R: Read> ReadSome for R {}

/// The last bytes of a stream.
#[derive(Debug, Default)]
pub(super) struct Recent(Vec<u8>);

impl Recent {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let skip = bytes.len().saturating_sub(RECENT);
        let bytes = bytes.get(skip..).unwrap_or_default();
        let excess = (self.0.len() + bytes.len()).saturating_sub(RECENT);
        self.0.drain(..excess);
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn ends_with(&self, bytes: &[u8]) -> bool {
        self.0.ends_with(bytes)
    }

    fn as_slice(&self) -> &[u8] {
        &self.0
    }
}
