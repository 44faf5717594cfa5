//! Who may log in: passwords, public keys and OpenSSH user certificates.
//!
//! Everything here is a decision about facts that the SSH library has already proven (a password
//! that was sent, a signature that was verified). Nothing is cached: a [`Users`] is immutable and
//! is swapped as a whole when the configuration is read again.
//!
//! **Threads.** [`Users::password`] computes a password hash, [`Users::public_key`] and
//! [`Users::certificate`] may read a file: all three block. Call them with
//! `tokio::task::spawn_blocking`, behind a semaphore of about as many permits as there are
//! processors, since each password check needs the memory and time that its hash asks for.

mod authority;
mod authorized;
mod certificate;
pub mod elsewhere;
mod facts;
mod file;
mod grant;
mod options;
mod password;
pub mod service;
pub(crate) mod source;
#[cfg(test)]
mod tests;

pub use authority::{AuthorityError, authorities};
pub use authorized::{AuthorizedKey, KeyError};
pub(crate) use certificate::validity;
pub use elsewhere::Elsewhere;
pub use facts::{FACTS, FACTS_BYTES, Fact, Facts, FactsError};
pub use file::{FileError, KeysFile, TemplateError};
pub use grant::{CertificateDetails, Grant, Method, Restrictions};
pub use options::OptionError;
pub use password::{HashError, PASSWORD_BYTES, PasswordHash, hash};
pub use service::Service;

use crate::russh::{Algorithm, Certificate, HashAlg, PublicKey};
use authorized::{Offer, Search};
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

/// Bits of the smallest RSA key that may log in.
pub const RSA_MIN_BITS: u32 = 2048;
/// Bits of the largest RSA key that may log in; a larger one only costs time.
pub const RSA_MAX_BITS: u32 = 8192;
/// Different kinds or costs of password hashes that one [`Users`] may hold; every check computes
/// each of them once.
pub const HASH_KINDS: usize = 8;

/// How one user may log in.
#[derive(Clone, Debug, Default)]
pub struct User {
    /// Hash of the password; `None` where there is none.
    pub password: Option<PasswordHash>,
    /// Keys and certificate authorities of the configuration itself.
    pub authorized_keys: Vec<AuthorizedKey>,
    /// A file of more of them.
    pub authorized_keys_file: Option<KeysFile>,
    /// Names that a certificate must hold one of; if empty, the login name is meant.
    pub principals: Vec<String>,
}

/// All users of one configuration.
pub struct Users {
    by_name: HashMap<String, User>,
    authorities: Vec<PublicKey>,
    /// One hash of each kind and cost present: all are computed in every check, so that its
    /// duration tells nothing about the user.
    hashes: Vec<PasswordHash>,
}

/// What became of an attempt.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The user may come in.
    Granted(Grant),
    /// The user may not; the reason is for the log and never for the client.
    Refused(Refusal),
}

/// Why an attempt was refused; for the log, never for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such user.
    #[error("no such user is configured")]
    UnknownUser,
    /// The user has no password.
    #[error("the user has no password")]
    NoPassword,
    /// It was another one.
    #[error("wrong password")]
    WrongPassword,
    /// Empty, of [`PASSWORD_BYTES`] or more, or with a zero byte.
    #[error("the password is empty, too long or holds a zero byte; it was not looked at")]
    PasswordForm,
    /// The key is in no list of the user.
    #[error("the key is not among the user's authorized keys")]
    UnknownKey,
    /// Keys of that kind or size can't log in.
    #[error("{0}")]
    KeyKind(String),
    /// The key is listed, but not for now or not for this address.
    #[error("{place}: {reason}")]
    Listed {
        /// Where it is listed.
        place: String,
        /// What forbids it.
        reason: String,
    },
    /// The certificate is not good for this login.
    #[error("certificate: {0}")]
    Certificate(String),
}

/// Why an attempt could not be judged; it counts as refused.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The file of authorized keys can't be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The line that lists the key asks for something that can't be honoured.
    #[error("{place}: {reason}; the key is refused until the line is mended")]
    Line {
        /// Where it is listed.
        place: String,
        /// What is wrong with it.
        reason: OptionError,
    },
}

/// A configuration that can't be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsersError {
    /// See [`HASH_KINDS`].
    #[error(
        "the passwords are hashed in {0} different ways, at most {HASH_KINDS} are served; \
         hash them anew with `auditssh hash-password`"
    )]
    HashKinds(usize),
    /// A trusted certificate authority of a kind or size that is not accepted.
    #[error("trusted certificate authority {fingerprint}: {reason}")]
    Authority {
        /// SHA-256 fingerprint of the key.
        fingerprint: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Users {
    /// Users by their login names, and the certificate authorities trusted for all of them.
    pub fn new(
        users: impl IntoIterator<Item = (String, User)>,
        authorities: Vec<PublicKey>,
    ) -> Result<Self, UsersError> {
        let by_name: HashMap<String, User> = users.into_iter().collect();
        let hashes = one_of_each(by_name.values().filter_map(|user| user.password.as_ref()));
        if hashes.len() > HASH_KINDS {
            return Err(UsersError::HashKinds(hashes.len()));
        }
        for authority in &authorities {
            if let Err(reason) = key_allowed(authority) {
                return Err(UsersError::Authority {
                    fingerprint: fingerprint(authority),
                    reason,
                });
            }
        }
        Ok(Self {
            by_name,
            authorities,
            hashes,
        })
    }

    /// Whether the name is configured.
    pub fn knows(&self, user: &str) -> bool {
        self.by_name.contains_key(user)
    }

    /// Whether a certificate could let the user in: when a key is only offered it can't be told
    /// from one that is certified. Blocks while the file of keys is read.
    pub fn certifies(&self, user: &str) -> bool {
        if !self.authorities.is_empty() {
            return true;
        }
        let Some(entry) = self.by_name.get(user) else {
            return false;
        };
        let mut lines = entry.authorized_keys.iter();
        lines.any(AuthorizedKey::is_authority)
            || entry.authorized_keys_file.as_ref().is_some_and(|file| {
                file.read(user)
                    .is_ok_and(|(_, text)| contains(&text, b"cert-authority"))
            })
    }

    /// Judges a password, be it from `password` or from the prompt of `keyboard-interactive`.
    ///
    /// Blocks for the time of one hash of every kind configured, whether the user exists or not;
    /// a password that is refused for its form costs nothing, for anyone.
    pub fn password(&self, user: &str, password: &[u8]) -> Verdict {
        if !password_fits(password) {
            return Verdict::Refused(Refusal::PasswordForm);
        }
        let found = self.by_name.get(user);
        let own = found.and_then(|user| user.password.as_ref());
        let mut right = false;
        for sample in &self.hashes {
            let this = own.filter(|own| own.kind() == sample.kind());
            let matches = this.unwrap_or(sample).verify(password);
            right |= matches & this.is_some();
        }
        match (found, own) {
            _ if right => Verdict::Granted(Grant::password()),
            (None, _) => Verdict::Refused(Refusal::UnknownUser),
            (_, None) => Verdict::Refused(Refusal::NoPassword),
            _ => Verdict::Refused(Refusal::WrongPassword),
        }
    }

    /// Judges a public key, offered or proven: the inline list first, then the file, and in
    /// each the first line that allows it. Blocks while the file is read.
    pub fn public_key(
        &self,
        user: &str,
        key: &PublicKey,
        address: IpAddr,
        now: SystemTime,
    ) -> Result<Verdict, AuthError> {
        let Some(entry) = self.by_name.get(user) else {
            return Ok(Verdict::Refused(Refusal::UnknownUser));
        };
        if let Err(reason) = key_allowed(key) {
            return Ok(Verdict::Refused(Refusal::KeyKind(reason)));
        }
        Ok(match entry.find(user, &Offer::key(key, address, now))? {
            Ok(restrictions) => Verdict::Granted(Grant::public_key(fingerprint(key), restrictions)),
            Err(refusal) => Verdict::Refused(refusal),
        })
    }

    /// Judges a user certificate whose key has signed the request: by the trusted authorities,
    /// then by the `cert-authority` lines of the user. Blocks while the file is read.
    ///
    /// The signature of the authority is verified here as well, whoever did it before.
    pub fn certificate(
        &self,
        user: &str,
        certificate: &Certificate,
        address: IpAddr,
        now: SystemTime,
    ) -> Result<Verdict, AuthError> {
        let Some(entry) = self.by_name.get(user) else {
            return Ok(Verdict::Refused(Refusal::UnknownUser));
        };
        certificate::judge(user, entry, &self.authorities, certificate, address, now)
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users")
            .field("users", &self.by_name.len())
            .field("authorities", &self.authorities.len())
            .finish_non_exhaustive()
    }
}

impl User {
    /// What the first line allows that lists the offer and lets it in, else why none did.
    fn find(&self, name: &str, offer: &Offer) -> Result<Result<Restrictions, Refusal>, AuthError> {
        let mut search = Search::new(offer);
        for key in &self.authorized_keys {
            if let Some(restrictions) = search.inline(name, key) {
                return Ok(Ok(restrictions));
            }
        }
        if let Some(file) = &self.authorized_keys_file {
            let (path, text) = file.read(name)?;
            if let Some(restrictions) = search.file(&path, &text) {
                return Ok(Ok(restrictions));
            }
        }
        search.refusal().map(Err)
    }
}

/// Whether a password is of a form that any user's could have. An empty one is not: there are
/// services that take it for no question at all, and say yes.
pub(crate) fn password_fits(password: &[u8]) -> bool {
    !password.is_empty() && password.len() < PASSWORD_BYTES && !password.contains(&0)
}

/// Whether a signature of that algorithm may prove a key: not SHA-1 (`ssh-rsa`), not DSA.
pub fn signature_allowed(algorithm: &Algorithm) -> bool {
    match algorithm {
        Algorithm::Rsa { hash } => hash.is_some(),
        Algorithm::Ed25519
        | Algorithm::Ecdsa { .. }
        | Algorithm::SkEd25519
        | Algorithm::SkEcdsaSha2NistP256 => true,
        _ => false,
    }
}

/// The fingerprint as OpenSSH writes it: `SHA256:` and base64 without padding.
pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Whether a key of that kind and size may log in or sign certificates; the error says why not.
pub(crate) fn key_allowed(key: &PublicKey) -> Result<(), String> {
    if let Some(rsa) = key.key_data().rsa() {
        let bits = significant_bits(rsa.n().as_bytes());
        if (RSA_MIN_BITS..=RSA_MAX_BITS).contains(&bits) {
            return Ok(());
        }
        return Err(format!(
            "the RSA key has {bits} bits; {RSA_MIN_BITS} to {RSA_MAX_BITS} are accepted"
        ));
    }
    match key.algorithm() {
        Algorithm::Ed25519
        | Algorithm::Ecdsa { .. }
        | Algorithm::SkEd25519
        | Algorithm::SkEcdsaSha2NistP256 => Ok(()),
        other => Err(format!("keys of type {other} are not accepted")),
    }
}

/// Bits of a big-endian number; its bytes may begin with zeros.
fn significant_bits(number: &[u8]) -> u32 {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let first = number.get(zeros).map_or(8, |byte| byte.leading_zeros());
    let bytes = u32::try_from(number.len() - zeros).unwrap_or(u32::MAX / 8);
    (bytes * 8).saturating_sub(if bytes == 0 { 0 } else { first })
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|part| part == word)
}

fn one_of_each<'a>(hashes: impl Iterator<Item = &'a PasswordHash>) -> Vec<PasswordHash> {
    let mut kinds: Vec<PasswordHash> = Vec::new();
    for hash in hashes {
        if !kinds.iter().any(|known| known.kind() == hash.kind()) {
            kinds.push(hash.clone());
        }
    }
    kinds
}
