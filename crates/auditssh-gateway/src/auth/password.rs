//! Hashes of passwords: argon2id, bcrypt and SHA-512-crypt, each in its usual text form.

#[cfg(test)]
mod tests;

use argon2::password_hash::phc;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use sha_crypt::ShaCrypt;
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// Passwords of so many bytes or more are refused before anything looks at them.
pub const PASSWORD_BYTES: usize = 1024;

/// bcrypt sees no more than this; what is longer is refused, not cut.
const BCRYPT_BYTES: usize = 71;
/// Upper bounds of what a hash may ask for; about ten seconds of one processor each.
const ARGON2_MAX_KIB: u32 = 1024 * 1024;
const ARGON2_MAX_WORK: u64 = 8 * 1024 * 1024;
const BCRYPT_MAX_COST: u32 = 16;
const SHA512_MAX_ROUNDS: u32 = 5_000_000;

/// The hash of a password, checked for its form. Its text is not shown and is wiped from memory.
#[derive(Clone)]
pub struct PasswordHash {
    text: Zeroizing<String>,
    kind: Kind,
}

/// How a hash is computed: two hashes of one kind cost the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Argon2id {
        memory: u32,
        passes: u32,
        lanes: u32,
    },
    Bcrypt {
        cost: u32,
    },
    Sha512 {
        rounds: u32,
    },
}

/// Why a text is not the hash of a password; it never holds the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Not one of the kinds that are known.
    #[error(
        "not a password hash of a kind that is accepted ($argon2id$, $2b$ or $6$); \
         make one with `auditssh hash-password`"
    )]
    Unknown,
    /// Of a known kind, but malformed.
    #[error(
        "the {0} hash is malformed (cut off or changed?); make one with `auditssh hash-password`"
    )]
    Malformed(&'static str),
    /// It would take too long or too much memory to check.
    #[error("the {0} hash asks for too much work; make one with `auditssh hash-password`")]
    Work(&'static str),
    /// The password itself can't be used.
    #[error("a password has 1 to {} bytes, none of them zero", PASSWORD_BYTES - 1)]
    Password,
}

/// Hashes a password with argon2id (19 MiB, 2 passes, random salt) into the PHC text form.
pub fn hash(password: &[u8]) -> Result<String, HashError> {
    if password.is_empty() || password.len() >= PASSWORD_BYTES || password.contains(&0) {
        return Err(HashError::Password);
    }
    let hash = Argon2::default().hash_password(password);
    hash.map(|hash| hash.to_string())
        .map_err(|_| HashError::Malformed("argon2id"))
}

impl PasswordHash {
    /// What it costs to compute.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the password is the one hashed; compares in constant time. Takes as long as it
    /// takes, whatever the password.
    pub(super) fn verify(&self, password: &[u8]) -> bool {
        match self.kind {
            Kind::Argon2id { .. } => phc::PasswordHash::new(&self.text)
                .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok()),
            Kind::Bcrypt { .. } => {
                let matches = bcrypt::verify(password, &self.text).unwrap_or(false);
                matches & (password.len() <= BCRYPT_BYTES)
            }
            Kind::Sha512 { .. } => ShaCrypt::SHA512
                .verify_password(password, self.text.as_str())
                .is_ok(),
        }
    }
}

impl FromStr for PasswordHash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let kind = if text.starts_with("$argon2id$") {
            argon2id(text)
        } else if ["$2a$", "$2b$", "$2y$"].iter().any(|p| text.starts_with(p)) {
            bcrypt(text)
        } else if text.starts_with("$6$") {
            sha512(text)
        } else {
            Err(HashError::Unknown)
        }?;
        Ok(Self {
            text: Zeroizing::new(text.to_owned()),
            kind,
        })
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordHash({:?})", self.kind)
    }
}

fn argon2id(text: &str) -> Result<Kind, HashError> {
    const NAME: &str = "argon2id";
    let hash = phc::PasswordHash::new(text).map_err(|_| HashError::Malformed(NAME))?;
    let params = argon2::Params::try_from(&hash).map_err(|_| HashError::Malformed(NAME))?;
    let complete = hash.salt.is_some() && hash.hash.is_some_and(|digest| digest.len() >= 16);
    if !complete || hash.version.is_some_and(|version| version != 0x13) {
        return Err(HashError::Malformed(NAME));
    }
    let (memory, passes, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
    let work = u64::from(memory) * u64::from(passes);
    if memory > ARGON2_MAX_KIB || work > ARGON2_MAX_WORK {
        return Err(HashError::Work(NAME));
    }
    Ok(Kind::Argon2id {
        memory,
        passes,
        lanes,
    })
}

fn bcrypt(text: &str) -> Result<Kind, HashError> {
    const NAME: &str = "bcrypt";
    let parts = bcrypt::HashParts::from_str(text).map_err(|_| HashError::Malformed(NAME))?;
    match parts.get_cost() {
        cost @ 4..=BCRYPT_MAX_COST => Ok(Kind::Bcrypt { cost }),
        0..4 => Err(HashError::Malformed(NAME)),
        _ => Err(HashError::Work(NAME)),
    }
}

/// `$6$[rounds=N$]SALT$DIGEST`, with at most 16 characters of salt and 86 of digest.
fn sha512(text: &str) -> Result<Kind, HashError> {
    const BAD: HashError = HashError::Malformed("SHA-512-crypt");
    let mut fields = text.split('$').skip(2).peekable();
    let rounds = match fields
        .peek()
        .and_then(|field| field.strip_prefix("rounds="))
    {
        Some(rounds) => {
            fields.next();
            rounds.parse().map_err(|_| BAD)?
        }
        None => 5000,
    };
    let (salt, digest) = (fields.next().ok_or(BAD)?, fields.next().ok_or(BAD)?);
    let in_alphabet = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'/')
    };
    let shape = (1..=16).contains(&salt.len()) && digest.len() == 86 && fields.next().is_none();
    if !shape || !in_alphabet(salt) || !in_alphabet(digest) || rounds < 1000 {
        return Err(BAD);
    }
    if rounds > SHA512_MAX_ROUNDS {
        return Err(HashError::Work("SHA-512-crypt"));
    }
    Ok(Kind::Sha512 { rounds })
}
