//! Messages: each chunk becomes a member of one file.

use super::{Files, Written};
use crate::disk::{DiskFile, write_all};
use crate::recovery::chunk_of;
use crate::shared::Shared;
use crate::status::Counters;
use auditssh_log::codec::Format;
use auditssh_log::seal::{Chain, Deflate, Ending, Flags};
use auditssh_log::tail::Frame;
use std::io;
use std::sync::Arc;

/// The members of a log.
#[derive(Debug)]
pub(super) struct Members {
    name: String,
    format: Format,
    file: Arc<dyn DiskFile>,
    chain: Chain,
    /// Length of the log.
    at: u64,
    flags: Flags,
}

impl Members {
    /// For a log that holds nothing but its header.
    pub(super) fn new(format: Format, name: &str, file: Arc<dyn DiskFile>) -> Self {
        let header = format.header();
        Self {
            name: name.to_owned(),
            format,
            file,
            chain: Chain::new(&header),
            at: header.len() as u64,
            flags: Flags::NONE,
        }
    }

    fn append(&mut self, shared: &Shared, member: &[u8], new: bool) -> io::Result<Vec<Written>> {
        write_all(&*self.file, member, self.at)?;
        self.at += member.len() as u64;
        Counters::add(&shared.counters.bytes, member.len() as u64);
        Ok(vec![Written {
            new,
            ..self.written()
        }])
    }

    fn written(&self) -> Written {
        Written {
            name: self.name.clone(),
            file: Arc::clone(&self.file),
            length: self.at,
            new: false,
        }
    }
}

impl Files for Members {
    fn seal(
        &mut self,
        shared: &Shared,
        frames: &[Frame<'_>],
        deflate: &mut Deflate,
    ) -> io::Result<Vec<Written>> {
        let first = self.chain.number() == 0;
        let mut content = Vec::new();
        if first {
            content.extend_from_slice(self.format.prologue());
        }
        for frame in frames {
            content.extend_from_slice(frame.message);
        }
        let chunk = chunk_of(frames, Flags::NONE);
        let mut chain = self.chain.clone();
        let member = chain
            .seal(&content, &chunk, deflate)
            .map_err(io::Error::other)?;
        let written = self.append(shared, &member, first)?;
        self.chain = chain;
        if chunk.flags.contains(Flags::GAP) {
            self.flags |= Flags::GAP;
        }
        Ok(written)
    }

    fn finish(&mut self, shared: &Shared) -> io::Result<Vec<Written>> {
        let ending = match self.format {
            Format::Audit => Ending::Array,
            Format::Binary => Ending::Sequence,
        };
        let chain = self.chain.clone();
        let member = chain
            .finish(ending, self.flags, shared.settings.signing_key.as_ref())
            .map_err(io::Error::other)?;
        self.append(shared, &member, false)
    }

    fn open(&self) -> Vec<Written> {
        vec![self.written()]
    }

    fn names(&self) -> Vec<String> {
        vec![self.name.clone()]
    }
}
