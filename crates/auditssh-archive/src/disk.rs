//! Every file operation of the writing side goes through these traits, so that tests can make each
//! of them fail and cut the power between any two.

mod local;

pub use local::LocalDisk;

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// One directory of files.
pub trait Disk: Send + Sync + Debug {
    /// Makes a file that must not exist yet.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a regular file to read and write; no symbolic link is followed.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, which must not exist yet.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a file's name away.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Calls back for each name that is valid text.
    fn list(&self, each: &mut dyn FnMut(&str)) -> io::Result<()>;

    /// Forces names to the disk (fsync of the directory).
    fn sync(&self) -> io::Result<()>;

    /// Forces everything of this file system to the disk (syncfs).
    fn sync_all(&self) -> io::Result<()>;

    /// Space of the file system.
    fn space(&self) -> io::Result<Space>;

    /// Whether the path by which the directory was opened still leads to it; yes if that cannot be
    /// told.
    fn is_in_place(&self) -> bool {
        true
    }

    /// Whether a file could be made and written here, as far as that can be told without one that
    /// has a name.
    fn probe(&self) -> io::Result<()> {
        Ok(())
    }
}

/// One file, open to read and write.
pub trait DiskFile: Send + Sync + Debug {
    /// Reads once; fewer bytes than asked for may come, 0 at the end.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes once; fewer bytes than given may be taken.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes sure that writes up to `length` need no further space; makes the file that long.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Cuts the file.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Forces its bytes to the disk (fdatasync).
    fn sync(&self) -> io::Result<()>;

    /// Its state.
    fn status(&self) -> io::Result<Status>;
}

/// Space of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What is left for us.
    pub free: u64,
}

/// State of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// How many names it has; 0 once it is deleted.
    pub links: u64,
    /// Its length in bytes.
    pub length: u64,
    /// What tells it from every other file of its file system.
    pub number: u64,
}

/// Writes all bytes, whatever interrupts or shortens.
pub(crate) fn write_all(file: &dyn DiskFile, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match file.write_at(rest, offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => done += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until `bytes` is full or the file ends; returns how much was read.
pub(crate) fn read_full(file: &dyn DiskFile, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + done as u64) {
            Ok(0) => break,
            Ok(length) => done += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Repeats an operation as long as a signal interrupts it.
pub(crate) fn uninterrupted<T>(mut operation: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
