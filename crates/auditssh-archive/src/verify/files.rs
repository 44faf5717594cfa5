//! Logs as files: which there are, what stands beside them, whether someone writes them.

use super::{Demand, Report, Verdict, verify, verify_as};
use crate::directory::{
    MOST_DAMAGED, cast_owner, damaged_name, damaged_owner, is_id, is_live, tail_name, tail_owner,
};
use crate::reader::holds_lines;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// How often a log is read again that a writer came to or went from while it was read.
const TRIES: u32 = 3;

/// What every log begins with.
const MAGIC: &[u8; 21] = b"ContainerSSH-Auditlog";

/// One log, and what came of checking it.
#[derive(Debug)]
pub struct Checked {
    /// Where it is.
    pub path: PathBuf,
    /// Whether tails stand beside it: it is being written, or waits for recovery.
    pub tails: bool,
    /// Names of files beside it that recovery set aside, since nothing vouches for what is in them.
    pub damaged: Vec<String>,
    /// What is known of it, or why nothing is.
    pub report: Result<Report, Failure>,
}

impl Checked {
    /// A log beside which nothing stands.
    pub fn alone(path: PathBuf, report: io::Result<Report>) -> Self {
        Self {
            tails: false,
            damaged: Vec::new(),
            report: report.map_err(|source| Failure {
                path: path.clone(),
                source,
            }),
            path,
        }
    }

    /// The exit status of the [`Report`], but at least 2 if something was set aside beside the log;
    /// 3 if it could not be checked.
    pub fn exit_code(&self, demand: &Demand) -> u8 {
        match &self.report {
            Ok(_) if !self.damaged.is_empty() => 2,
            Ok(report) => report.exit_code(demand),
            Err(_) => 3,
        }
    }
}

/// Why a log could not be checked.
#[derive(Debug, thiserror::Error)]
#[error("{}: could not be checked: {source}", path.display())]
pub struct Failure {
    /// The log or the directory.
    pub path: PathBuf,
    /// What the operating system says.
    pub source: io::Error,
}

/// Checks a log, or each log of a directory ([`logs`]), and hands each result on as soon as it is
/// there.
pub fn check<E>(path: &Path, mut each: impl FnMut(Checked) -> Result<(), E>) -> Result<(), E> {
    if !path.is_dir() {
        return each(check_log(path));
    }
    let found = match logs(path) {
        Ok(found) => found,
        Err(source) => {
            return each(Checked::alone(path.to_owned(), Err(source)));
        }
    };
    for log in found {
        if let Some(checked) = check_listed(&log) {
            each(checked)?;
        }
    }
    Ok(())
}

/// The logs of a directory (not of those below it), by name: the files that are named by a
/// connection or begin as a log does, and logs of which only tails are left, or what was set aside.
pub fn logs(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let names = names(directory)?;
    Ok(names.iter().map(|name| directory.join(name)).collect())
}

/// Checks one log of those that [`logs`] found; `None` if it was removed since, tails and all.
/// What is no regular file is not opened: a pipe would be waited for.
pub fn check_listed(path: &Path) -> Option<Checked> {
    match path.metadata() {
        Ok(status) if !status.is_file() => {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file");
            Some(Checked::alone(path.to_owned(), Err(error)))
        }
        _ => {
            let checked = check_log(path);
            // What a bucket has meanwhile is not here any more.
            let gone = checked.report.is_err() && path.symlink_metadata().is_err();
            (!gone).then_some(checked)
        }
    }
}

/// Checks one log, which may be a pipe.
pub fn check_log(path: &Path) -> Checked {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if cast_owner(&name).is_some() {
        let text = "it is a cast, which holds no proof: verify the log of its connection";
        let error = io::Error::new(io::ErrorKind::InvalidInput, text);
        return Checked::alone(path.to_owned(), Err(error));
    }
    let report = examine(path);
    Checked {
        tails: has_tails(path),
        damaged: set_aside(path),
        ..Checked::alone(path.to_owned(), report)
    }
}

fn examine(path: &Path) -> io::Result<Report> {
    let mut live = is_written(path)?;
    for _ in 1..TRIES {
        let report = read(path, live)?;
        let before = live;
        live = is_written(path)?;
        if report.verdict != Verdict::Cut || live == before {
            return Ok(report);
        }
    }
    read(path, live)
}

fn read(path: &Path, live: bool) -> io::Result<Report> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_begun(path) => {
            return verify(io::empty());
        }
        file => file?,
    };
    let mut report = match claim(path) {
        Some(id) => verify_as(file, &id),
        None => verify(file),
    }?;
    if live && report.verdict == Verdict::Cut {
        report.verdict = Verdict::Open;
    }
    Ok(report)
}

/// Whether a live server writes this log: its tail is there and the directory is locked.
pub fn is_written(path: &Path) -> io::Result<bool> {
    for place in places(path) {
        if place.has_tails() && is_live(&place.directory)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether something of a log is there besides its file.
fn is_begun(path: &Path) -> bool {
    has_tails(path) || !set_aside(path).is_empty()
}

fn has_tails(path: &Path) -> bool {
    places(path).any(|place| place.has_tails())
}

/// The names of what recovery set aside beside a log.
fn set_aside(path: &Path) -> Vec<String> {
    places(path).flat_map(|place| place.set_aside()).collect()
}

/// The connection whose log a file is said to be: by its own name or, if that is none, by the name
/// of what it is a symbolic link to.
fn claim(path: &Path) -> Option<String> {
    places(path)
        .map(|place| place.name)
        .find(|name| is_id(name))
}

/// A place of a log: what belongs to it stands beside it.
struct Place {
    directory: PathBuf,
    name: String,
}

/// The places of a log: its own and, if it is a symbolic link, that of its target.
fn places(path: &Path) -> impl Iterator<Item = Place> {
    let target = path.is_symlink().then(|| path.canonicalize().ok());
    let all = [Some(path.to_owned()), target.flatten()];
    all.into_iter().flatten().map(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        Place {
            directory: directory.to_owned(),
            name: name.into_owned(),
        }
    })
}

impl Place {
    fn has_tails(&self) -> bool {
        [0, 1]
            .iter()
            .any(|&tail| self.directory.join(tail_name(&self.name, tail)).exists())
    }

    fn set_aside(&self) -> Vec<String> {
        (0..MOST_DAMAGED)
            .map(|number| damaged_name(&self.name, number))
            .filter(|name| self.directory.join(name).exists())
            .collect()
    }
}

/// Names of logs, and of logs of which only what stood beside them is left.
fn names(directory: &Path) -> io::Result<BTreeSet<OsString>> {
    let mut names = BTreeSet::new();
    for entry in directory.read_dir()? {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if let Some(id) = tail_owner(&text) {
            // Of casts there is nothing to prove.
            if !holds_lines(&entry.path()) {
                names.insert(id.into());
            }
        } else if let Some(id) = damaged_owner(&text) {
            if is_id(id) {
                names.insert(id.into());
            }
        } else if is_log(&text, &entry)? {
            names.insert(name);
        }
    }
    Ok(names)
}

fn is_log(name: &str, entry: &std::fs::DirEntry) -> io::Result<bool> {
    if name.starts_with('.') || entry.file_type()?.is_dir() {
        return Ok(false);
    }
    Ok(is_id(name) || entry.file_type()?.is_file() && begins_as_log(&entry.path()))
}

fn begins_as_log(path: &Path) -> bool {
    let mut start = [0; MAGIC.len()];
    File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok() && start == *MAGIC)
}
