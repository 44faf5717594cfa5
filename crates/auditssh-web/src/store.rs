//! The recordings: a directory of logs, of which nothing is changed, and the place to which they are
//! brought, if there is one.

use crate::gathered::{Gathered, Kept};
use auditssh_archive::is_id;
use auditssh_archive::reader::LogReader;
use auditssh_archive::verify::{self, Checked, check_log, verify_as};
use auditssh_search::{Directory, Place};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Where recordings are.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    directory: PathBuf,
    gathered: Option<Arc<Gathered>>,
}

/// The id of a recording, checked: it can be part of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id(String);

impl Id {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        is_id(text).then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A recording that is read, up to the last message that is there.
pub(crate) enum Opened {
    /// From the directory.
    Near(Box<LogReader>),
    /// From where it was brought.
    Far(Box<dyn Read + Send>),
}

impl Opened {
    /// Whether tails stand beside it: it is being written, or waits for recovery.
    pub(crate) fn has_tails(&self) -> bool {
        matches!(self, Self::Near(reader) if reader.has_tails())
    }
}

impl Read for Opened {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Near(reader) => reader.read(bytes),
            Self::Far(reader) => reader.read(bytes),
        }
    }
}

impl Store {
    pub(crate) fn new(directory: PathBuf, kept: Option<Arc<dyn Kept>>) -> Self {
        let gathered = kept.map(|kept| Arc::new(Gathered::new(directory.clone(), kept)));
        Self {
            directory,
            gathered,
        }
    }

    /// All recordings, to be listed and searched.
    pub(crate) fn place(&self) -> Arc<dyn Place> {
        match &self.gathered {
            Some(gathered) => Arc::clone(gathered) as Arc<dyn Place>,
            None => Arc::new(Directory::new(&self.directory)),
        }
    }

    /// What is wrong with where they are, in a line; blocks.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        match &self.gathered {
            Some(gathered) => gathered.problem(),
            None if std::fs::read_dir(&self.directory).is_ok() => None,
            None => Some("the directory of the logs cannot be read\n"),
        }
    }

    /// Whether a recording has a long way: it is not known to be in the directory.
    pub(crate) fn is_far(&self, id: &str) -> bool {
        let gathered = self.gathered.as_ref();
        gathered.is_some_and(|gathered| !gathered.is_known_near(id))
    }

    /// Opens a recording.
    pub(crate) fn open(&self, id: &Id) -> io::Result<Opened> {
        let near = |path: PathBuf| Ok(Opened::Near(Box::new(LogReader::open(&path, false)?)));
        self.either(id, near, Opened::Far)
    }

    /// Opens a recording and follows it while a server writes it, until `stop` is set.
    pub(crate) fn follow(&self, id: &Id, stop: Arc<AtomicBool>) -> io::Result<Opened> {
        let near = |path: PathBuf| {
            let reader = LogReader::open(&path, true)?.until(stop);
            Ok(Opened::Near(Box::new(reader)))
        };
        self.either(id, near, Opened::Far)
    }

    /// Opens the log itself, as it stands there.
    pub(crate) fn raw(&self, id: &Id) -> io::Result<Box<dyn Read + Send>> {
        self.either(
            id,
            |path| Ok(Box::new(File::open(path)?) as Box<dyn Read + Send>),
            |far| far,
        )
    }

    /// Whether a server writes it.
    pub(crate) fn is_live(&self, id: &Id) -> bool {
        verify::is_written(&self.path(id)).unwrap_or(false)
    }

    /// Checks it.
    pub(crate) fn check(&self, id: &Id) -> Checked {
        let Some(gathered) = self
            .gathered
            .as_ref()
            .filter(|one| !one.is_near(id.as_str()))
        else {
            return check_log(&self.path(id));
        };
        let alone = |report| Checked::alone(PathBuf::from(id.as_str()), report);
        match gathered.open_far(id.as_str()) {
            Ok((reader, name)) => Checked {
                damaged: gathered.set_aside(&name),
                ..alone(verify_as(reader, id.as_str()))
            },
            Err(error) => alone(Err(error)),
        }
    }

    fn path(&self, id: &Id) -> PathBuf {
        self.directory.join(id.as_str())
    }

    /// From the directory or, if it is not there or leaves it just now, from where it is brought.
    fn either<T>(
        &self,
        id: &Id,
        near: impl FnOnce(PathBuf) -> io::Result<T>,
        far: impl FnOnce(Box<dyn Read + Send>) -> T,
    ) -> io::Result<T> {
        match (near(self.path(id)), &self.gathered) {
            (Err(error), Some(gathered)) if is_elsewhere(&error) => {
                match gathered.open_far(id.as_str()) {
                    Ok((reader, _)) => Ok(far(reader)),
                    Err(missing) if missing.kind() == io::ErrorKind::NotFound => Err(error),
                    Err(failed) => Err(failed),
                }
            }
            (opened, _) => opened,
        }
    }
}

/// Whether what is wrong with the directory does not tell whether the log is in the other place.
fn is_elsewhere(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory
    )
}
