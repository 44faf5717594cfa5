//! Passwords of viewers: argon2id.

use argon2::password_hash::phc;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// Passwords of so many bytes or more are refused before anything looks at them.
pub(crate) const PASSWORD_BYTES: usize = 1024;

/// What a hash may ask for at most.
const MOST_KIB: u32 = 256 << 10;
const MOST_WORK: u64 = 4 << 20;

/// The hash of a password. It is not shown, and is wiped from memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    text: Zeroizing<String>,
    /// KiB of memory times passes.
    work: u64,
}

/// Why a text is no hash of a password; it never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Not argon2id, or malformed.
    #[error("not an argon2id hash; make one with `auditssh hash-password`")]
    Unknown,
    /// It would take too long or too much memory to check.
    #[error("the hash asks for too much work; make one with `auditssh hash-password`")]
    Work,
}

impl FromStr for Password {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let hash = phc::PasswordHash::new(text).map_err(|_| HashError::Unknown)?;
        let params = argon2::Params::try_from(&hash).map_err(|_| HashError::Unknown)?;
        let complete = hash.salt.is_some() && hash.hash.is_some_and(|digest| digest.len() >= 16);
        let version = hash.version.is_none_or(|version| version == 0x13);
        if !text.starts_with("$argon2id$") || !complete || !version {
            return Err(HashError::Unknown);
        }
        let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
        if params.m_cost() > MOST_KIB || work > MOST_WORK {
            return Err(HashError::Work);
        }
        Ok(Self {
            text: Zeroizing::new(text.to_owned()),
            work,
        })
    }
}

impl Password {
    /// The hash of a password that nobody has.
    pub(crate) fn of_nobody() -> Option<Self> {
        let random: [u8; 32] = rand::random();
        let hash = Argon2::default().hash_password(&random).ok()?;
        hash.to_string().parse().ok()
    }

    /// How much it costs to compute.
    pub(crate) const fn work(&self) -> u64 {
        self.work
    }

    /// Whether the password is the one hashed; compares in constant time. Takes long.
    pub(crate) fn verify(&self, password: &[u8]) -> bool {
        phc::PasswordHash::new(&self.text)
            .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}
