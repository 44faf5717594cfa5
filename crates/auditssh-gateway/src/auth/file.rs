//! Files of authorized keys.

#[cfg(test)]
mod tests;

use nix::unistd::{Uid, User as Account};
use std::fs::{File, Metadata, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Largest file that is read, in bytes.
const FILE_BYTES: u64 = 1024 * 1024;
/// Most lines that a file may have.
const FILE_LINES: usize = 10_000;

/// Where a user's authorized keys lie: an absolute path with `%u` for the login name (and `%%`
/// for a percent sign).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysFile(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    User,
}

/// Why a text is not the path of such files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Not absolute.
    #[error("`{0}` is not an absolute path")]
    Relative(String),
    /// A percent sign before something else.
    #[error("`%{0}` means nothing in a path; `%u` is the login name, `%%` a percent sign")]
    Token(String),
}

/// Why a file of authorized keys was not used; nobody is let in by it.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The login name is no part of a path.
    #[error(
        "the login name `{}` can't be put into the path of a key file; \
         list the keys in the configuration itself", .0.escape_debug()
    )]
    Name(String),
    /// It can't be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others could have changed it.
    #[error("{}: {reason}", path.display())]
    Unsafe {
        /// The file, or a directory on the way to it.
        path: PathBuf,
        /// What is wrong, and the remedy.
        reason: String,
    },
    /// It is too large.
    #[error(
        "{}: larger than {FILE_BYTES} bytes or {FILE_LINES} lines; remove keys that are not needed",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

impl KeysFile {
    /// The file of one user.
    pub fn path(&self, user: &str) -> Result<PathBuf, FileError> {
        let unsafe_name =
            user.is_empty() || user == "." || user == ".." || user.contains(['/', '\0']);
        let mut path = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => path.push_str(text),
                Piece::User if unsafe_name => return Err(FileError::Name(user.to_owned())),
                Piece::User => path.push_str(user),
            }
        }
        Ok(PathBuf::from(path))
    }

    /// The content of a user's file; empty if there is none. Refused if anyone but root, the
    /// server's account and the account of that name could have written it: file and directories
    /// belong to one of them, and nobody else may write (in a directory with the sticky bit set,
    /// nobody else can replace what lies there).
    pub(super) fn read(&self, user: &str) -> Result<(PathBuf, Vec<u8>), FileError> {
        let path = self.path(user)?;
        let io = |source| FileError::Io {
            path: path.clone(),
            source,
        };
        let real = match path.canonicalize() {
            Ok(real) => real,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok((path, Vec::new()));
            }
            Err(error) => return Err(io(error)),
        };
        let owners = Owners::of(user);
        for directory in real.ancestors().skip(1) {
            owners.check(directory, &directory.metadata().map_err(io)?)?;
        }
        let file = open(&real).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(insecure(&real, "not a regular file; name one".to_owned()));
        }
        owners.check(&real, &metadata)?;
        let mut text = Vec::new();
        file.take(FILE_BYTES + 1)
            .read_to_end(&mut text)
            .map_err(io)?;
        let lines = text.split(|byte| *byte == b'\n').count();
        if text.len() as u64 > FILE_BYTES || lines > FILE_LINES + 1 {
            return Err(FileError::TooLarge { path });
        }
        Ok((path, text))
    }
}

impl FromStr for KeysFile {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        if !text.starts_with('/') {
            return Err(TemplateError::Relative(text.to_owned()));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            pieces.push(Piece::Text(before.to_owned()));
            let mut chars = after.chars();
            match chars.next() {
                Some('u') => pieces.push(Piece::User),
                Some('%') => pieces.push(Piece::Text("%".to_owned())),
                other => {
                    return Err(TemplateError::Token(
                        other.map(String::from).unwrap_or_default(),
                    ));
                }
            }
            rest = chars.as_str();
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }
}

/// Whose files are believed: root's, the server's own, those of the account of the login name.
struct Owners {
    server: Uid,
    account: Option<Uid>,
}

impl Owners {
    fn of(user: &str) -> Self {
        Self {
            server: Uid::effective(),
            account: Account::from_name(user)
                .ok()
                .flatten()
                .map(|account| account.uid),
        }
    }

    fn check(&self, path: &Path, metadata: &Metadata) -> Result<(), FileError> {
        let owner = Uid::from_raw(metadata.uid());
        if !owner.is_root() && owner != self.server && Some(owner) != self.account {
            return Err(insecure(
                path,
                format!("belongs to uid {owner}, who could change it; give it to root (`chown`)"),
            ));
        }
        let sticky = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
        if metadata.mode() & 0o022 != 0 && !sticky {
            return Err(insecure(
                path,
                format!(
                    "may be changed by others (mode {:04o}); `chmod go-w` it",
                    metadata.mode() & 0o7777
                ),
            ));
        }
        Ok(())
    }
}

/// Without following a link and without waiting for the other end of a pipe.
fn open(path: &Path) -> std::io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

fn insecure(path: &Path, reason: String) -> FileError {
    FileError::Unsafe {
        path: path.to_owned(),
        reason,
    }
}
