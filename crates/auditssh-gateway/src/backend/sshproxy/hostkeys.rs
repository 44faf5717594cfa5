//! Which host keys of servers are right.

use super::known_hosts::{Known, KnownHostsError};
use super::settings::Target;
use crate::auth;
use crate::auth::source::glob;
use crate::russh::{Algorithms, CertType, Certificate, HashAlg, PublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::borrow::Cow;
use std::path::PathBuf;
use std::time::SystemTime;

/// What a server has proven to possess.
pub(crate) enum Presented<'a> {
    Key(Cow<'a, PublicKey>),
    Certificate(&'a Certificate),
}

/// Bytes of a SHA-256 hash.
const SHA256: usize = 32;

/// The fingerprint of a host key, as `ssh-keygen -l` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(String);

/// A text that is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a fingerprint: `SHA256:` and 43 letters are wanted, as `ssh-keyscan HOST | ssh-keygen -lf -` \
     prints them on the host itself"
)]
pub struct NoFingerprint;

impl std::str::FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let hash = text.trim().trim_end_matches('=');
        let bytes = hash.strip_prefix("SHA256:").ok_or(NoFingerprint)?;
        let bytes = STANDARD_NO_PAD.decode(bytes).map_err(|_| NoFingerprint)?;
        if bytes.len() != SHA256 {
            return Err(NoFingerprint);
        }
        Ok(Self(hash.to_owned()))
    }
}

/// The host keys that are trusted; none by default, so that every server is refused.
#[derive(Clone, Debug, Default)]
pub struct HostKeys {
    /// `allowedHostKeyFingerprints`.
    pub fingerprints: Vec<Fingerprint>,
    /// `knownHosts`.
    pub known_hosts: Option<PathBuf>,
}

impl HostKeys {
    /// Reads what is known of a host; blocks.
    pub(super) fn load(&self, target: &Target) -> Result<Trusted, KnownHostsError> {
        let file = self.known_hosts.as_deref();
        let known = file.map(|path| Known::read(path, target)).transpose()?;
        Ok(Trusted {
            target: target.clone(),
            fingerprints: self.fingerprints.clone(),
            known: known.unwrap_or_default(),
            file: self.known_hosts.clone(),
        })
    }
}

/// What is trusted of one host.
pub(super) struct Trusted {
    target: Target,
    fingerprints: Vec<Fingerprint>,
    known: Known,
    file: Option<PathBuf>,
}

impl Trusted {
    /// What is proposed to the host, so that it shows a key that is known.
    pub(super) fn proposal(&self, algorithms: &Algorithms) -> Algorithms {
        let kinds: Vec<_> = self.known.keys.iter().map(PublicKey::algorithm).collect();
        algorithms.preferring(&kinds, !self.known.authorities.is_empty())
    }

    /// Whether the server is the right one; the error says what it showed, and what to do.
    pub(super) fn check(&self, presented: &Presented<'_>) -> Result<(), String> {
        let key = presented.key();
        let authority = presented.authority();
        let has = |list: &[PublicKey], key: &PublicKey| {
            let mut list = list.iter();
            list.any(|one| one.key_data() == key.key_data())
        };
        let shown = [Some(&*key), authority.as_ref()];
        let revoked = |key: &PublicKey| has(&self.known.revoked, key);
        if shown.into_iter().flatten().any(revoked) {
            return Err(format!(
                "the host key or its authority is revoked (@revoked in {}), so nothing was sent",
                self.file()
            ));
        }
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let listed = self.fingerprints.iter().any(|one| one.0 == fingerprint);
        if listed || has(&self.known.keys, &key) {
            return Ok(());
        }
        if let (Presented::Certificate(certificate), Some(authority)) = (presented, &authority)
            && has(&self.known.authorities, authority)
        {
            return certified(certificate, &self.target.host, SystemTime::now()).map_err(
                |reason| {
                    format!(
                        "the host certificate `{}` is not trusted, so nothing was sent: {reason}",
                        certificate.key_id().escape_debug()
                    )
                },
            );
        }
        Err(self.unknown(&key, &fingerprint))
    }

    fn unknown(&self, key: &PublicKey, fingerprint: &str) -> String {
        let where_to = match &self.file {
            Some(file) => format!("{} (`sshproxy.knownHosts`)", file.display()),
            None => "`sshproxy.allowedHostKeyFingerprints`".to_owned(),
        };
        format!(
            "the host key is not one that is trusted, so nothing was sent: it is {} {fingerprint}. \
             Someone may be in between. If it is the right one (compare it on {} itself: \
             `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` and the like), add it to {where_to}",
            key.algorithm(),
            self.target
        )
    }

    fn file(&self) -> String {
        let file = self.file.as_ref();
        file.map_or_else(String::new, |file| file.display().to_string())
    }
}

impl Presented<'_> {
    fn key(&self) -> Cow<'_, PublicKey> {
        match self {
            Self::Key(key) => Cow::Borrowed(key),
            Self::Certificate(certificate) => {
                Cow::Owned(PublicKey::from(certificate.public_key().clone()))
            }
        }
    }

    fn authority(&self) -> Option<PublicKey> {
        match self {
            Self::Key(_) => None,
            Self::Certificate(certificate) => {
                Some(PublicKey::from(certificate.signature_key().clone()))
            }
        }
    }
}

/// Whether a certificate of a trusted authority is good for a host (PROTOCOL.certkeys of
/// OpenSSH); the SSH library has checked that the server has its key.
fn certified(certificate: &Certificate, host: &str, now: SystemTime) -> Result<(), String> {
    if certificate.cert_type() != CertType::Host {
        return Err("it is not a host certificate".to_owned());
    }
    auth::key_allowed(&PublicKey::from(certificate.public_key().clone()))?;
    auth::key_allowed(&PublicKey::from(certificate.signature_key().clone()))?;
    if !auth::signature_allowed(&certificate.signature().algorithm()) {
        return Err("its authority signed it with SHA-1".to_owned());
    }
    certificate
        .verify_signature()
        .map_err(|_| "the signature of its authority is wrong".to_owned())?;
    let host = host.to_ascii_lowercase();
    let mut names = certificate.valid_principals().iter();
    if !names.any(|name| glob(name.to_ascii_lowercase().as_bytes(), host.as_bytes())) {
        return Err("it is good for other hosts".to_owned());
    }
    if certificate.critical_options().iter().next().is_some() {
        return Err("it has critical options, which can't be honoured".to_owned());
    }
    auth::validity(certificate, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::russh::generate_ed25519;

    fn target() -> Target {
        Target {
            host: "db.example.com".to_owned(),
            port: 22,
        }
    }

    #[test]
    fn a_key_is_trusted_by_its_fingerprint_alone() {
        let key = generate_ed25519().unwrap().public_key().clone();
        let presented = Presented::Key(Cow::Borrowed(&key));
        let text = key.fingerprint(HashAlg::Sha256).to_string();
        let other = generate_ed25519().unwrap();
        let other = other.fingerprint(HashAlg::Sha256).to_string();
        let trusting = |texts: &[&str]| {
            let keys = HostKeys {
                fingerprints: texts.iter().map(|text| text.parse().unwrap()).collect(),
                known_hosts: None,
            };
            keys.load(&target()).unwrap()
        };
        assert!(trusting(&[&other, &text]).check(&presented).is_ok());
        let padded = format!("{text}=");
        assert!(trusting(&[&padded]).check(&presented).is_ok());
        for none in [trusting(&[]), trusting(&[&other])] {
            let error = none.check(&presented).unwrap_err();
            assert!(error.contains(&text), "{error}");
        }
    }

    #[test]
    fn what_is_no_fingerprint_is_refused() {
        for bad in [
            "",
            "SHA256:",
            "SHA256:abc",
            "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
            "16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
            "SHA256:!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!",
        ] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(NoFingerprint), "{bad}");
        }
    }
}
