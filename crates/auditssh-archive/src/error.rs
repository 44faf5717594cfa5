use crate::directory::DirectoryError;
use std::io;
use std::sync::Arc;

/// Why an archive cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory is not taken.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A thread cannot be started.
    #[error("a thread of the archive cannot be started: {0}")]
    Thread(io::Error),
    /// What an earlier run left behind cannot be looked at.
    #[error("what an earlier run left behind cannot be recovered: {0}")]
    Recovery(io::Error),
}

impl OpenError {
    /// Whether another instance holds the directory.
    pub const fn is_second_instance(&self) -> bool {
        matches!(self, Self::Directory(DirectoryError::Locked(_)))
    }
}

/// Why no log could be begun; the connection is refused with it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CreateError {
    /// No log is begun at present.
    #[error("no log is begun at present: {0}")]
    Refused(Refusal),
    /// It was tried.
    #[error("no log can be begun: {0}")]
    Io(Arc<io::Error>),
}

/// Why no log is begun for a while.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Storage failed; it is tried again every second.
    #[error("the storage of logs fails ({0})")]
    Storage(Arc<str>),
    /// The server ends.
    #[error("the server is shutting down")]
    ShuttingDown,
}

/// Why something could not be recorded; what it was to precede must not happen.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RecordError {
    /// The log cannot be written.
    #[error("the log cannot be written: {0}")]
    Storage(Arc<str>),
    /// The disk does not keep up: too much waits already.
    #[error("the log cannot be written as fast as events come")]
    Behind,
    /// One event is larger than a log takes.
    #[error("an event of {0} bytes is too large to be recorded")]
    TooLong(usize),
    /// The log has ended.
    #[error("the log has ended")]
    Ended,
    /// The log is complete in its tails; that it is sealed has to wait until there is room.
    #[error("the log cannot be sealed yet: {0}")]
    Deferred(Arc<str>),
}

impl RecordError {
    pub(crate) fn storage(doing: &str, error: &io::Error) -> Self {
        Self::Storage(format!("{doing}: {error}").into())
    }
}
