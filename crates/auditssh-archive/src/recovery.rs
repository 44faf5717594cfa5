//! What a crash left behind becomes a log again, complete up to its last commit point.
//!
//! For each log with a tail, under the directory's lock:
//! 1. Walk the members. A final member means that only the tails were left to remove.
//! 2. Cut the log after its last whole, valid member.
//! 3. Seal the frames that follow by chunk and message number, as their chunks would have been.
//! 4. Append the final member. Every member made here says RECOVERED: until now only a CRC
//!    protected what is in it. No message is added, above all no disconnect.
//! 5. Force the log to the disk, then remove the tails, then force the directory. Members that the
//!    tails still vouch for are written once more before: after a sync that failed, or one that
//!    never came, what can be read of them may not be on the disk, and no sync would care.
//!
//! A crash at any point leaves a log with which the same begins again. What may have been torn
//! before any sync, and what stands behind a torn frame, is kept beside the log for `salvage`
//! (`.<id>.damaged<n>`). What cannot have come from a crash is damage and stays as evidence. Such a
//! log is not touched:
//! - One without a tail: it was complete before.
//! - One with members, or with more torn than an end, for which no tail vouches. The first tail is
//!   forced to the disk before the first member is written, and no tail is ever cut, so one of them
//!   begins with a frame whose place the members leave open, or tell ([`Walk::of`]).
//! - One with a torn member that was safe, as the frames of later chunks show, or with more behind
//!   it than can have been written since the last sync.

mod behind;
mod frames;
mod lines;

use crate::directory::{self, MOST_DAMAGED, damaged_name, tail_name, tail_owner};
use crate::disk::{Disk, DiskFile, read_full, uninterrupted, write_all};
use crate::error::OpenError;
use crate::form::Form;
use crate::settings::Settings;
use auditssh_log::codec::{Format, HEADER_LENGTH};
use auditssh_log::seal::{Chain, Chunk, Deflate, End, Ending, Flags, Members, SigningKey, Step};
pub(crate) use frames::chunk_of;
use frames::{MAX_CHUNK, Run, Tail};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

/// How far a torn final member may reach: its layout is fixed, its length below this.
const FINAL_AT_MOST: u64 = 512;

/// How far torn members may reach: no more than two are written without a sync.
const TORN_AT_MOST: u64 = 2 * MAX_CHUNK + FINAL_AT_MOST;

/// How much of a cast is looked at at a time.
const MAX_SOUND: usize = 64 << 10;

/// What became of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovered {
    /// It was complete; what was left beside it is gone.
    Closed {
        /// But for a tail that holds what is not in the log: it is kept for `salvage`.
        damaged: bool,
    },
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
    pub(crate) form: &'a Form,
    pub(crate) key: Option<&'a SigningKey>,
    pub(crate) deflate: Deflate,
    /// A log that is not touched loses its tails: they are set aside, and it counts as closed.
    pub(crate) gives_away: bool,
    /// The files that the log has which was completed last.
    pub(crate) files: Vec<String>,
    /// The channels that have casts, of each connection that has tails, once that was looked for.
    pub(crate) casts: Option<BTreeMap<String, BTreeSet<u64>>>,
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
        form: &settings.form,
        key: settings.signing_key.as_ref(),
        deflate: Deflate::new(),
        gives_away: false,
        files: Vec::new(),
        casts: None,
    };
    for id in leftovers(&disk).map_err(OpenError::Recovery)? {
        if let Err(stop) = each(&id, recovery.run(&id)) {
            return Ok(Err(stop));
        }
    }
    Ok(Ok(()))
}

/// The logs that a crash may have left open: those with tails. A tail is made before its log and
/// removed after its end, so a log without one was complete; if it is not now, it was cut, and to
/// complete it would hide that.
pub(crate) fn leftovers(disk: &dyn Disk) -> io::Result<BTreeSet<String>> {
    let mut open = BTreeSet::new();
    disk.list(&mut |name| {
        if let Some(id) = tail_owner(name) {
            open.insert(id.to_owned());
        }
    })?;
    Ok(open)
}

impl Recovery<'_> {
    /// Completes one log.
    pub(crate) fn run(&mut self, id: &str) -> Result<Recovered, RecoveryError> {
        let mut tails = [self.tail(id, 0)?, self.tail(id, 1)?];
        self.files = vec![id.to_owned()];
        let open = failed(id, "the log cannot be opened");
        if self.has_lines(id, &tails).map_err(open)? {
            return self.run_lines(id, &mut tails);
        }
        let log = self
            .log(id)
            .map_err(failed(id, "the log cannot be opened"))?;
        let mut begins = Vec::new();
        for tail in tails.iter_mut().flatten() {
            let first = tail.first();
            begins.extend(first.map_err(failed(id, "a tail cannot be read"))?);
        }
        let walk = Walk::of(&log, &begins).map_err(failed(id, "the log cannot be read"))?;
        if walk.end == Some(End::Final) {
            walk.write_again(&log)
                .and_then(|()| uninterrupted(|| log.sync()))
                .and_then(|()| uninterrupted(|| self.disk.sync()))
                .map_err(failed(id, "the log cannot be forced to the disk"))?;
            let damaged = self.clear(id, &mut tails, walk.chain.messages())?;
            return Ok(Recovered::Closed { damaged });
        }
        let read = |error| failed(id, "a tail cannot be read")(error);
        let run = Run::of(&mut tails, &walk.chain).map_err(read)?;
        let later = walk.chain.number().saturating_add(2);
        let mut shows = [false; 2];
        for (shows, tail) in shows.iter_mut().zip(&mut tails) {
            if let Some(tail) = tail {
                *shows = tail.holds_chunk(later).map_err(read)?;
            }
        }
        let refusal = walk.refusal(&log, shows == [false; 2]);
        if let Some(reason) = refusal.map_err(failed(id, "the log cannot be read"))? {
            if self.gives_away {
                self.give_away(id, &tails, shows)
                    .map_err(failed(id, "its tails cannot be set aside"))?;
            }
            return Ok(Recovered::Refused(reason));
        }
        let format = walk.format.unwrap_or_else(|| self.format_of(&tails));
        let next = run.next;
        let torn = run.chunks.is_empty() && walk.rest() > FINAL_AT_MOST;
        if torn {
            self.set_aside(id, &log, &walk)
                .map_err(failed(id, "what is cut off cannot be kept"))?;
        }
        self.complete(&log, &walk, format, &run, &mut tails)
            .map_err(failed(id, "the log cannot be completed"))?;
        let damaged = self.clear(id, &mut tails, next)?;
        Ok(Recovered::Log {
            messages: next - walk.chain.messages(),
            damaged: damaged || torn,
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
        let tail = Tail::open(file, id).map_err(failed(id, "a tail cannot be read"))?;
        Ok(Some(tail))
    }

    fn format_of(&self, tails: &[Option<Tail>; 2]) -> Format {
        tails
            .iter()
            .flatten()
            .find_map(Tail::format)
            .unwrap_or(match self.form {
                Form::Messages(format) => *format,
                Form::Lines(_) => Format::Audit,
            })
    }

    /// Whether a log consists of lines. If not even the header of a tail reached the disk, what is
    /// there besides tells.
    fn has_lines(&mut self, id: &str, tails: &[Option<Tail>; 2]) -> io::Result<bool> {
        if let Some(known) = lines::is_lines(tails) {
            return Ok(known);
        }
        match uninterrupted(|| self.disk.open(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result.map(|_| false),
        }
        Ok(matches!(self.form, Form::Lines(_)) || !self.casts(id)?.is_empty())
    }

    /// Steps 2 to 4 and the first half of 5.
    fn complete(
        &mut self,
        log: &Arc<dyn DiskFile>,
        walk: &Walk,
        format: Format,
        run: &Run,
        tails: &mut [Option<Tail>; 2],
    ) -> io::Result<()> {
        let mut at = walk.proven;
        // They vouch for what is written here if that is cut short.
        for tail in tails.iter().flatten() {
            uninterrupted(|| tail.sync())?;
        }
        walk.write_again(log)?;
        if walk.rest() > 0 {
            // Forced to the disk on its own: a second crash must not find the old end behind the
            // new one.
            uninterrupted(|| log.truncate(at))?;
            uninterrupted(|| log.sync())?;
        }
        let mut chain = walk.chain.clone();
        if at == 0 {
            let header = format.header();
            write_all(&**log, &header, 0)?;
            at = header.len() as u64;
            chain = Chain::new(&header);
        }
        let mut flags = Flags::RECOVERED;
        for stretch in &run.chunks {
            let mut content = Vec::new();
            if chain.number() == 0 {
                content.extend_from_slice(format.prologue());
            }
            stretch.read(tails, &mut content)?;
            flags |= gap_of(&stretch.chunk);
            let member = chain
                .seal(&content, &stretch.chunk, &mut self.deflate)
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
        tails: &mut [Option<Tail>; 2],
        messages: u64,
    ) -> Result<bool, RecoveryError> {
        let mut damaged = false;
        for (index, tail) in (0..).zip(tails) {
            let Some(tail) = tail else { continue };
            let name = tail_name(id, index);
            let beyond = tail.holds_beyond(messages);
            if beyond.map_err(failed(id, "a tail cannot be read"))? {
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

    /// Copies what is cut off and in no tail, since it is all there is of its messages.
    fn set_aside(&self, id: &str, log: &Arc<dyn DiskFile>, walk: &Walk) -> io::Result<()> {
        self.set_bytes_aside(id, log, walk.proven..walk.length)
    }

    /// Copies a stretch of a file into one of its own.
    fn set_bytes_aside(
        &self,
        id: &str,
        log: &Arc<dyn DiskFile>,
        stretch: Range<u64>,
    ) -> io::Result<()> {
        for number in 0..MOST_DAMAGED {
            match uninterrupted(|| self.disk.create(&damaged_name(id, number))) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(file) => {
                    copy(&**log, stretch, &*file, 0)?;
                    uninterrupted(|| file.sync())?;
                    return uninterrupted(|| self.disk.sync());
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Sets the tails of a log aside that is not touched. One that shows that the log was safe once
    /// goes last, and on its own: after a crash in between, the log must not be taken for torn.
    fn give_away(&self, id: &str, tails: &[Option<Tail>; 2], shows: [bool; 2]) -> io::Result<()> {
        for last in [false, true] {
            for ((index, tail), shows) in (0..).zip(tails).zip(shows) {
                if tail.is_some() && shows == last {
                    self.keep(id, &tail_name(id, index))?;
                    uninterrupted(|| self.disk.sync())?;
                }
            }
        }
        Ok(())
    }

    fn keep(&self, id: &str, name: &str) -> io::Result<()> {
        for number in 0..MOST_DAMAGED {
            match uninterrupted(|| self.disk.rename(name, &damaged_name(id, number))) {
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
    /// Where the members begin of which tails may still hold the messages.
    unsure: u64,
    length: u64,
    format: Option<Format>,
    end: Option<End>,
    /// Whether a tail begins as one of this log, at this point, can.
    vouched: bool,
}

impl Walk {
    /// `begins` are chunk and message number of the first frame of each tail. Which frames a power
    /// cut leaves there, whole or torn, is not known, but that they are of a chunk that was sealed
    /// (then its member tells the number), of the next, or of the one after that.
    fn of(log: &Arc<dyn DiskFile>, begins: &[(u32, u64)]) -> io::Result<Self> {
        let length = uninterrupted(|| log.status())?.length;
        let reader = FileReader {
            file: Arc::clone(log),
            at: 0,
        };
        let mut members = Members::open(reader)?;
        // Two tails, and a final member that is in none.
        let mut starts = [0; 3];
        let mut vouched = false;
        let end = loop {
            let start = members.proven();
            match members.step()? {
                Step::End(end) => break end,
                Step::Member(member) => {
                    vouched |= begins.contains(&(member.seal.number, member.seal.first));
                }
            }
            starts.rotate_left(1);
            starts[2] = start;
        };
        let (next, messages) = (members.chain().number(), members.chain().messages());
        vouched |= begins.iter().any(|&(chunk, number)| {
            chunk == next && number == messages
                || Some(chunk) == next.checked_add(1) && number > messages
        });
        let blank = members.ending().is_none() && is_blank(log)?;
        Ok(Self {
            chain: members.chain().clone(),
            proven: members.proven(),
            unsure: starts[0],
            length,
            format: members.ending().map(|ending| match ending {
                Ending::Array => Format::Audit,
                Ending::Sequence => Format::Binary,
            }),
            end: (!blank).then_some(end),
            vouched,
        })
    }

    /// Writes what holds of the log to it again, from the first member that may not be on the
    /// disk: so that a sync is one of it, too.
    fn write_again(&self, log: &Arc<dyn DiskFile>) -> io::Result<()> {
        copy(&**log, self.unsure..self.proven, &**log, self.unsure)
    }

    /// Length of what is cut off.
    fn rest(&self) -> u64 {
        self.length.saturating_sub(self.proven)
    }

    /// Why no crash can have left this. It can have only if no tail was taken by the chunk after
    /// the next (`unsynced`): then the next member was safe before, and no crash tears or cuts it.
    fn refusal(&self, log: &Arc<dyn DiskFile>, unsynced: bool) -> io::Result<Option<String>> {
        let number = self.chain.number();
        let rest = self.rest();
        let torn = rest > FINAL_AT_MOST + HEADER_LENGTH as u64;
        match self.end {
            Some(End::Foreign) => return Ok(Some("it is not a log of ours".to_owned())),
            Some(End::Altered(damage)) if damage.kind.is_trailing() || self.proven == 0 => {
                return Ok(Some(damage.kind.to_string()));
            }
            _ => {}
        }
        let what = match self.end {
            Some(End::Altered(damage)) => format!(
                "member {} at offset {}: {}",
                damage.member, damage.offset, damage.kind
            ),
            None => "its header was never written".to_owned(),
            _ => format!("member {number} should follow at offset {}", self.proven),
        };
        let why = if (number > 0 || torn) && !self.vouched {
            "no tail vouches for it".to_owned()
        } else if !unsynced {
            "it was safe before, as a tail shows".to_owned()
        } else if rest > TORN_AT_MOST {
            format!("{rest} bytes from there on are more than a crash can tear")
        } else if let Some(later) = behind::later(log, self.proven..self.length, number)? {
            format!("member {later} stands behind it")
        } else {
            return Ok(None);
        };
        Ok(Some(format!("{what}, and {why}")))
    }
}

/// Copies a stretch of a file, as far as it goes; an error if nothing of it is there.
fn copy(from: &dyn DiskFile, stretch: Range<u64>, to: &dyn DiskFile, at: u64) -> io::Result<()> {
    let mut piece = vec![0; 64 << 10];
    let Range { mut start, end } = stretch;
    let mut at = at;
    while start < end {
        let rest = usize::try_from(end - start).unwrap_or(usize::MAX);
        let most = piece.len().min(rest);
        let piece = piece.get_mut(..most).unwrap_or_default();
        let length = read_full(from, piece, start)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        write_all(to, piece.get(..length).unwrap_or_default(), at)?;
        start += length as u64;
        at += length as u64;
    }
    Ok(())
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
