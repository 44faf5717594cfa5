//! The frames that stand in the tails beside a log, those behind damage included.

use crate::directory::tail_name;
use auditssh_log::tail::{self, HEADER, Header, Stamp};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The longest tail that is read, in bytes.
const LIMIT: u64 = 64 << 20;

/// How many damaged tails of a log are looked for.
const DAMAGED: u32 = 16;

pub(super) struct Frame {
    chunk: u32,
    pub(super) stamp: Stamp,
    pub(super) gap: bool,
    pub(super) message: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Tails {
    /// By the number of the message.
    pub(super) frames: BTreeMap<u64, Frame>,
}

impl Tails {
    /// Reads the tails of a log, if it has any.
    pub(super) fn read(log: &Path) -> io::Result<Self> {
        let mut tails = Self::default();
        for path in paths(log) {
            match File::open(path) {
                Ok(file) => {
                    let mut bytes = Vec::new();
                    file.take(LIMIT).read_to_end(&mut bytes)?;
                    tails.add(&bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(tails)
    }

    /// The frames of a chunk from message `first` on, without a gap.
    pub(super) fn run(&self, chunk: u32, first: u64) -> impl Iterator<Item = &Frame> {
        (first..)
            .map_while(|number| self.frames.get(&number))
            .take_while(move |frame| frame.chunk == chunk)
    }

    fn add(&mut self, bytes: &[u8]) {
        let Some(header) = Header::decode(bytes) else {
            return;
        };
        let seed = header.seed();
        let mut rest = bytes.get(HEADER..).unwrap_or_default();
        loop {
            while let Some((frame, length)) = tail::read(rest, seed) {
                self.frames.insert(
                    frame.number,
                    Frame {
                        chunk: frame.chunk,
                        stamp: frame.stamp,
                        gap: frame.gap,
                        message: frame.message.to_vec(),
                    },
                );
                rest = rest.get(length..).unwrap_or_default();
            }
            match tail::stray(rest, seed, 0) {
                Some(found) if found.start > 0 => {
                    rest = rest.get(found.start..).unwrap_or_default();
                }
                _ => return,
            }
        }
    }
}

/// The tails of a log, and those that recovery put aside because they were damaged.
fn paths(log: &Path) -> impl Iterator<Item = PathBuf> {
    let name = log.file_name().unwrap_or_default().to_string_lossy();
    let damaged = (0..DAMAGED).map(|number| format!(".{name}.damaged{number}"));
    let names: Vec<_> = [0, 1]
        .map(|tail| tail_name(&name, tail))
        .into_iter()
        .chain(damaged)
        .collect();
    names.into_iter().map(|name| log.with_file_name(name))
}
