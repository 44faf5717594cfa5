use crate::index::{Head, NAME, Reading, of_log};
use crate::place::{END, Listed, Place, Writer};
use auditssh_archive::reader::LogReader;
use auditssh_archive::{is_live, tail_owner, verify};
use rustix::fs::{Gid, Mode, OFlags, Uid};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write as _};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How much content of a long log is read for its facts, in bytes: at its beginning, and its end.
const FIRST: u64 = 8 << 20;
const LAST: u64 = 1 << 20;

/// What is left of an index that was not finished is removed when it is that old.
const LEFT: Duration = Duration::from_hours(1);

/// A directory of logs. It may be one into which a server writes; nothing is locked.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
    /// Only these files.
    only: Option<BTreeSet<String>>,
}

impl Directory {
    /// All logs of a directory.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            only: None,
        }
    }

    /// Some logs of a directory, by the names of their files.
    pub fn only(path: impl Into<PathBuf>, names: impl IntoIterator<Item = String>) -> Self {
        Self {
            path: path.into(),
            only: Some(names.into_iter().collect()),
        }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn listed(&self, name: String, tails: &BTreeMap<String, i64>, live: bool) -> Option<Listed> {
        // One that is gone since was brought elsewhere.
        let status = self.log(&name).metadata().ok()?;
        if !status.is_file() {
            return None;
        }
        let tail = tails.get(&name);
        let writer = match (tail, live) {
            (None, _) => Writer::None,
            (Some(_), true) => Writer::Live,
            (Some(_), false) => Writer::Gone,
        };
        Some(Listed {
            name,
            size: status.len(),
            modified: modified(&status).max(tail.copied().unwrap_or(i64::MIN)),
            writer,
        })
    }

    /// The logs that are being written, or were left so, and when that was last.
    fn tails(&self) -> io::Result<BTreeMap<String, i64>> {
        let mut found = BTreeMap::new();
        let mut add = |id: &str, time: i64| {
            let last = found.entry(id.to_owned()).or_insert(i64::MIN);
            *last = time.max(*last);
        };
        if let Some(names) = &self.only {
            for name in names {
                for tail in 0..2 {
                    let tail = self.path.join(format!(".{name}.tail{tail}"));
                    if let Ok(status) = tail.symlink_metadata() {
                        add(name, modified(&status));
                    }
                }
            }
            return Ok(found);
        }
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            if let Some(id) = name.to_str().and_then(tail_owner) {
                add(id, entry.metadata().map_or(0, |status| modified(&status)));
            }
        }
        Ok(found)
    }
}

impl Place for Directory {
    fn list(&self) -> io::Result<Vec<Listed>> {
        // Tails first: a log that is closed meanwhile still counts as written.
        let tails = self.tails()?;
        let live = !tails.is_empty() && is_live(&self.path).unwrap_or(true);
        let names: Vec<String> = match &self.only {
            Some(names) => names.iter().cloned().collect(),
            None => (verify::logs(&self.path)?.iter())
                .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
                .collect(),
        };
        let names = names.into_iter();
        Ok(names
            .filter_map(|name| self.listed(name, &tails, live))
            .collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(LogReader::open(&self.log(name), false)?))
    }

    /// Of a long log the beginning and the end are read.
    fn facts(&self, log: &Listed) -> io::Result<Head> {
        let reader = LogReader::open(&self.log(&log.name), false)?;
        let mut reader = reader.skim(FIRST, LAST);
        let head = of_log(&mut reader, Reading::Facts, log.writer, |_| {
            ControlFlow::Continue(())
        })?;
        let left_out = reader.left_out();
        let mut facts = head.facts;
        facts.messages = facts.messages.saturating_add(left_out);
        Ok(Head {
            facts,
            partial: head.partial || left_out > 0,
            ..head
        })
    }

    fn end(&self, name: &str, length: u64) -> io::Result<Vec<u8>> {
        let file = File::open(self.log(name))?;
        if file.metadata()?.len() != length {
            return Ok(Vec::new());
        }
        let wanted = length.min(END);
        let mut bytes = vec![0; usize::try_from(wanted).unwrap_or_default()];
        file.read_exact_at(&mut bytes, length - wanted)?;
        Ok(bytes)
    }

    fn index(&self, name: &str) -> io::Result<Option<Box<dyn Read + Send>>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let path = self.path.join(index_name(name));
        let file = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::LOOP) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (status, log) = (file.metadata()?, self.log(name).metadata()?);
        let own = rustix::process::geteuid().as_raw();
        // Whoever could have put it there must be one who could have changed the log.
        let is_trusted = [log.uid(), own, 0].contains(&status.uid());
        if !status.is_file() || !is_trusted || status.mode() & 0o022 != 0 {
            return Ok(None);
        }
        Ok(Some(Box::new(io::BufReader::with_capacity(64 << 10, file))))
    }

    fn keep(&self, name: &str, index: &[u8]) -> io::Result<()> {
        let log = self.log(name).metadata()?;
        let path = self.path.join(index_name(name));
        let part = self.path.join(part_name(name));
        let written = write(&part, index, &log).and_then(|()| fs::rename(&part, &path));
        if written.is_err() {
            let _ = fs::remove_file(&part);
        }
        written
    }

    fn tidy(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let is_left = is_part(name) && is_old(&entry);
            let is_alone = index_owner(name).is_some_and(|log| {
                let log = self.log(log).symlink_metadata();
                log.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
                    && is_index(&entry.path())
            });
            if is_left || is_alone {
                // Whoever may not do that leaves it to whoever may.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        self.log(name).to_string_lossy().into_owned()
    }
}

/// Writes a file that may be read by those who may read the log.
fn write(path: &Path, bytes: &[u8], log: &fs::Metadata) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let own = file.metadata()?;
    let owner = (own.uid() != log.uid()).then(|| Uid::from_raw(log.uid()));
    let group = (own.gid() != log.gid()).then(|| Gid::from_raw(log.gid()));
    let is_like_it = rustix::fs::fchown(&file, owner, group).is_ok();
    if is_like_it {
        file.set_permissions(Permissions::from_mode(log.mode() & 0o640))?;
    }
    file.write_all(bytes)
}

/// The name of the index of a log.
pub(crate) fn index_name(log: &str) -> String {
    format!(".{log}.index")
}

/// The name of an index that is being written.
fn part_name(log: &str) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let (process, number) = (std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    format!(".{log}.index.{process}-{number}.part")
}

fn is_part(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let numbers = name
        .strip_prefix('.')
        .and_then(|name| name.rsplit_once(".index."))
        .and_then(|(_, end)| end.strip_suffix(".part")?.split_once('-'));
    numbers.is_some_and(|(process, number)| is_number(process) && is_number(number))
}

/// Whether a file is an index, of this version or another.
fn is_index(path: &Path) -> bool {
    let mut start = [0; NAME.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == *NAME
}

/// Whether nobody goes on with a file.
fn is_old(entry: &fs::DirEntry) -> bool {
    let modified = entry.metadata().and_then(|status| status.modified());
    let age = modified.map(|time| SystemTime::now().duration_since(time));
    matches!(age, Ok(Ok(age)) if age > LEFT)
}

/// Unix time in nanoseconds.
fn modified(status: &fs::Metadata) -> i64 {
    let seconds = status.mtime().saturating_mul(1_000_000_000);
    seconds.saturating_add(status.mtime_nsec())
}

/// The log whose index has this name.
fn index_owner(name: &str) -> Option<&str> {
    name.strip_prefix('.')?.strip_suffix(".index")
}

#[cfg(test)]
mod tests;
