//! The new log.

use super::Failure;
use auditssh_log::codec::Format;
use auditssh_log::seal::{Chain, Chunk, Deflate, Ending, Flags};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Content of a member, about, in bytes.
const CHUNK: usize = 256 << 10;

/// Where messages come from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origin {
    /// What is to be said of the member they go to.
    pub(super) flags: Flags,
    pub(super) first_mono: u64,
    pub(super) last_mono: u64,
}

pub(super) struct Output {
    file: File,
    format: Format,
    chain: Chain,
    deflate: Deflate,
    content: Vec<u8>,
    chunk: Chunk,
    last_wall: i64,
    last_mono: u64,
}

impl Output {
    /// Makes the file, which must not exist, readable by its owner alone.
    pub(super) fn create(path: &Path, format: Format) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let header = format.header();
        file.write_all(&header)?;
        Ok(Self {
            file,
            format,
            chain: Chain::new(&header),
            deflate: Deflate::new(),
            content: format.prologue().to_vec(),
            chunk: Chunk::default(),
            last_wall: 0,
            last_mono: 0,
        })
    }

    /// Wall clock of the last message.
    pub(super) fn last_wall(&self) -> i64 {
        self.last_wall
    }

    /// The origin of what has no clocks of its own.
    pub(super) fn last(&self, flags: Flags) -> Origin {
        Origin {
            flags,
            first_mono: self.last_mono,
            last_mono: self.last_mono,
        }
    }

    /// When what is known to follow was recorded: what is said before any message bears that time.
    pub(super) fn expect(&mut self, wall: i64) {
        if self.last_wall == 0 {
            self.last_wall = wall;
        }
    }

    /// The content of the next member so far, to append a message to; it comes back with
    /// [`Output::push`] or [`Output::give_back`].
    pub(super) fn lend(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.content)
    }

    pub(super) fn give_back(&mut self, content: Vec<u8>) {
        self.content = content;
    }

    /// Takes the content back, with a message.
    pub(super) fn push(
        &mut self,
        content: Vec<u8>,
        timestamp: i64,
        origin: &Origin,
    ) -> Result<(), Failure> {
        self.content = content;
        let span = &mut self.chunk.span;
        if self.chunk.count == 0 {
            span.first_wall = timestamp;
            span.first_mono = origin.first_mono;
        }
        span.last_wall = timestamp;
        span.last_mono = origin.last_mono;
        self.last_wall = timestamp;
        self.last_mono = origin.last_mono;
        self.chunk.flags |= origin.flags;
        self.chunk.count += 1;
        if self.content.len() >= CHUNK {
            self.seal()?;
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<(), Failure> {
        let chunk = std::mem::take(&mut self.chunk);
        let member = self.chain.seal(&self.content, &chunk, &mut self.deflate)?;
        self.content.clear();
        self.file.write_all(&member).map_err(Failure::Write)
    }

    /// Ends the log and brings it to the disk.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        if self.chunk.count > 0 {
            self.seal()?;
        }
        let ending = match self.format {
            Format::Audit => Ending::Array,
            Format::Binary => Ending::Sequence,
        };
        let flags = Flags::RECOVERED | Flags::GAP;
        let member = self.chain.clone().finish(ending, flags, None)?;
        self.file
            .write_all(&member)
            .and_then(|()| self.file.sync_all())
            .map_err(Failure::Write)
    }
}
