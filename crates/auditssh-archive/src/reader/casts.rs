//! The casts of a directory, with what stands in tails beside them and is not in their files yet.

use crate::directory::{cast_name, cast_owner, damaged_owner, tail_name, tail_owner};
use crate::frames::Frames;
use crate::lines;
use crate::verify::is_written;
use auditssh_log::tail::{self, HEADER, Header};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// How much is held of what stands in the tails of a connection, in bytes. That is what they hold at
/// most while the disk keeps up.
const MOST_HELD: usize = 16 << 20;

/// The casts of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Casts {
    directory: PathBuf,
    /// The connection.
    pub id: String,
    /// Whether tails stand beside them: they are being written, or wait for recovery.
    pub tails: bool,
    /// Names of files beside them that recovery set aside.
    pub damaged: Vec<String>,
    /// The channels whose casts have files.
    channels: BTreeSet<u64>,
}

/// Lines that stand in tails, by their places in a file.
type Pieces = BTreeMap<u64, Vec<u8>>;

/// What tails hold, by channel.
#[derive(Default)]
struct InTails {
    pieces: BTreeMap<u64, Pieces>,
    held: usize,
}

impl Casts {
    fn new(directory: &Path, id: &str) -> Self {
        Self {
            directory: directory.to_owned(),
            id: id.to_owned(),
            tails: false,
            damaged: Vec::new(),
            channels: BTreeSet::new(),
        }
    }

    /// What a directory holds (not those below it), by connection. One that has begun to be recorded
    /// is among them, even if no program ran yet.
    pub fn of(directory: &Path) -> io::Result<Vec<Self>> {
        let mut found: BTreeMap<String, Self> = BTreeMap::new();
        let mut casts = |id: &str, add: &dyn Fn(&mut Self)| {
            let casts = found.entry(id.to_owned());
            add(casts.or_insert_with(|| Self::new(directory, id)));
        };
        for entry in directory.read_dir()? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if let Some((id, channel)) = cast_owner(name) {
                if entry.path().is_file() {
                    casts(id, &|casts| _ = casts.channels.insert(channel));
                }
            } else if let Some(id) = tail_owner(name) {
                if holds_lines(&entry.path()) {
                    casts(id, &|casts| casts.tails = true);
                }
            } else if let Some((id, _)) = damaged_owner(name).and_then(cast_owner) {
                casts(id, &|casts| casts.damaged.push(name.to_owned()));
            }
        }
        let sorted = found.into_values().map(|mut casts| {
            casts.damaged.sort();
            casts
        });
        Ok(sorted.collect())
    }

    /// One file alone; `None` if its name is not that of a cast.
    pub fn only(file: &Path) -> Option<Self> {
        let (id, channel) = cast_owner(file.file_name()?.to_str()?)?;
        let mut casts = Self::new(file.parent()?, id);
        casts.channels.insert(channel);
        Some(casts)
    }

    /// Whether a live server writes them.
    pub fn is_written(&self) -> io::Result<bool> {
        Ok(self.tails && is_written(&self.directory.join(&self.id))?)
    }

    /// How many bytes their files have together.
    pub fn size(&self) -> u64 {
        let files = self.channels.iter().map(|channel| self.path(*channel));
        let sizes = files.filter_map(|file| Some(file.metadata().ok()?.len()));
        sizes.fold(0, u64::saturating_add)
    }

    /// Hands on each cast by its channel, with what stands in tails, as long as `each` asks for more.
    /// One that was removed meanwhile is passed over.
    pub fn each(
        &self,
        mut each: impl FnMut(u64, &mut dyn Read) -> io::Result<bool>,
    ) -> io::Result<()> {
        // The tails are looked at first: what leaves them meanwhile is in the files then.
        let mut tails = self.in_tails()?;
        let mut channels = self.channels.clone();
        channels.extend(tails.pieces.keys());
        for channel in channels {
            let pieces = tails.pieces.remove(&channel).unwrap_or_default();
            let file = match File::open(self.path(channel)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                file => Some(file?),
            };
            if file.is_none() && pieces.is_empty() {
                continue;
            }
            let at = 0;
            if !each(channel, &mut Cast { file, at, pieces })? {
                break;
            }
        }
        Ok(())
    }

    fn path(&self, channel: u64) -> PathBuf {
        self.directory.join(cast_name(&self.id, channel))
    }

    fn in_tails(&self) -> io::Result<InTails> {
        let mut found = InTails::default();
        for number in [0, 1] {
            match File::open(self.directory.join(tail_name(&self.id, number))) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                file => found.collect(file?)?,
            }
        }
        Ok(found)
    }
}

impl InTails {
    /// Takes the pieces out of a tail. Those of a former chunk stand in the files, and do no harm.
    fn collect(&mut self, file: File) -> io::Result<()> {
        let length = file.metadata()?.len();
        let mut frames = Frames::open(file, length)?;
        let header = frames.header();
        let header = header.filter(|header| header.version == lines::VERSION);
        let Some(seed) = header.map(Header::seed) else {
            return Ok(());
        };
        let (mut at, mut message) = (HEADER as u64, Vec::new());
        while let Some(found) = frames.frame(at)? {
            message.clear();
            frames.message(&found, &mut message)?;
            // It may have been written over since it was looked at.
            if tail::sum(found.head.sum(seed), &message) != found.head.crc || !self.take(&message) {
                break;
            }
            at = found.end();
        }
        Ok(())
    }

    /// Takes the pieces of a message; false if that is too much.
    fn take(&mut self, message: &[u8]) -> bool {
        self.held = self.held.saturating_add(message.len());
        if self.held > MOST_HELD {
            return false;
        }
        for piece in lines::decode(message).unwrap_or_default() {
            let pieces = self.pieces.entry(piece.channel).or_default();
            pieces.insert(piece.offset, piece.lines.to_vec());
        }
        true
    }
}

/// Whether a tail is one of casts.
pub(crate) fn holds_lines(tail: &Path) -> bool {
    let mut header = [0; HEADER];
    let read = File::open(tail).and_then(|mut file| file.read_exact(&mut header));
    let header = read.ok().and_then(|()| Header::decode(&header));
    header.is_some_and(|header| header.version == lines::VERSION)
}

/// A cast from its beginning: its file, then what follows in tails.
struct Cast {
    file: Option<File>,
    at: u64,
    pieces: Pieces,
}

impl Cast {
    /// What of the pieces comes next. Where one is missing the cast ends.
    fn rest(&mut self) -> &[u8] {
        while let Some(first) = self.pieces.first_entry() {
            let end = first.key().saturating_add(first.get().len() as u64);
            if end > self.at {
                break;
            }
            first.remove();
        }
        let first = self.pieces.first_key_value();
        let rest = first.and_then(|(offset, lines)| {
            let known = usize::try_from(self.at.checked_sub(*offset)?).ok()?;
            lines.get(known..)
        });
        rest.unwrap_or_default()
    }
}

impl Read for Cast {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = match &mut self.file {
            Some(file) => file.read(bytes)?,
            None => self.rest().read(bytes)?,
        };
        self.at += length as u64;
        if length == 0 && !bytes.is_empty() && self.file.take().is_some() {
            return self.read(bytes);
        }
        Ok(length)
    }
}
