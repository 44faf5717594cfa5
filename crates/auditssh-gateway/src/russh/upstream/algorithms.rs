//! Which algorithms are agreed on with a server behind the gateway.

use crate::russh::{Algorithm, CIPHERS, HOST_KEYS, HashAlg};
use ::russh::{Preferred, cipher, compression, kex, mac};
use std::borrow::Cow;
use std::fmt;

/// Key exchanges that are proposed unless others are named, the best first.
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::DH_G16_SHA512,
];
/// Those that may be named besides.
const MORE_KEX: &[kex::Name] = &[
    kex::ECDH_SHA2_NISTP521,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP256,
    kex::DH_G18_SHA512,
    kex::DH_GEX_SHA256,
    kex::DH_G14_SHA256,
];
/// Goes with every proposal: what makes it safe against who sits in between.
const KEX_MARKS: &[kex::Name] = &[
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

/// MACs that are proposed unless others are named; the last two for servers that know no better.
const MACS: &[mac::Name] = &[
    mac::HMAC_SHA512_ETM,
    mac::HMAC_SHA256_ETM,
    mac::HMAC_SHA512,
    mac::HMAC_SHA256,
];

/// Lists of algorithms, each in the order in which it is proposed.
#[derive(Clone)]
pub struct Algorithms {
    kex: Vec<kex::Name>,
    ciphers: Vec<cipher::Name>,
    macs: Vec<mac::Name>,
    host_keys: Vec<Algorithm>,
    /// Whether host certificates are proposed, too.
    certificates: bool,
}

/// A name that is not supported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not supported; these are: {supported}")]
pub struct Unsupported {
    name: String,
    supported: String,
}

impl Default for Algorithms {
    fn default() -> Self {
        Self {
            kex: KEX.to_vec(),
            ciphers: CIPHERS.to_vec(),
            macs: MACS.to_vec(),
            host_keys: HOST_KEYS.to_vec(),
            certificates: false,
        }
    }
}

impl fmt::Debug for Algorithms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Algorithms").finish_non_exhaustive()
    }
}

impl Algorithms {
    /// Proposes these key exchanges, by their names.
    pub fn set_kex(&mut self, names: &[String]) -> Result<(), Unsupported> {
        let all: Vec<_> = KEX.iter().chain(MORE_KEX).copied().collect();
        self.kex = chosen(names, &all, |one| one.as_ref().to_owned())?;
        Ok(())
    }

    /// Proposes these ciphers.
    pub fn set_ciphers(&mut self, names: &[String]) -> Result<(), Unsupported> {
        self.ciphers = chosen(names, CIPHERS, |one| one.as_ref().to_owned())?;
        Ok(())
    }

    /// Proposes these MACs.
    pub fn set_macs(&mut self, names: &[String]) -> Result<(), Unsupported> {
        self.macs = chosen(names, MACS, |one| one.as_ref().to_owned())?;
        Ok(())
    }

    /// Takes host keys of these algorithms. `ssh-rsa` stands for RSA keys, of which signatures
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

    /// The same with host keys of some kinds first, and with certificates of hosts or without.
    pub(crate) fn preferring(&self, kinds: &[Algorithm], certificates: bool) -> Self {
        let is_rsa = |one: &Algorithm| matches!(one, Algorithm::Rsa { .. });
        let same = |one: &Algorithm, kind: &Algorithm| one == kind || is_rsa(one) && is_rsa(kind);
        let mut own = self.clone();
        own.host_keys
            .sort_by_key(|one| !kinds.iter().any(|kind| same(one, kind)));
        own.certificates = certificates;
        own
    }

    pub(super) fn preferred(&self) -> Preferred {
        let kex = self.kex.iter().chain(KEX_MARKS).copied().collect();
        let certified = if self.certificates {
            self.host_keys.clone()
        } else {
            Vec::new()
        };
        Preferred {
            kex: Cow::Owned(kex),
            host_key_certificates: Cow::Owned(certified),
            key: Cow::Owned(self.host_keys.clone()),
            cipher: Cow::Owned(self.ciphers.clone()),
            mac: Cow::Owned(self.macs.clone()),
            compression: Cow::Borrowed(&[compression::NONE]),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::russh::EcdsaCurve;

    const NISTP256: Algorithm = Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    };

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_are_taken_in_their_order_and_unknown_ones_refused() {
        let mut algorithms = Algorithms::default();
        algorithms
            .set_ciphers(&names(&["aes128-ctr", "aes256-gcm@openssh.com"]))
            .unwrap();
        let chosen: Vec<_> = algorithms.preferred().cipher.iter().copied().collect();
        assert_eq!(chosen, [cipher::AES_128_CTR, cipher::AES_256_GCM]);
        for old in ["aes128-cbc", "arcfour", "none", ""] {
            let error = algorithms.set_ciphers(&names(&[old])).unwrap_err();
            assert!(
                error.to_string().contains("aes256-gcm@openssh.com"),
                "{error}"
            );
        }
        assert!(
            algorithms
                .set_kex(&names(&["diffie-hellman-group1-sha1"]))
                .is_err()
        );
        assert!(algorithms.set_kex(&names(&["none"])).is_err());
        assert!(algorithms.set_macs(&names(&["hmac-sha1"])).is_err());
    }

    #[test]
    fn no_host_key_is_proven_with_sha_1() {
        let mut algorithms = Algorithms::default();
        algorithms
            .set_host_keys(&names(&[
                "ssh-rsa",
                "ecdsa-sha2-nistp256-cert-v01@openssh.com",
            ]))
            .unwrap();
        let key = algorithms.preferred().key.to_vec();
        assert!(key.contains(&NISTP256));
        assert!(!key.contains(&Algorithm::Rsa { hash: None }));
        assert!(!key.contains(&Algorithm::Ed25519));
        assert!(algorithms.set_host_keys(&names(&["ssh-dss"])).is_err());
    }

    #[test]
    fn kinds_that_are_known_come_first() {
        let rsa = Algorithm::Rsa { hash: None };
        let algorithms = Algorithms::default().preferring(&[rsa], true);
        let preferred = algorithms.preferred();
        let first: Vec<_> = preferred.key.iter().map(ToString::to_string).collect();
        assert_eq!(first[..3], ["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"]);
        assert_eq!(preferred.host_key_certificates.len(), first.len());
        let plain = Algorithms::default().preferred();
        assert!(plain.host_key_certificates.is_empty());
        assert_eq!(plain.key.as_ref(), HOST_KEYS);
    }

    #[test]
    fn a_proposal_is_always_strict() {
        let mut algorithms = Algorithms::default();
        algorithms.set_kex(&names(&["curve25519-sha256"])).unwrap();
        let kex = algorithms.preferred().kex.to_vec();
        assert!(kex.contains(&kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT));
    }
}
