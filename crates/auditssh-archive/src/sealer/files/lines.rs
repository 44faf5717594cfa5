//! Lines: each chunk adds to the files of the channels that it tells of.

use super::{Files, Written};
use crate::directory::cast_name;
use crate::disk::{DiskFile, uninterrupted, write_all};
use crate::lines::{self, Placed};
use crate::shared::Shared;
use crate::status::Counters;
use auditssh_log::seal::Deflate;
use auditssh_log::tail::Frame;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

/// The casts of a connection.
#[derive(Debug)]
pub(super) struct Lines {
    id: String,
    open: BTreeMap<u64, Cast>,
    /// The channels that have a cast. There are no more than files.
    all: BTreeSet<u64>,
}

#[derive(Debug)]
struct Cast {
    file: Arc<dyn DiskFile>,
    length: u64,
    /// Nothing was written to it yet.
    new: bool,
}

impl Lines {
    pub(super) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            open: BTreeMap::new(),
            all: BTreeSet::new(),
        }
    }

    /// The cast that a piece belongs to.
    fn cast(&mut self, shared: &Shared, piece: &Placed<'_>) -> io::Result<&mut Cast> {
        let channel = piece.channel;
        if !self.open.contains_key(&channel) {
            if !piece.begins || self.all.contains(&channel) {
                let text = format!("lines of channel {channel} belong to no open cast");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            let name = cast_name(&self.id, channel);
            let file = uninterrupted(|| shared.disk.create(&name))?;
            let cast = Cast {
                file,
                length: 0,
                new: true,
            };
            self.open.insert(channel, cast);
            self.all.insert(channel);
        }
        self.open
            .get_mut(&channel)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn written(&self, channel: u64, cast: &Cast) -> Written {
        Written {
            name: cast_name(&self.id, channel),
            file: Arc::clone(&cast.file),
            length: cast.length,
            new: cast.new,
        }
    }
}

impl Files for Lines {
    fn seal(
        &mut self,
        shared: &Shared,
        frames: &[Frame<'_>],
        _: &mut Deflate,
    ) -> io::Result<Vec<Written>> {
        let mut stretches: BTreeMap<u64, Stretch<'_>> = BTreeMap::new();
        for frame in frames {
            let pieces = lines::decode(frame.message).ok_or_else(damaged)?;
            for piece in pieces {
                let stretch = stretches.entry(piece.channel).or_insert_with(|| Stretch {
                    first: piece,
                    lines: Vec::new(),
                    ends: false,
                });
                stretch.push(&piece)?;
            }
        }
        for stretch in stretches.values() {
            let cast = self.cast(shared, &stretch.first)?;
            write_all(&*cast.file, &stretch.lines, stretch.first.offset)?;
        }
        let mut written = Vec::new();
        for (channel, stretch) in &stretches {
            let Some(cast) = self.open.get_mut(channel) else {
                continue;
            };
            cast.length = stretch.end();
            Counters::add(&shared.counters.bytes, stretch.lines.len() as u64);
        }
        for (channel, stretch) in &stretches {
            if let Some(cast) = self.open.get(channel) {
                written.push(self.written(*channel, cast));
            }
            if stretch.ends {
                self.open.remove(channel);
            } else if let Some(cast) = self.open.get_mut(channel) {
                cast.new = false;
            }
        }
        Ok(written)
    }

    fn finish(&mut self, _: &Shared) -> io::Result<Vec<Written>> {
        Ok(Vec::new())
    }

    fn open(&self) -> Vec<Written> {
        let open = self.open.iter();
        open.map(|(channel, cast)| self.written(*channel, cast))
            .collect()
    }

    fn names(&self) -> Vec<String> {
        let all = self.all.iter();
        all.map(|channel| cast_name(&self.id, *channel)).collect()
    }
}

/// What a chunk adds to one cast: pieces that stand one behind the other.
struct Stretch<'a> {
    first: Placed<'a>,
    lines: Vec<u8>,
    ends: bool,
}

impl<'a> Stretch<'a> {
    fn push(&mut self, piece: &Placed<'a>) -> io::Result<()> {
        if piece.offset != self.end() || self.ends {
            return Err(damaged());
        }
        self.lines.extend_from_slice(piece.lines);
        self.ends = piece.ends;
        Ok(())
    }

    fn end(&self) -> u64 {
        self.first.offset + self.lines.len() as u64
    }
}

fn damaged() -> io::Error {
    let text = "the tail does not hold what was written to it";
    io::Error::new(io::ErrorKind::InvalidData, text)
}
