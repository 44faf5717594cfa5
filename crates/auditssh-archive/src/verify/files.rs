//! Logs as files: which there are, what stands beside them, whether someone writes them.

use super::{Report, Verdict, verify};
use crate::directory::{is_id, is_live, tail_name, tail_owner};
use std::collections::BTreeSet;
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
    /// What is known of it, or why nothing is.
    pub report: Result<Report, Failure>,
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

/// Checks a log, or each log of a directory (not of those below it), and hands each result on as
/// soon as it is there. In a directory, logs are the files that are named by a connection or begin
/// as a log does; one of which only the tails are left is cut.
pub fn check<E>(path: &Path, mut each: impl FnMut(Checked) -> Result<(), E>) -> Result<(), E> {
    if !path.is_dir() {
        return each(check_file(path));
    }
    let names = match names(path) {
        Ok(names) => names,
        Err(source) => {
            let path = path.to_owned();
            return each(Checked {
                path: path.clone(),
                tails: false,
                report: Err(Failure { path, source }),
            });
        }
    };
    for name in names.logs {
        each(check_file(&path.join(name)))?;
    }
    for id in names.orphans {
        let path = path.join(id);
        // A log that ended meanwhile took its tails with it.
        if has_tails(&path) {
            each(check_file(&path))?;
        }
    }
    Ok(())
}

/// Checks one log.
fn check_file(path: &Path) -> Checked {
    let report = examine(path).map_err(|source| Failure {
        path: path.to_owned(),
        source,
    });
    Checked {
        path: path.to_owned(),
        tails: has_tails(path),
        report,
    }
}

fn examine(path: &Path) -> io::Result<Report> {
    let mut live = is_written(path);
    for _ in 1..TRIES {
        let report = read(path, live)?;
        let before = live;
        live = is_written(path);
        if report.verdict != Verdict::Cut || live == before {
            return Ok(report);
        }
    }
    read(path, live)
}

fn read(path: &Path, live: bool) -> io::Result<Report> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && has_tails(path) => {
            return verify(io::empty());
        }
        file => file?,
    };
    let mut report = verify(file)?;
    if live && report.verdict == Verdict::Cut {
        report.verdict = Verdict::Open;
    }
    Ok(report)
}

/// Whether a live server writes this log: its tail is there and the directory is locked.
fn is_written(path: &Path) -> bool {
    has_tails(path) && is_live(parent(path)).unwrap_or(false)
}

fn has_tails(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    [0, 1]
        .iter()
        .any(|&tail| parent(path).join(tail_name(&name, tail)).exists())
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

struct Names {
    logs: BTreeSet<PathBuf>,
    /// Connections that have a tail but no log.
    orphans: BTreeSet<String>,
}

fn names(directory: &Path) -> io::Result<Names> {
    let mut logs = BTreeSet::new();
    let mut tails = BTreeSet::new();
    for entry in directory.read_dir()? {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if let Some(id) = tail_owner(&text) {
            tails.insert(id.to_owned());
        } else if is_log(&text, &entry)? {
            logs.insert(PathBuf::from(name));
        }
    }
    tails.retain(|id| !logs.contains(Path::new(id)));
    Ok(Names {
        logs,
        orphans: tails,
    })
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
