//! Which algorithms are agreed on: with a client, and with a server behind the gateway.

#[cfg(test)]
mod tests;

use super::{Algorithm, EcdsaCurve, HashAlg};
use crate::HostKey;
use ::russh::{Preferred, cipher, compression, kex, mac};
use std::borrow::Cow;
use std::fmt;

/// Key exchanges that are offered unless others are named, the best first: with a post-quantum
/// part, then elliptic, then classic. None with SHA-1 or a curve of NIST.
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::DH_G16_SHA512,
];
/// Further ones for clients.
const KEX_AS_SERVER: &[kex::Name] = &[kex::DH_G18_SHA512, kex::DH_G14_SHA256];
/// Those that may be named besides. No exchange of groups as a server: the library has no list of
/// primes for it.
const MORE_AS_SERVER: &[kex::Name] = &[
    kex::ECDH_SHA2_NISTP521,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP256,
];
const MORE_AS_CLIENT: &[kex::Name] = &[
    kex::ECDH_SHA2_NISTP521,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP256,
    kex::DH_G18_SHA512,
    kex::DH_GEX_SHA256,
    kex::DH_G14_SHA256,
];
/// Goes with every offer: what makes it safe against who sits in between.
const MARKS_AS_SERVER: &[kex::Name] = &[
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];
const MARKS_AS_CLIENT: &[kex::Name] = &[
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

/// Host key algorithms; never SHA-1.
const HOST_KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP384,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP521,
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha512),
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha256),
    },
];

/// Ciphers; GCM costs the least with the instructions that processors have for it.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// MACs: over the ciphertext, and over the clear text for who knows nothing better (libssh2
/// before 1.11, as in Debian 12's curl). None with SHA-1.
const MACS: &[mac::Name] = &[
    mac::HMAC_SHA512_ETM,
    mac::HMAC_SHA256_ETM,
    mac::HMAC_SHA512,
    mac::HMAC_SHA256,
];

/// Lists of algorithms, each in the order in which it is offered.
#[derive(Clone)]
pub struct Algorithms {
    side: Side,
    kex: Vec<kex::Name>,
    ciphers: Vec<cipher::Name>,
    macs: Vec<mac::Name>,
    host_keys: Vec<Algorithm>,
    /// Whether host certificates are proposed, too.
    certificates: bool,
}

/// Which end of a connection is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Server,
    Client,
}

/// A name that is not supported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not supported; these are: {supported}")]
pub struct Unsupported {
    name: String,
    supported: String,
}

/// None of the host keys would be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no key of `ssh.hostkeys` is of an algorithm that stands in `ssh.hostKeyAlgorithms`; name that of a \
     key there, or add a key of that kind"
)]
pub struct NoHostKey;

impl fmt::Debug for Algorithms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Algorithms").finish_non_exhaustive()
    }
}

impl Algorithms {
    /// What clients are offered unless told otherwise.
    pub fn for_clients() -> Self {
        Self::new(Side::Server)
    }

    /// What a server behind the gateway is offered unless told otherwise.
    pub fn for_servers() -> Self {
        Self::new(Side::Client)
    }

    fn new(side: Side) -> Self {
        Self {
            side,
            kex: side.kex(),
            ciphers: CIPHERS.to_vec(),
            macs: MACS.to_vec(),
            host_keys: HOST_KEYS.to_vec(),
            certificates: false,
        }
    }

    /// Offers these key exchanges, by their names.
    pub fn set_kex(&mut self, names: &[String]) -> Result<(), Unsupported> {
        let mut all = self.side.kex();
        all.extend(self.side.more_kex());
        self.kex = chosen(names, &all, |one| one.as_ref().to_owned())?;
        Ok(())
    }

    /// Offers these ciphers.
    pub fn set_ciphers(&mut self, names: &[String]) -> Result<(), Unsupported> {
        self.ciphers = chosen(names, CIPHERS, |one| one.as_ref().to_owned())?;
        Ok(())
    }

    /// Offers these MACs.
    pub fn set_macs(&mut self, names: &[String]) -> Result<(), Unsupported> {
        self.macs = chosen(names, MACS, |one| one.as_ref().to_owned())?;
        Ok(())
    }

    /// Shows, or takes, host keys of these algorithms. `ssh-rsa` stands for RSA keys, of which signatures
    /// with SHA-2 are taken; names of certificates stand for their keys.
    pub fn set_host_keys(&mut self, names: &[String]) -> Result<(), Unsupported> {
        let mut all = Vec::new();
        for name in names {
            let plain = name.strip_suffix("-cert-v01@openssh.com").unwrap_or(name);
            let found: Vec<_> = if plain == "ssh-rsa" {
                let rsa = [HashAlg::Sha512, HashAlg::Sha256];
                rsa.map(|hash| Algorithm::Rsa { hash: Some(hash) }).into()
            } else {
                chosen(&[plain.to_owned()], HOST_KEYS, ToString::to_string)?
            };
            all.extend(
                found
                    .into_iter()
                    .filter(|one| !all.contains(one))
                    .collect::<Vec<_>>(),
            );
        }
        self.host_keys = all;
        Ok(())
    }

    /// Whether at least one of the keys is shown: else nobody could log in.
    pub fn show_one_of(&self, keys: &[HostKey]) -> Result<(), NoHostKey> {
        let any = keys.iter().any(|key| self.show(key));
        any.then_some(()).ok_or(NoHostKey)
    }

    /// Whether the key is of an algorithm that is offered.
    pub(crate) fn show(&self, key: &HostKey) -> bool {
        self.has(&key.private().algorithm())
    }

    fn has(&self, kind: &Algorithm) -> bool {
        self.host_keys.iter().any(|one| same_kind(one, kind))
    }

    /// The same with host keys of some kinds first, and with certificates of hosts or without.
    pub(crate) fn preferring(&self, kinds: &[Algorithm], certificates: bool) -> Self {
        let mut own = self.clone();
        own.host_keys
            .sort_by_key(|one| !kinds.iter().any(|kind| same_kind(one, kind)));
        own.certificates = certificates;
        own
    }

    /// In the library's form. As a server, the list of host keys tells clients by what they may
    /// sign, too (RFC 8308, 3.1): kinds of which no key is shown stay in it.
    pub(super) fn preferred(&self) -> Preferred {
        let kex = self.kex.iter().chain(self.side.marks()).copied().collect();
        let mut keys = self.host_keys.clone();
        if self.side == Side::Server {
            keys.extend(HOST_KEYS.iter().filter(|one| !self.has(one)).cloned());
        }
        let certified = if self.certificates {
            self.host_keys.clone()
        } else {
            Vec::new()
        };
        Preferred {
            kex: Cow::Owned(kex),
            host_key_certificates: Cow::Owned(certified),
            key: Cow::Owned(keys),
            cipher: Cow::Owned(self.ciphers.clone()),
            mac: Cow::Owned(self.macs.clone()),
            compression: Cow::Borrowed(&[compression::NONE]),
        }
    }
}

impl Side {
    fn kex(self) -> Vec<kex::Name> {
        let further = match self {
            Self::Server => KEX_AS_SERVER,
            Self::Client => &[],
        };
        KEX.iter().chain(further).copied().collect()
    }

    const fn more_kex(self) -> &'static [kex::Name] {
        match self {
            Self::Server => MORE_AS_SERVER,
            Self::Client => MORE_AS_CLIENT,
        }
    }

    const fn marks(self) -> &'static [kex::Name] {
        match self {
            Self::Server => MARKS_AS_SERVER,
            Self::Client => MARKS_AS_CLIENT,
        }
    }
}

/// Whether they are of keys of one kind: RSA keys are the same for every hash.
fn same_kind(one: &Algorithm, other: &Algorithm) -> bool {
    let is_rsa = |it: &Algorithm| matches!(it, Algorithm::Rsa { .. });
    one == other || is_rsa(one) && is_rsa(other)
}

fn chosen<T: Clone>(
    names: &[String],
    known: &[T],
    name_of: impl Fn(&T) -> String,
) -> Result<Vec<T>, Unsupported> {
    let find = |name: &String| {
        let found = known.iter().find(|one| name_of(one) == *name);
        found.cloned().ok_or_else(|| Unsupported {
            name: name.escape_debug().to_string(),
            supported: known.iter().map(&name_of).collect::<Vec<_>>().join(", "),
        })
    };
    names.iter().map(find).collect()
}
