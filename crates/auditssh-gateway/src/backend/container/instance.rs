//! Which gateway made a container. Several may share an engine, and what one that was killed left
//! behind must be told from what another one uses.
//!
//! The id of a gateway is that of its directory of logs, in which it keeps a file that it holds
//! locked: a container with the id of this file that this run did not make has lost its gateway.
//! A copy of the directory has another id, since the file knows its own inode.

use rustix::fs::{self, FlockOperation, Mode, OFlags};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The file in the directory.
const FILE: &str = ".containers";
/// Bytes of the longest file that is read.
const MOST: u64 = 256;

/// A gateway, by its directory and its run.
#[derive(Debug)]
pub struct Instance {
    /// Of the directory; `None` without one: then nothing can be known of former runs.
    directory: Option<String>,
    run: String,
    _lock: Option<File>,
}

/// Why a gateway can't be told from others.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// Another one runs.
    #[error("{0} is in use by another server")]
    Locked(PathBuf),
    /// The file can't be used.
    #[error("{0} can't be used: {1}")]
    File(PathBuf, io::Error),
}

impl Instance {
    /// The gateway that keeps its logs there, or nowhere. Blocks.
    pub fn open(directory: Option<&Path>) -> Result<Self, InstanceError> {
        let Some(directory) = directory else {
            return Ok(Self::of_run());
        };
        let path = directory.join(FILE);
        let failed = |error| InstanceError::File(path.clone(), error);
        let mut file = File::from(open(&path).map_err(failed)?);
        match fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(InstanceError::Locked(path)),
            Err(error) => return Err(failed(error.into())),
        }
        let id = identify(&mut file).map_err(failed)?;
        Ok(Self {
            directory: Some(id),
            run: random(),
            _lock: Some(file),
        })
    }

    /// A gateway that will not be known again.
    pub(super) fn of_run() -> Self {
        Self {
            directory: None,
            run: random(),
            _lock: None,
        }
    }

    /// The value of [`INSTANCE_LABEL`](super::INSTANCE_LABEL).
    pub fn id(&self) -> &str {
        self.directory.as_deref().unwrap_or(&self.run)
    }

    /// The value of [`RUN_LABEL`](super::RUN_LABEL).
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Whether a container with these labels was left behind by a former run of this gateway.
    pub fn has_lost(&self, instance: Option<&str>, run: Option<&str>) -> bool {
        let ours = self
            .directory
            .as_deref()
            .is_some_and(|id| instance == Some(id));
        ours && run != Some(&self.run)
    }
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(fs::open(path, flags, Mode::RUSR | Mode::WUSR)?)
}

/// The id that the file holds; a new one if it holds none, or is a copy.
fn identify(file: &mut File) -> io::Result<String> {
    let inode = file.metadata()?.ino().to_string();
    let mut text = String::new();
    if file.take(MOST).read_to_string(&mut text).is_err() {
        text.clear();
    }
    if let Some((id, known)) = text.trim_end().split_once(' ') {
        let letters = id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if id.len() == 32 && letters && known == inode {
            return Ok(id.to_owned());
        }
    }
    let id = random();
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{id} {inode}\n").as_bytes())?;
    file.sync_all()?;
    Ok(id)
}

fn random() -> String {
    format!("{:032x}", rand::random::<u128>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_keeps_its_id_and_a_copy_gets_another() {
        let directory = tempfile::tempdir().unwrap();
        let first = Instance::open(Some(directory.path())).unwrap();
        let error = Instance::open(Some(directory.path())).unwrap_err();
        assert!(matches!(error, InstanceError::Locked(_)));
        let (id, run) = (first.id().to_owned(), first.run().to_owned());
        drop(first);
        let second = Instance::open(Some(directory.path())).unwrap();
        assert_eq!(second.id(), id);
        assert!(second.has_lost(Some(&id), Some(&run)));
        assert!(second.has_lost(Some(&id), None));
        assert!(!second.has_lost(Some(&id), Some(second.run())));
        assert!(!second.has_lost(Some(&run), Some(&run)));
        assert!(!second.has_lost(None, None));

        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(directory.path().join(FILE), copy.path().join(FILE)).unwrap();
        let third = Instance::open(Some(copy.path())).unwrap();
        assert_ne!(third.id(), id);
        drop(third);
        std::fs::write(copy.path().join(FILE), b"\xff garbage").unwrap();
        assert_eq!(Instance::open(Some(copy.path())).unwrap().id().len(), 32);
    }

    #[test]
    fn without_a_directory_nothing_is_known_of_others() {
        let (one, two) = (Instance::open(None).unwrap(), Instance::open(None).unwrap());
        assert_ne!(one.id(), two.id());
        assert!(!two.has_lost(Some(one.id()), Some(one.run())));
        assert!(!two.has_lost(Some(two.id()), None));
    }
}
