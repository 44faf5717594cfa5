//! The directory in which logs wait, as far as uploading concerns it: logs are read and, once the
//! bucket has them, removed; manifests stand beside them; what cannot be uploaded is set aside.

use crate::manifest::{LARGEST, Manifest};
use crate::store::Sums;
use auditssh_archive::{damaged_names, damaged_owner, is_id, tail_owner};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where logs are set aside.
pub(crate) const QUARANTINE: &str = "quarantine";

/// No reason is longer, in bytes.
const LARGEST_REASON: u64 = 4096;

/// How the name of a manifest ends that is being written.
const DRAFT: &str = "upload-new";

/// One directory of logs.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    directory: PathBuf,
    #[cfg(test)]
    pub(crate) fuse: crate::testing::Fuse,
}

/// A log of which nothing is known but that it lies there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) id: String,
    pub(crate) length: u64,
    pub(crate) modified: SystemTime,
}

impl Stage {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            #[cfg(test)]
            fuse: crate::testing::Fuse::default(),
        }
    }

    /// Where logs are set aside from here.
    pub(crate) fn quarantine(&self) -> Self {
        let mut aside = self.clone();
        aside.directory.push(QUARANTINE);
        aside
    }

    pub(crate) fn path(&self, id: &str) -> PathBuf {
        self.directory.join(id)
    }

    fn manifest_path(&self, id: &str) -> PathBuf {
        self.directory.join(format!(".{id}.upload"))
    }

    /// What can be searched of a log, if somebody made that.
    fn index_path(&self, id: &str) -> PathBuf {
        self.directory.join(format!(".{id}.index"))
    }

    /// Where it stands why a log was set aside.
    fn reason_path(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.reason"))
    }

    /// The logs that are complete, and those of which only is left what stood beside them: a
    /// manifest, or what recovery set aside.
    pub(crate) fn left(&self) -> io::Result<(Vec<Left>, Vec<String>)> {
        if !self.directory.is_dir() {
            return Ok((Vec::new(), Vec::new()));
        }
        let mut logs = Vec::new();
        for id in auditssh_archive::closed_logs(&self.directory)? {
            let status = fs::symlink_metadata(self.path(&id))?;
            if status.is_file() {
                logs.push(Left {
                    id,
                    length: status.len(),
                    modified: status.modified()?,
                });
            }
        }
        let (mut orphans, mut open) = (BTreeSet::new(), BTreeSet::new());
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            open.extend(tail_owner(name).map(str::to_owned));
            let manifest = name
                .strip_prefix('.')
                .and_then(|name| name.strip_suffix(".upload"));
            let id = (manifest.filter(|id| is_id(id)))
                .or(damaged_owner(name))
                .filter(|id| !self.path(id).exists());
            orphans.extend(id.map(str::to_owned));
        }
        // Recovery makes logs of those.
        let orphans = orphans.difference(&open).cloned().collect();
        Ok((logs, orphans))
    }

    /// What recovery set aside beside a log: names of files.
    pub(crate) fn beside(&self, id: &str) -> Vec<String> {
        let is_there = |name: &String| self.path(name).is_file();
        damaged_names(id).filter(is_there).collect()
    }

    /// When the first of what is beside a log was written: Unix time in nanoseconds.
    pub(crate) fn begun(&self, id: &str) -> i64 {
        let times = self.beside(id).into_iter().filter_map(|name| {
            let time = fs::symlink_metadata(self.path(&name))
                .ok()?
                .modified()
                .ok()?;
            i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
        });
        times.min().unwrap_or_default()
    }

    /// The length of a log; `None` if it is not there.
    pub(crate) fn length(&self, id: &str) -> io::Result<Option<u64>> {
        match fs::symlink_metadata(self.path(id)) {
            Ok(status) => Ok(Some(status.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a part of a log, or all of it.
    pub(crate) fn open(&self, id: &str, offset: u64, length: u64) -> io::Result<impl Read + use<>> {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(self.path(id))?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file.take(length))
    }

    /// Checksums of a part of a log, all of which must be there.
    pub(crate) fn sums(&self, id: &str, offset: u64, length: u64) -> io::Result<Sums> {
        let sums = Sums::of(self.open(id, offset, length)?)?;
        if sums.length != length {
            let text = format!("{id} is shorter than it was: someone cut it");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        Ok(sums)
    }

    /// Forces a log to the disk.
    pub(crate) fn sync(&self, id: &str) -> io::Result<()> {
        File::open(self.path(id))?.sync_data()
    }

    /// The manifest of a log, if it has one. One that cannot be understood is like one that only
    /// says that something may have been begun.
    pub(crate) fn manifest(&self, id: &str, bucket: &str) -> io::Result<Option<Manifest>> {
        let mut bytes = Vec::new();
        match File::open(self.manifest_path(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result?.take(LARGEST).read_to_end(&mut bytes)?,
        };
        let read = Manifest::parse(&bytes).filter(|manifest| manifest.bucket == bucket);
        Ok(Some(read.unwrap_or_else(|| {
            let mut manifest = Manifest::new(bucket);
            manifest.loose = true;
            manifest
        })))
    }

    /// Replaces the manifest of a log, so that a crash leaves the old or the new one.
    pub(crate) fn keep(&self, id: &str, manifest: &Manifest) -> io::Result<()> {
        self.step()?;
        let path = self.manifest_path(id);
        let draft = path.with_extension(DRAFT);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(&draft)?;
        file.write_all(&manifest.bytes().map_err(io::Error::other)?)?;
        file.sync_data()?;
        fs::rename(&draft, &path)?;
        self.sync_names()
    }

    /// Removes a log that the bucket has. Tails that were beside it are gone for good before:
    /// recovery would make a log of them.
    pub(crate) fn remove(&self, id: &str) -> io::Result<()> {
        self.step()?;
        self.sync_names()?;
        gone(fs::remove_file(self.path(id)))
    }

    /// Removes what stands beside a log.
    pub(crate) fn forget(&self, id: &str) -> io::Result<()> {
        self.step()?;
        let manifest = self.manifest_path(id);
        gone(fs::remove_file(self.reason_path(id)))?;
        gone(fs::remove_file(self.index_path(id)))?;
        gone(fs::remove_file(manifest.with_extension(DRAFT)))?;
        gone(fs::remove_file(manifest))
    }

    /// Sets a log aside, with the reason.
    pub(crate) fn set_aside(&self, id: &str, reason: &str) -> io::Result<()> {
        self.step()?;
        let aside = self.quarantine();
        match fs::DirBuilder::new().mode(0o700).create(&aside.directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(aside.reason_path(id))?;
        writeln!(file, "{reason}")?;
        file.sync_data()?;
        gone(fs::rename(self.manifest_path(id), aside.manifest_path(id)))?;
        gone(fs::remove_file(self.index_path(id)))?;
        // The log goes first: what is beside it is found without it here, but not there.
        fs::rename(self.path(id), aside.path(id))?;
        for name in self.beside(id) {
            gone(fs::rename(self.path(&name), aside.path(&name)))?;
        }
        aside.sync_names()?;
        self.sync_names()
    }

    /// Brings back what was set aside; how many logs that are.
    pub(crate) fn bring_back(&self) -> io::Result<usize> {
        let aside = self.quarantine();
        let (logs, _) = aside.left()?;
        for Left { id, .. } in &logs {
            gone(fs::rename(aside.manifest_path(id), self.manifest_path(id)))?;
            for name in aside.beside(id) {
                gone(fs::rename(aside.path(&name), self.path(&name)))?;
            }
            fs::rename(aside.path(id), self.path(id))?;
            gone(fs::remove_file(aside.reason_path(id)))?;
        }
        if !logs.is_empty() {
            self.sync_names()?;
        }
        Ok(logs.len())
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }

    #[cfg(test)]
    fn step(&self) -> io::Result<()> {
        self.fuse.step().map_err(io::Error::other)
    }

    #[cfg(not(test))]
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "tests stop it here"
    )]
    const fn step(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A log that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// The connection's id.
    pub id: String,
    /// Where it is.
    pub path: PathBuf,
    /// Why, for people.
    pub reason: String,
}

/// The logs of a directory that were set aside, since they could not be uploaded.
pub fn set_aside(directory: &Path) -> io::Result<Vec<Aside>> {
    let stage = Stage::new(directory).quarantine();
    let (logs, _) = stage.left()?;
    let aside = logs.into_iter().map(|Left { id, .. }| {
        let mut reason = Vec::new();
        if let Ok(file) = File::open(stage.reason_path(&id)) {
            let _ = file.take(LARGEST_REASON).read_to_end(&mut reason);
        }
        Aside {
            path: stage.path(&id),
            reason: String::from_utf8_lossy(&reason).trim_end().to_owned(),
            id,
        }
    });
    Ok(aside.collect())
}

/// Puts the logs that were set aside back to those that are uploaded; returns how many they are.
/// The directory must not be used by a server.
pub fn bring_back(directory: &Path) -> io::Result<usize> {
    Stage::new(directory).bring_back()
}

/// What is gone already need not be taken away.
fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
