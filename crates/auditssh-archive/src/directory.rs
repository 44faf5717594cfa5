//! The directory of logs: what it must be like, who holds it, what the names in it mean.

use crate::disk::LocalDisk;
use crate::settings::Settings;
use rustix::fd::OwnedFd;
use rustix::fs::{self, FlockOperation, Gid, Mode, OFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a directory is not taken.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another process writes logs there.
    #[error(
        "{}: another instance writes its logs here; give each instance a directory of its own", .0.display()
    )]
    Locked(PathBuf),
    /// It is auditd's.
    #[error(
        "{}: this directory is auditd's own ({reason}); choose another, for example \
         /var/log/auditssh", path.display()
    )]
    Auditd {
        /// The directory.
        path: PathBuf,
        /// How that is known.
        reason: &'static str,
    },
    /// Others may do in it what only the server may.
    #[error(
        "{}: {reason}; {remedy}, or allow it with `allowInsecureDirectory: true`", path.display()
    )]
    Insecure {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// How to mend it.
        remedy: String,
    },
    /// It is no directory, or a symbolic link.
    #[error("{}: no directory, or a symbolic link, which is not followed; name the directory itself", .0.display())]
    NotOne(PathBuf),
    /// The operating system refused.
    #[error("{}: {doing}: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The cause.
        source: io::Error,
    },
}

/// Holds the directory for as long as it lives.
#[derive(Debug)]
pub(crate) struct Lock {
    _directory: OwnedFd,
}

/// How long a lock that someone holds is tried again: readers hold it for a moment to see whether
/// a writer lives.
const PATIENCE: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// Opens, checks and locks the directory of `settings`; makes it if it is missing.
pub(crate) fn take(settings: &Settings) -> Result<(LocalDisk, Lock), DirectoryError> {
    let path = &settings.directory;
    if fs::lstat(path).is_err_and(|error| error == Errno::NOENT) {
        make(settings).map_err(|source| failed(path, "cannot be made", source))?;
    }
    let directory = examined(settings)?;
    let lock = lock(path)?;
    let disk = LocalDisk::new(directory, settings.group).at(path.clone());
    Ok((disk, lock))
}

/// Whether the directory of `settings` would be taken, as far as that can be told without touching
/// it. One that is missing would be made.
pub fn inspect(settings: &Settings) -> Result<(), DirectoryError> {
    if fs::lstat(&settings.directory).is_err_and(|error| error == Errno::NOENT) {
        return Ok(());
    }
    examined(settings).map(drop)
}

fn examined(settings: &Settings) -> Result<OwnedFd, DirectoryError> {
    let path = &settings.directory;
    let directory = open(path).map_err(|error| match error {
        Errno::LOOP | Errno::NOTDIR => DirectoryError::NotOne(path.clone()),
        error => failed(path, "cannot be opened", error.into()),
    })?;
    refuse_auditd(path, &directory)?;
    if !settings.allow_insecure {
        refuse_insecure(settings, &directory)?;
    }
    Ok(directory)
}

/// Whether a process writes logs in this directory at this moment.
pub fn is_live(path: &Path) -> io::Result<bool> {
    // Readers may come by a symbolic link; a server does not take one.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = fs::open(path, flags, Mode::empty())?;
    match fs::flock(&directory, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// The logs in a directory, casts among them, that are not being written and need no recovery: those
/// without tails.
pub fn closed_logs(path: &Path) -> io::Result<Vec<String>> {
    let (mut logs, mut open) = (BTreeSet::new(), BTreeSet::new());
    for entry in std::fs::read_dir(path)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some(id) = tail_owner(name) {
            open.insert(id.to_owned());
        } else if is_log(name) {
            logs.insert(name.to_owned());
        }
    }
    let open = |name: &String| open.contains(connection_of(name));
    logs.retain(|name| !open(name));
    Ok(logs.into_iter().collect())
}

/// Name of one of the two tails of a log.
pub(crate) fn tail_name(id: &str, chunk: u32) -> String {
    format!(".{id}.tail{}", chunk % 2)
}

/// How many files are set aside for one log.
pub(crate) const MOST_DAMAGED: u32 = 16;

/// Name of what recovery sets aside, since nothing vouches for it.
pub(crate) fn damaged_name(id: &str, number: u32) -> String {
    format!(".{id}.damaged{number}")
}

/// The names that files have which recovery set aside beside a log, whether they are there or not.
pub fn damaged_names(id: &str) -> impl Iterator<Item = String> {
    (0..MOST_DAMAGED).map(move |number| damaged_name(id, number))
}

/// The log or cast beside which a file with this name was set aside.
pub fn damaged_owner(name: &str) -> Option<&str> {
    let (id, number) = name.strip_prefix('.')?.split_once(".damaged")?;
    let number: u32 = number.parse().ok()?;
    (is_log(id) && number < MOST_DAMAGED).then_some(id)
}

/// The connection whose tail has this name.
pub fn tail_owner(name: &str) -> Option<&str> {
    let id = name.strip_prefix('.')?;
    let id = id.strip_suffix(".tail0").or(id.strip_suffix(".tail1"))?;
    is_id(id).then_some(id)
}

/// Whether a name is that of a log.
pub fn is_id(name: &str) -> bool {
    name.len() == 32
        && name
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Name of the cast of a channel.
pub fn cast_name(id: &str, channel: u64) -> String {
    format!("{id}.{channel}.cast")
}

/// The connection and the channel whose cast has this name.
pub fn cast_owner(name: &str) -> Option<(&str, u64)> {
    let (id, channel) = name.strip_suffix(".cast")?.split_once('.')?;
    let number: u64 = channel.parse().ok()?;
    (is_id(id) && number.to_string() == channel).then_some((id, number))
}

/// Whether a name is that of a log or a cast.
pub fn is_log(name: &str) -> bool {
    is_id(name) || cast_owner(name).is_some()
}

/// The connection of a log or cast.
fn connection_of(name: &str) -> &str {
    cast_owner(name).map_or(name, |(id, _)| id)
}

fn open(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Without what may stand at its end: `link/` and `link/.` are what the link points to.
    let path: PathBuf = path.components().collect();
    fs::open(path, flags, Mode::empty())
}

fn make(settings: &Settings) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let path = &settings.directory;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::DirBuilder::new().mode(0o700).create(path)?;
    if let Some(group) = settings.group {
        let directory = open(path)?;
        fs::fchown(&directory, None, Some(Gid::from_raw(group)))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o750))?;
    }
    Ok(())
}

/// auditd keeps `audit.log` in its directory, rotates and counts what is in it, and refuses one
/// whose mode it does not like.
fn refuse_auditd(path: &Path, directory: &OwnedFd) -> Result<(), DirectoryError> {
    let refuse = |reason| {
        Err(DirectoryError::Auditd {
            path: path.to_owned(),
            reason,
        })
    };
    if fs::statat(directory, "audit.log", fs::AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return refuse("audit.log is in it");
    }
    let own = path
        .canonicalize()
        .is_ok_and(|path| path == Path::new("/var/log/audit"));
    if own && Path::new("/run/auditd.pid").exists() {
        return refuse("auditd is running");
    }
    Ok(())
}

fn refuse_insecure(settings: &Settings, directory: &OwnedFd) -> Result<(), DirectoryError> {
    let path = &settings.directory;
    let status =
        fs::fstat(directory).map_err(|error| failed(path, "cannot be examined", error.into()))?;
    let own = rustix::process::geteuid().as_raw();
    if status.st_uid != own {
        return Err(DirectoryError::Insecure {
            path: path.clone(),
            reason: format!(
                "it belongs to user {}, not to user {own}, who writes the logs",
                status.st_uid
            ),
            remedy: format!("`chown {own}` it"),
        });
    }
    let allowed = if settings.group.is_some() {
        0o750
    } else {
        0o700
    };
    let mode = status.st_mode & 0o7777;
    if mode & 0o777 & !allowed != 0 {
        return Err(DirectoryError::Insecure {
            path: path.clone(),
            reason: format!(
                "its mode is {mode:04o}, so that others than the server can reach the logs"
            ),
            remedy: format!("`chmod {allowed:04o}` it"),
        });
    }
    match settings.group {
        Some(group) if mode & 0o070 != 0 && status.st_gid != group => {
            Err(DirectoryError::Insecure {
                path: path.clone(),
                reason: format!(
                    "it is open to group {}, not to the auditors' group {group}",
                    status.st_gid
                ),
                remedy: format!("`chgrp {group}` it"),
            })
        }
        _ => Ok(()),
    }
}

fn lock(path: &Path) -> Result<Lock, DirectoryError> {
    let directory = open(path).map_err(|error| failed(path, "cannot be opened", error.into()))?;
    for _ in 0..PATIENCE {
        match fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                return Ok(Lock {
                    _directory: directory,
                });
            }
            Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::sleep(PAUSE),
            Err(error) => return Err(failed(path, "cannot be locked", error.into())),
        }
    }
    Err(DirectoryError::Locked(path.to_owned()))
}

fn failed(path: &Path, doing: &'static str, source: io::Error) -> DirectoryError {
    DirectoryError::Io {
        path: path.to_owned(),
        doing,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_no_directory_whatever_stands_behind_it() {
        let home = tempfile::tempdir().unwrap();
        let (real, link) = (home.path().join("real"), home.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        for (path, taken) in [
            (real.join(""), true),
            (link.clone(), false),
            (link.join(""), false),
            (link.join("."), false),
            (link.join(".//"), false),
        ] {
            let opened = open(&path);
            assert_eq!(opened.is_ok(), taken, "{}", path.display());
        }
    }
}
