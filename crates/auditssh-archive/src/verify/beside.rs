//! What the names in a directory of logs mean, and whether someone writes there.

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use std::io;
use std::path::Path;

/// Whether a process writes logs in this directory at this moment: it holds the directory's lock.
pub(super) fn is_live(directory: &Path) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = open(directory, flags, Mode::empty())?;
    match flock(&directory, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Name of one of the two tails of a log.
pub(super) fn tail_name(log: &str, tail: u32) -> String {
    format!(".{log}.tail{tail}")
}

/// The connection whose tail has this name.
pub(super) fn tail_owner(name: &str) -> Option<&str> {
    let id = name.strip_prefix('.')?;
    let id = id.strip_suffix(".tail0").or(id.strip_suffix(".tail1"))?;
    is_id(id).then_some(id)
}

/// Whether a name is that of a log.
pub(super) fn is_id(name: &str) -> bool {
    name.len() == 32
        && name
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
