//! The same for logs that consist of lines: what stands in the tails is written to its casts once
//! more, and each ends with its last whole line.
//!
//! A piece says where it stands, so this may be done any number of times, also over what was there
//! already. What follows the last whole line came from a chunk that was being written when the
//! power was cut and whose frames were not on the disk yet.

use super::{MAX_SOUND, Recovered, Recovery, RecoveryError, failed, leftovers};
use crate::directory::{cast_name, cast_owner};
use crate::disk::{Disk, DiskFile, read_full, uninterrupted, write_all};
use crate::lines::{self, Sound};
use crate::recovery::frames::{Run, Tail};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

/// A connection may have a great many casts: one is open at a time.
struct Casts<'a> {
    disk: &'a dyn Disk,
    id: &'a str,
    channels: BTreeSet<u64>,
    open: Option<(u64, Arc<dyn DiskFile>)>,
}

impl Recovery<'_> {
    /// Completes the casts of a connection.
    pub(super) fn run_lines(
        &mut self,
        id: &str,
        tails: &mut [Option<Tail>; 2],
    ) -> Result<Recovered, RecoveryError> {
        let run = Run::first(tails).map_err(failed(id, "a tail cannot be read"))?;
        // They vouch for what is written here if that is cut short.
        for tail in tails.iter().flatten() {
            uninterrupted(|| tail.sync()).map_err(failed(id, "a tail cannot be synced"))?;
        }
        let mut casts = Casts {
            disk: self.disk,
            id,
            channels: self
                .casts(id)
                .map_err(failed(id, "its casts cannot be looked for"))?,
            open: None,
        };
        for stretch in &run.chunks {
            let mut bytes = Ok(());
            let read = stretch.each(tails, |message| {
                if bytes.is_ok() {
                    bytes = casts.write(message);
                }
            });
            read.map_err(failed(id, "a tail cannot be read"))?;
            bytes.map_err(failed(id, "a cast cannot be written"))?;
        }
        let mut damaged = false;
        self.files.clear();
        for channel in casts.channels {
            let name = cast_name(id, channel);
            let cut = self
                .end_cast(&name)
                .map_err(failed(id, "a cast cannot be completed"))?;
            damaged |= cut.damaged;
            if cut.left {
                self.files.push(name);
            }
        }
        uninterrupted(|| self.disk.sync()).map_err(failed(id, "the directory cannot be synced"))?;
        let kept = self.clear(id, tails, run.next)?;
        Ok(Recovered::Log {
            messages: run.count(),
            damaged: damaged || kept,
        })
    }

    /// The channels that have casts.
    pub(super) fn casts(&mut self, id: &str) -> io::Result<BTreeSet<u64>> {
        let known = match self.casts.take() {
            Some(known) => known,
            None => listed(self.disk)?,
        };
        let channels = known.get(id).cloned().unwrap_or_default();
        self.casts = Some(known);
        Ok(channels)
    }

    /// Cuts a cast behind its last whole line, and forces it to the disk.
    fn end_cast(&self, name: &str) -> io::Result<Cut> {
        let file = uninterrupted(|| self.disk.open(name))?;
        let length = uninterrupted(|| file.status())?.length;
        let end = sound(&*file)?;
        let mut damaged = false;
        if end < length {
            // One line that was begun is no loss: what it was to say had no effect yet, or stands in
            // a tail, from which it was written whole.
            if holds_lines(&*file, end)? {
                self.set_bytes_aside(name, &file, end..length)?;
                damaged = true;
            }
            uninterrupted(|| file.truncate(end))?;
        }
        uninterrupted(|| file.sync())?;
        if end == 0 {
            uninterrupted(|| self.disk.remove(name))?;
        }
        Ok(Cut {
            damaged,
            left: end > 0,
        })
    }
}

impl Casts<'_> {
    /// Writes the pieces of a message to their places.
    fn write(&mut self, message: &[u8]) -> io::Result<()> {
        for piece in lines::decode(message).unwrap_or_default() {
            let file = self.file(piece.channel)?;
            write_all(&*file, piece.lines, piece.offset)?;
        }
        Ok(())
    }

    /// The cast of a channel; made if it is not there.
    fn file(&mut self, channel: u64) -> io::Result<Arc<dyn DiskFile>> {
        if let Some((_, file)) = self.open.as_ref().filter(|(open, _)| *open == channel) {
            return Ok(Arc::clone(file));
        }
        let name = cast_name(self.id, channel);
        let file = if self.channels.insert(channel) {
            uninterrupted(|| self.disk.create(&name))?
        } else {
            uninterrupted(|| self.disk.open(&name))?
        };
        self.open = Some((channel, Arc::clone(&file)));
        Ok(file)
    }
}

/// The channels that have casts, of each connection that has tails. A directory may hold a great many
/// casts, so it is not looked through for each.
fn listed(disk: &dyn Disk) -> io::Result<BTreeMap<String, BTreeSet<u64>>> {
    let open = leftovers(disk)?;
    let mut casts: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    disk.list(&mut |name| {
        let owner = cast_owner(name).filter(|(id, _)| open.contains(*id));
        if let Some((id, channel)) = owner {
            casts.entry(id.to_owned()).or_default().insert(channel);
        }
    })?;
    Ok(casts)
}

/// What became of a cast.
struct Cut {
    /// Lines were cut off, and set aside.
    damaged: bool,
    /// There is something left.
    left: bool,
}

/// Where the last whole line ends up to which all is as it was written.
fn sound(file: &dyn DiskFile) -> io::Result<u64> {
    let (mut sound, mut at) = (Sound::default(), 0);
    let mut piece = vec![0; MAX_SOUND];
    loop {
        let length = read_full(file, &mut piece, at)?;
        let bytes = piece.get(..length).unwrap_or_default();
        if !sound.push(bytes) || length < MAX_SOUND {
            return Ok(sound.end);
        }
        at += length as u64;
    }
}

/// Whether the end of a line stands anywhere from `at` on.
fn holds_lines(file: &dyn DiskFile, mut at: u64) -> io::Result<bool> {
    let mut piece = vec![0; MAX_SOUND];
    loop {
        let length = read_full(file, &mut piece, at)?;
        let bytes = piece.get(..length).unwrap_or_default();
        if bytes.contains(&b'\n') {
            return Ok(true);
        }
        if length < MAX_SOUND {
            return Ok(false);
        }
        at += length as u64;
    }
}

/// Whether tails hold lines, if one of them tells.
pub(super) fn is_lines(tails: &[Option<Tail>; 2]) -> Option<bool> {
    let version = tails.iter().flatten().find_map(Tail::version)?;
    Some(version == lines::VERSION)
}
