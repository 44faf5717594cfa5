//! What a crash left behind becomes a log again, complete up to its last commit point.
//!
//! For each log with a tail, under the directory's lock:
//! 1. Walk the members. A final member means that only the tails were left to remove.
//! 2. Cut the log after its last whole, valid member.
//! 3. Seal the frames that follow by chunk and message number, as their chunks would have been.
//! 4. Append the final member. Every member made here says RECOVERED: until now only a CRC
//!    protected what is in it. No message is added, above all no disconnect.
//! 5. Force the log to the disk, then remove the tails, then force the directory.
//!
//! A crash at any point leaves a log with which the same begins again. What cannot have come from a
//! crash is damage and stays as evidence: a log that ends in something else than the beginning of
//! the member that its tail holds is not touched, and a tail with valid frames behind a bad one is
//! renamed for `salvage`.

mod frames;

use crate::directory::{self, is_id, tail_name, tail_owner};
use crate::disk::{Disk, DiskFile, read_full, uninterrupted, write_all};
use crate::error::OpenError;
use crate::settings::Settings;
use auditssh_log::codec::{Format, HEADER_LENGTH};
use auditssh_log::seal::{Chain, Chunk, Deflate, End, Ending, Flags, Members, SigningKey, Step};
pub(crate) use frames::chunk_of;
use frames::{Run, Tail};
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::Arc;

/// How far a torn final member may reach: its layout is fixed, its length below this.
const FINAL_AT_MOST: u64 = 512;

/// What became of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovered {
    /// It was complete; what was left beside it is gone.
    Closed,
    /// It was open; it is complete now.
    Log {
        /// Messages that were sealed here, from its tails.
        messages: u64,
        /// Whether frames stood behind a damaged one; their tails are kept for `salvage`.
        damaged: bool,
    },
    /// It was not touched, since no crash leaves a log like this; the text says why.
    Refused(String),
}

/// Why a log could not be recovered; nothing of it is lost, and it can be tried again.
#[derive(Debug, thiserror::Error)]
#[error("{id}: {doing}: {source}")]
pub struct RecoveryError {
    /// The connection's id.
    pub id: String,
    /// What was tried.
    pub doing: &'static str,
    /// The cause.
    pub source: io::Error,
}

/// How logs are completed.
#[derive(Debug)]
pub(crate) struct Recovery<'a> {
    pub(crate) disk: &'a dyn Disk,
    /// For a log of which not even the header reached the disk.
    pub(crate) format: Format,
    pub(crate) key: Option<&'a SigningKey>,
    pub(crate) deflate: Deflate,
}

/// Completes every log that a crash left open in the directory of `settings`, whose format and key
/// are used, and hands on what became of each. Takes the directory's lock meanwhile.
pub fn recover<E>(
    settings: &Settings,
    mut each: impl FnMut(&str, Result<Recovered, RecoveryError>) -> Result<(), E>,
) -> Result<Result<(), E>, OpenError> {
    let (disk, _lock) = directory::take(settings)?;
    let mut recovery = Recovery {
        disk: &disk,
        format: settings.format,
        key: settings.signing_key.as_ref(),
        deflate: Deflate::new(),
    };
    for id in leftovers(&disk).map_err(OpenError::Recovery)? {
        if let Err(stop) = each(&id, recovery.run(&id)) {
            return Ok(Err(stop));
        }
    }
    Ok(Ok(()))
}

/// The logs that a crash may have left open: those with tails, and those that end before their
/// first member.
pub(crate) fn leftovers(disk: &dyn Disk) -> io::Result<BTreeSet<String>> {
    let (mut open, mut logs) = (BTreeSet::new(), Vec::new());
    disk.list(&mut |name| match tail_owner(name) {
        Some(id) => {
            open.insert(id.to_owned());
        }
        None if is_id(name) => logs.push(name.to_owned()),
        None => {}
    })?;
    for id in logs {
        if !open.contains(&id) && is_unbegun(disk, &id) {
            open.insert(id);
        }
    }
    Ok(open)
}

/// A file that cannot be looked at is none of ours to mend.
fn is_unbegun(disk: &dyn Disk, id: &str) -> bool {
    let status = disk.open(id).and_then(|file| file.status());
    status.is_ok_and(|status| status.length <= HEADER_LENGTH as u64)
}

impl Recovery<'_> {
    /// Completes one log.
    pub(crate) fn run(&mut self, id: &str) -> Result<Recovered, RecoveryError> {
        let log = self
            .log(id)
            .map_err(failed(id, "the log cannot be opened"))?;
        let tails = [self.tail(id, 0)?, self.tail(id, 1)?];
        let walk = Walk::of(&log).map_err(failed(id, "the log cannot be read"))?;
        if walk.end == Some(End::Final) {
            self.clear(id, &tails, walk.chain.messages())?;
            return Ok(Recovered::Closed);
        }
        let run = Run::of(&tails, &walk.chain);
        if let Some(reason) = walk.refusal(&run) {
            return Ok(Recovered::Refused(reason));
        }
        let format = walk.format.unwrap_or_else(|| self.format_of(&tails));
        let next = run.next;
        self.complete(&log, &walk, format, &run)
            .map_err(failed(id, "the log cannot be completed"))?;
        let damaged = self.clear(id, &tails, next)?;
        Ok(Recovered::Log {
            messages: next - walk.chain.messages(),
            damaged,
        })
    }

    /// The log's file; made if only a tail reached the disk.
    fn log(&self, id: &str) -> io::Result<Arc<dyn DiskFile>> {
        match uninterrupted(|| self.disk.open(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                uninterrupted(|| self.disk.create(id))
            }
            result => result,
        }
    }

    fn tail(&self, id: &str, index: u32) -> Result<Option<Tail>, RecoveryError> {
        let name = tail_name(id, index);
        let file = match uninterrupted(|| self.disk.open(&name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result.map_err(failed(id, "a tail cannot be opened"))?,
        };
        let tail = Tail::read(&*file, id).map_err(failed(id, "a tail cannot be read"))?;
        Ok(Some(tail))
    }

    fn format_of(&self, tails: &[Option<Tail>; 2]) -> Format {
        tails
            .iter()
            .flatten()
            .find_map(Tail::format)
            .unwrap_or(self.format)
    }

    /// Steps 2 to 4 and the first half of 5.
    fn complete(
        &mut self,
        log: &Arc<dyn DiskFile>,
        walk: &Walk,
        format: Format,
        run: &Run<'_>,
    ) -> io::Result<()> {
        let mut at = walk.proven;
        uninterrupted(|| log.truncate(at))?;
        let mut chain = walk.chain.clone();
        if at == 0 {
            let header = format.header();
            write_all(&**log, &header, 0)?;
            at = header.len() as u64;
            chain = Chain::new(&header);
        }
        let mut flags = Flags::RECOVERED;
        for chunk in &run.chunks {
            let mut content = Vec::new();
            if chain.number() == 0 {
                content.extend_from_slice(format.prologue());
            }
            content.extend(chunk.iter().flat_map(|frame| frame.message));
            let sealed = chunk_of(chunk, Flags::RECOVERED);
            flags |= gap_of(&sealed);
            let member = chain
                .seal(&content, &sealed, &mut self.deflate)
                .map_err(io::Error::other)?;
            write_all(&**log, &member, at)?;
            at += member.len() as u64;
        }
        let last = chain
            .finish(ending(format), flags, self.key)
            .map_err(io::Error::other)?;
        write_all(&**log, &last, at)?;
        uninterrupted(|| log.sync())?;
        // The log's own name may never have reached the disk.
        uninterrupted(|| self.disk.sync())
    }

    /// Removes the tails, but for those with a message that the log does not hold. Returns whether
    /// there was one.
    fn clear(
        &self,
        id: &str,
        tails: &[Option<Tail>; 2],
        messages: u64,
    ) -> Result<bool, RecoveryError> {
        let mut damaged = false;
        for (index, tail) in (0..).zip(tails) {
            let Some(tail) = tail else { continue };
            let name = tail_name(id, index);
            if tail.holds_beyond(messages) {
                damaged = true;
                self.keep(id, &name)
                    .map_err(failed(id, "a damaged tail cannot be renamed"))?;
            } else {
                uninterrupted(|| self.disk.remove(&name))
                    .map_err(failed(id, "a tail cannot be removed"))?;
            }
        }
        uninterrupted(|| self.disk.sync()).map_err(failed(id, "the directory cannot be synced"))?;
        Ok(damaged)
    }

    fn keep(&self, id: &str, name: &str) -> io::Result<()> {
        for number in 0..16 {
            match uninterrupted(|| self.disk.rename(name, &format!(".{id}.damaged{number}"))) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => return result,
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// How far a log holds.
struct Walk {
    chain: Chain,
    proven: u64,
    length: u64,
    format: Option<Format>,
    end: Option<End>,
}

impl Walk {
    fn of(log: &Arc<dyn DiskFile>) -> io::Result<Self> {
        let length = uninterrupted(|| log.status())?.length;
        let reader = FileReader {
            file: Arc::clone(log),
            at: 0,
        };
        let mut members = Members::open(reader)?;
        let end = loop {
            if let Step::End(end) = members.step()? {
                break end;
            }
        };
        let blank = members.ending().is_none() && is_blank(log)?;
        Ok(Self {
            chain: members.chain().clone(),
            proven: members.proven(),
            length,
            format: members.ending().map(|ending| match ending {
                Ending::Array => Format::Audit,
                Ending::Sequence => Format::Binary,
            }),
            end: (!blank).then_some(end),
        })
    }

    /// Why no crash can have left this.
    fn refusal(&self, run: &Run<'_>) -> Option<String> {
        let rest = self.length - self.proven.min(self.length);
        match self.end {
            // A power cut may keep a member and lose the header before it.
            None if run.chunks.is_empty() && rest > HEADER_LENGTH as u64 + FINAL_AT_MOST => {
                Some("its header was never written, and no tail holds its messages".to_owned())
            }
            None | Some(End::Prefix { .. } | End::Final) => None,
            Some(End::Foreign) => Some("it is not a log of ours".to_owned()),
            Some(End::Altered(damage)) if damage.kind.is_trailing() || self.proven == 0 => {
                Some(damage.kind.to_string())
            }
            Some(End::Altered(_)) if !run.chunks.is_empty() || rest <= FINAL_AT_MOST => None,
            Some(End::Altered(damage)) => Some(format!(
                "member {} at offset {}: {}, and no tail holds its messages",
                damage.member, damage.offset, damage.kind
            )),
        }
    }
}

/// Whether the header was not written: a power cut leaves an empty file, or zeros.
fn is_blank(log: &Arc<dyn DiskFile>) -> io::Result<bool> {
    let mut bytes = [0; HEADER_LENGTH];
    let length = read_full(&**log, &mut bytes, 0)?;
    let written = bytes.get(..length).unwrap_or_default();
    let whole = [Format::Audit.header(), Format::Binary.header()];
    Ok(whole.iter().any(|header| {
        written
            .iter()
            .zip(header)
            .all(|(found, whole)| found == whole || *found == 0)
    }))
}

struct FileReader {
    file: Arc<dyn DiskFile>,
    at: u64,
}

impl Read for FileReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(bytes, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

fn ending(format: Format) -> Ending {
    match format {
        Format::Audit => Ending::Array,
        Format::Binary => Ending::Sequence,
    }
}

fn gap_of(chunk: &Chunk) -> Flags {
    if chunk.flags.contains(Flags::GAP) {
        Flags::GAP
    } else {
        Flags::NONE
    }
}

fn failed(id: &str, doing: &'static str) -> impl FnOnce(io::Error) -> RecoveryError {
    let id = id.to_owned();
    move |source| RecoveryError { id, doing, source }
}
