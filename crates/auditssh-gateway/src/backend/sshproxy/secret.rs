//! What the gateway proves itself with, and where it lies.

use crate::russh::{PrivateKey, read_private_key};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Bytes of the largest file that is read.
const FILE_BYTES: u64 = 64 * 1024;

/// Text that no `Debug` shows, and that is wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Keeps a text.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(Arc::new(text))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Where the password is.
#[derive(Clone, Debug)]
pub enum PasswordSource {
    /// In the configuration.
    Text(Secret),
    /// In a file, without its last line's end.
    File(PathBuf),
}

/// Where a private key is.
#[derive(Clone)]
pub enum KeySource {
    /// In the configuration, as text.
    Text(Secret),
    /// In a file.
    File(PathBuf),
}

impl fmt::Debug for KeySource {
    /// Without the path: it may be a key that was taken for one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(hidden)",
            Self::File(_) => "File(hidden)",
        })
    }
}

/// Why a secret can't be had. No text shows any of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file can't be read.
    #[error("backend sshproxy: {place}: {source}")]
    File {
        /// Which file.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// Anybody could read it.
    #[error(
        "backend sshproxy: {place}: everyone on this machine can read or change it (its mode is \
         {mode:03o}); run `chmod 600` on it and consider the secret known"
    )]
    Open {
        /// Which file.
        place: String,
        /// Its permissions.
        mode: u32,
    },
    /// No password is in it.
    #[error("backend sshproxy: {place}: empty, or not one line of UTF-8 text")]
    Password {
        /// Which file.
        place: String,
    },
    /// No private key.
    #[error("backend sshproxy: {place}: {reason}")]
    Key {
        /// Where it stands.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl PasswordSource {
    pub(super) fn load(&self) -> Result<Secret, SecretError> {
        let path = match self {
            Self::Text(secret) => return Ok(secret.clone()),
            Self::File(path) => path,
        };
        let place = path.display().to_string();
        let text = read(path, &place)?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() || text.contains(['\n', '\0']) {
            return Err(SecretError::Password { place });
        }
        Ok(Secret::new(Zeroizing::new(text.to_owned())))
    }
}

impl KeySource {
    pub(super) fn load(&self, key: &str) -> Result<Arc<PrivateKey>, SecretError> {
        let (place, text) = match self {
            Self::Text(secret) => (format!("`{key}`"), Arc::clone(&secret.0)),
            Self::File(path) => {
                // The path is not repeated: a key without its first line would be taken for one.
                let place = format!("the file that `{key}` names");
                let text = read(path, &place)?;
                (place, Arc::new(text))
            }
        };
        read_private_key(&text)
            .map(Arc::new)
            .map_err(|reason| SecretError::Key { place, reason })
    }
}

fn read(path: &Path, place: &str) -> Result<Zeroizing<String>, SecretError> {
    let fail = |source| SecretError::File {
        place: place.to_owned(),
        source,
    };
    let file = File::open(path).map_err(fail)?;
    let status = file.metadata().map_err(fail)?;
    let mode = status.mode() & 0o777;
    if mode & 0o007 != 0 {
        let place = place.to_owned();
        return Err(SecretError::Open { place, mode });
    }
    if !status.is_file() || status.len() > FILE_BYTES {
        return Err(fail(io::Error::other(
            "not a regular file of a secret's size",
        )));
    }
    let mut text = Zeroizing::new(String::with_capacity(8 * 1024));
    file.take(FILE_BYTES)
        .read_to_string(&mut text)
        .map_err(fail)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    fn file(text: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    #[test]
    fn a_password_is_a_line_of_a_closed_file() {
        let load = |text: &[u8], mode| {
            let (_directory, path) = file(text, mode);
            PasswordSource::File(path).load()
        };
        for text in [&b"pass word"[..], b"pass word\n", b"pass word\r\n"] {
            assert_eq!(load(text, 0o600).unwrap().expose(), "pass word");
        }
        assert!(load(b"x", 0o440).is_ok());
        for (text, mode) in [
            (&b""[..], 0o600),
            (b"\n", 0o600),
            (b"a\nb\n", 0o600),
            (b"\xff", 0o600),
            (b"canary", 0o644),
        ] {
            let error = load(text, mode).unwrap_err().to_string();
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn no_error_and_no_debug_shows_a_secret() {
        let secret = Secret::new(Zeroizing::new("-----BEGIN canary".to_owned()));
        assert_eq!(format!("{secret:?}"), "(hidden)");
        let source = KeySource::Text(secret);
        assert!(!format!("{source:?}").contains("canary"));
        let error = source.load("sshproxy.privateKey").unwrap_err().to_string();
        assert!(error.contains("sshproxy.privateKey") && !error.contains("canary"));
    }

    #[test]
    fn a_key_without_its_first_line_is_not_repeated() {
        let long = "canary".repeat(1000);
        for text in ["b3BlbnNzaC1rZXktdjEAcanary", "/canary\ncanary==", &long] {
            let source = KeySource::File(text.into());
            assert!(!format!("{source:?}").contains("canary"));
            let error = source.load("sshproxy.userCAKey").unwrap_err().to_string();
            assert!(
                error.contains("the file that `sshproxy.userCAKey` names"),
                "{error}"
            );
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
