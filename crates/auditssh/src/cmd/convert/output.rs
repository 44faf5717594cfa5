//! Where what is converted goes. A file gets its name when it is complete.

use anyhow::{Context as _, ensure};
use rustix::fs::{RenameFlags, renameat_with};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, StdoutLock, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const BUFFER: usize = 64 << 10;

/// Where to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Standard,
    File { path: PathBuf, force: bool },
    Directory { path: PathBuf, force: bool },
}

impl Target {
    /// What was asked for. A file that may not be replaced is refused before any work.
    pub(super) fn of(output: Option<&Path>, force: bool, log: &Path) -> anyhow::Result<Self> {
        let Some(path) = output else {
            return Ok(Self::Standard);
        };
        let path = path.to_owned();
        if path.as_os_str() == "-" {
            return Ok(Self::Standard);
        }
        if path.is_dir() {
            return Ok(Self::Directory { path, force });
        }
        if let Ok(status) = path.metadata() {
            let is_log = log
                .metadata()
                .is_ok_and(|log| (log.dev(), log.ino()) == (status.dev(), status.ino()));
            ensure!(!is_log, "{}: that is the log itself", path.display());
            ensure!(force || !status.is_file(), "{}", taken(&path));
        }
        Ok(Self::File { path, force })
    }

    /// The directory for several logs; it is made if it is missing.
    pub(super) fn for_several(output: Option<&Path>, force: bool) -> anyhow::Result<Self> {
        let path = output.filter(|path| path.as_os_str() != "-");
        let path = path.context("for several logs name a directory with --output")?;
        if !path.is_dir() {
            let made = DirBuilder::new().mode(0o700).create(path);
            made.with_context(|| format!("{}: no directory can be made there", path.display()))?;
        }
        Ok(Self::Directory {
            path: path.to_owned(),
            force,
        })
    }

    /// A file of this name, if that is a directory.
    pub(super) fn file(&self, name: &str) -> Self {
        match self {
            Self::Directory { path, force } => Self::File {
                path: path.join(name),
                force: *force,
            },
            other => other.clone(),
        }
    }

    /// The one output.
    pub(super) fn open(&self) -> anyhow::Result<Output> {
        match self {
            Self::Standard => {
                let out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
                Ok(Output::Standard(out))
            }
            Self::File { path, force } => Output::file(path, *force),
            Self::Directory { path, .. } => {
                anyhow::bail!("{}: name a file, not a directory", path.display())
            }
        }
    }
}

fn taken(path: &Path) -> String {
    format!("{} is there already; --force replaces it", path.display())
}

/// An output that is written.
pub(super) enum Output {
    Standard(BufWriter<StdoutLock<'static>>),
    /// What cannot be replaced: a pipe, a device.
    Special(BufWriter<File>),
    File(Box<New>),
}

/// A file without its name. It is removed unless it gets that.
pub(super) struct New {
    out: BufWriter<File>,
    part: PathBuf,
    path: PathBuf,
    force: bool,
}

impl Output {
    pub(super) fn file(path: &Path, force: bool) -> anyhow::Result<Self> {
        let failed = || format!("cannot write {}", path.display());
        if path.metadata().is_ok_and(|status| !status.is_file()) {
            let file = OpenOptions::new().write(true).open(path);
            let file = file.with_context(failed)?;
            return Ok(Self::Special(BufWriter::with_capacity(BUFFER, file)));
        }
        ensure!(force || path.symlink_metadata().is_err(), "{}", taken(path));
        let mut name = OsString::from(".");
        name.push(path.file_name().with_context(failed)?);
        name.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(name);
        // A recording is for nobody else to read.
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part);
        let file = file.with_context(failed)?;
        Ok(Self::File(Box::new(New {
            out: BufWriter::with_capacity(BUFFER, file),
            part,
            path: path.to_owned(),
            force,
        })))
    }

    /// Everything is written.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Standard(mut out) => out.flush()?,
            Self::Special(mut out) => out.flush()?,
            Self::File(mut new) => {
                let named = new.out.flush().and_then(|()| new.name());
                named.with_context(|| format!("cannot write {}", new.path.display()))?;
            }
        }
        Ok(())
    }
}

impl New {
    fn name(&mut self) -> io::Result<()> {
        if self.force {
            return fs::rename(&self.part, &self.path);
        }
        let here = rustix::fs::CWD;
        match renameat_with(here, &self.part, here, &self.path, RenameFlags::NOREPLACE) {
            // Not every file system can.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                fs::hard_link(&self.part, &self.path)?;
                fs::remove_file(&self.part)
            }
            result => Ok(result?),
        }
    }
}

impl Drop for New {
    fn drop(&mut self) {
        // Gone if the file has its name.
        let _ = fs::remove_file(&self.part);
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Standard(out) => out.write(bytes),
            Self::Special(out) => out.write(bytes),
            Self::File(new) => new.out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Standard(out) => out.flush(),
            Self::Special(out) => out.flush(),
            Self::File(new) => new.out.flush(),
        }
    }
}
