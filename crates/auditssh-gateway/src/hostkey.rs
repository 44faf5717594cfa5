//! Host keys: reading them, and making the first one.

#[cfg(test)]
mod tests;

use crate::russh::{Algorithm, HashAlg, KeyError, LineEnding, PrivateKey, generate_ed25519};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Bytes of the largest key file that is read.
const FILE_BYTES: u64 = 64 * 1024;

/// Bits of the smallest RSA host key that is served.
const RSA_MIN_BITS: usize = 2048;

/// A private key that identifies the server.
#[derive(Clone)]
pub struct HostKey(PrivateKey);

/// Why there is no host key.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    /// The file can't be read or written.
    #[error("host key {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others could read or change the key.
    #[error(
        "host key {path}: its mode is {mode:03o}, so others can read or change it; \
         run `chmod 600 {path}` and consider the key known"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Not an OpenSSH private key.
    #[error(
        "host key {path}: not a private key in OpenSSH's format ({source}); \
         make one with `ssh-keygen -t ed25519 -N '' -f {path}`"
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        source: KeyError,
    },
    /// Protected by a passphrase, which nobody is there to type.
    #[error(
        "host key {path}: protected by a passphrase; remove it with `ssh-keygen -p -N '' -f {path}`"
    )]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// Of a kind that is not served.
    #[error(
        "host key {path}: {what} is not accepted; use Ed25519, ECDSA or RSA of at least \
         {RSA_MIN_BITS} bits"
    )]
    Kind {
        /// The file.
        path: PathBuf,
        /// The kind.
        what: String,
    },
    /// No random numbers.
    #[error("host key can't be generated: {0}")]
    Generate(KeyError),
}

impl HostKey {
    /// Reads a private key in OpenSSH's format: Ed25519, ECDSA or RSA, without passphrase and
    /// closed to others.
    pub fn load(path: &Path) -> Result<Self, HostKeyError> {
        let text = read(path)?;
        let key = PrivateKey::from_openssh(text.as_slice()).map_err(|source| {
            let path = path.to_owned();
            HostKeyError::Format { path, source }
        })?;
        if key.is_encrypted() {
            let path = path.to_owned();
            return Err(HostKeyError::Encrypted { path });
        }
        accepted(&key).map_err(|what| HostKeyError::Kind {
            path: path.to_owned(),
            what,
        })?;
        Ok(Self(key))
    }

    /// Reads the key at `path`; if there is no such file, makes an Ed25519 key and keeps it
    /// there (mode 0600; its directory, if that is missing too, 0700). Of several processes at
    /// once all get the same key.
    pub fn load_or_generate(path: &Path) -> Result<Self, HostKeyError> {
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => generate(path)?,
            _ => {}
        }
        Self::load(path)
    }

    /// A key that is kept nowhere.
    pub fn ephemeral() -> Result<Self, HostKeyError> {
        generate_ed25519().map(Self).map_err(HostKeyError::Generate)
    }

    /// Its fingerprint as OpenSSH writes it: `SHA256:` and base64 without padding.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Its public half as a line of a `known_hosts` file without the host's name.
    pub fn public(&self) -> String {
        self.0.public_key().to_openssh().unwrap_or_default()
    }

    /// The name of its algorithm (RFC 4253, 6.6), such as `ssh-ed25519`.
    pub fn algorithm(&self) -> String {
        self.0.algorithm().to_string()
    }

    pub(crate) fn private(&self) -> &PrivateKey {
        &self.0
    }
}

impl std::fmt::Debug for HostKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HostKey({})", self.fingerprint())
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, HostKeyError> {
    let fail = |source| HostKeyError::File {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(HostKeyError::Open { path, mode });
    }
    if !metadata.is_file() || metadata.len() > FILE_BYTES {
        return Err(fail(io::Error::other("not a regular file of a key's size")));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(8 * 1024));
    file.take(FILE_BYTES).read_to_end(&mut text).map_err(fail)?;
    Ok(text)
}

fn accepted(key: &PrivateKey) -> Result<(), String> {
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } => Ok(()),
        Algorithm::Rsa { .. } => {
            let bits = key
                .public_key()
                .key_data()
                .rsa()
                .map_or(0, |rsa| significant_bits(rsa.n().as_bytes()));
            if bits < RSA_MIN_BITS {
                return Err(format!("RSA of {bits} bits"));
            }
            Ok(())
        }
        other => Err(other.to_string()),
    }
}

/// Bits of a big-endian number; its bytes may begin with zeros.
fn significant_bits(number: &[u8]) -> usize {
    let mut digits = number.iter().skip_while(|byte| **byte == 0);
    digits.next().map_or(0, |first| {
        8 - first.leading_zeros() as usize + 8 * digits.count()
    })
}

/// Writes the key under a name of its own and links it only when it is whole: nobody sees half a
/// key, and who comes second keeps the first one's.
fn generate(path: &Path) -> Result<(), HostKeyError> {
    let key = generate_ed25519().map_err(HostKeyError::Generate)?;
    let text = key
        .to_openssh(LineEnding::LF)
        .map_err(HostKeyError::Generate)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}.new", rand::random::<u64>()));
    let new = path.with_file_name(name);
    if let Some(directory) = path.parent().filter(|parent| !parent.exists()) {
        let mut builder = DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(directory);
        made.map_err(|source| HostKeyError::File {
            path: path.to_owned(),
            source,
        })?;
    }
    let kept = write(&new, text.as_bytes()).and_then(|()| std::fs::hard_link(&new, path));
    let removed = std::fs::remove_file(&new);
    match kept.or_else(already_there).and(removed) {
        Ok(()) => Ok(()),
        Err(source) => Err(HostKeyError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

fn already_there(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::AlreadyExists => Ok(()),
        _ => Err(error),
    }
}
