//! The recordings: a directory of logs, of which nothing is changed.

use auditssh_archive::reader::LogReader;
use auditssh_archive::{is_id, verify};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Where recordings are.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    directory: PathBuf,
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

impl Store {
    pub(crate) const fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn path(&self, id: &Id) -> PathBuf {
        self.directory.join(id.as_str())
    }

    /// Opens a recording up to the last message that is there now.
    pub(crate) fn open(&self, id: &Id) -> io::Result<LogReader> {
        LogReader::open(&self.path(id), false)
    }

    /// Opens a recording and follows it while a server writes it, until `stop` is set.
    pub(crate) fn follow(&self, id: &Id, stop: Arc<AtomicBool>) -> io::Result<LogReader> {
        Ok(LogReader::open(&self.path(id), true)?.until(stop))
    }

    /// Whether a server writes it.
    pub(crate) fn is_live(&self, id: &Id) -> bool {
        verify::is_written(&self.path(id)).unwrap_or(false)
    }

    /// Whether it is there.
    pub(crate) fn has(&self, id: &Id) -> bool {
        self.path(id).is_file()
    }
}
