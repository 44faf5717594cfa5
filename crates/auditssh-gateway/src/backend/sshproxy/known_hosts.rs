//! `known_hosts` files, as sshd(8) describes them.

use super::settings::Target;
use crate::auth::source::glob;
use crate::russh::PublicKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bytes of the largest file that is read.
const FILE_BYTES: u64 = 16 * 1024 * 1024;
/// The port that a file does not name.
const SSH: u16 = 22;
/// Begins a host name that only its hash stands for.
const HASHED: &str = "|1|";

/// Why a file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KnownHostsError {
    /// It can't be read.
    #[error("`sshproxy.knownHosts`: {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not one of such a file. It is not passed over: it may revoke a key.
    #[error("`sshproxy.knownHosts`: {path}:{line}: {reason}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// What a file says of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The host's keys.
    pub(super) keys: Vec<PublicKey>,
    /// The authorities whose certificates for the host are good.
    pub(super) authorities: Vec<PublicKey>,
    /// Keys, also of authorities, that are not to be trusted whatever else is said.
    pub(super) revoked: Vec<PublicKey>,
}

impl Known {
    /// Reads what a file says of a host; blocks.
    pub(super) fn read(path: &Path, target: &Target) -> Result<Self, KnownHostsError> {
        let text = text(path).map_err(|source| KnownHostsError::File {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, target).map_err(|(line, reason)| KnownHostsError::Line {
            path: path.to_owned(),
            line,
            reason,
        })
    }

    fn parse(text: &str, target: &Target) -> Result<Self, (usize, &'static str)> {
        let name = name(target);
        let mut known = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                known
                    .add(line, &name)
                    .map_err(|reason| (number + 1, reason))?;
            }
        }
        Ok(known)
    }

    fn add(&mut self, line: &str, name: &str) -> Result<(), &'static str> {
        let revoked = line.starts_with("@revoked");
        let mut words = line.split_ascii_whitespace();
        let mut hosts = words.next().unwrap_or_default();
        let list = if let Some(marker) = hosts.strip_prefix('@') {
            hosts = words.next().unwrap_or_default();
            match marker {
                "cert-authority" => &mut self.authorities,
                "revoked" => &mut self.revoked,
                _ => return Err("an unknown marker; @cert-authority and @revoked are known"),
            }
        } else {
            &mut self.keys
        };
        let (Some(kind), Some(key)) = (words.next(), words.next()) else {
            return Err("not a line of hosts, type and key");
        };
        if STANDARD.decode(key).is_err() {
            return Err("the key is not base64");
        }
        if !matches(hosts, name)? {
            return Ok(());
        }
        match PublicKey::from_openssh(&format!("{kind} {key}")) {
            Ok(key) => list.push(key),
            // One of a kind that is not supported can't be shown to us either.
            Err(_) if !revoked && is_unsupported(kind) => {}
            Err(_) => return Err("the key can't be read, or is of an unknown type"),
        }
        Ok(())
    }
}

/// Types of keys that OpenSSH has or had, and that are not used here.
fn is_unsupported(kind: &str) -> bool {
    kind == "ssh-dss" || kind.starts_with("sk-")
}

/// The host as such files name it.
fn name(target: &Target) -> String {
    let host = target.host.to_ascii_lowercase();
    match target.port {
        SSH => host,
        port => format!("[{host}]:{port}"),
    }
}

/// Whether a list of patterns has a name; a negated one that has it decides.
fn matches(hosts: &str, name: &str) -> Result<bool, &'static str> {
    if let Some(hash) = hosts.strip_prefix(HASHED) {
        return hashed(hash, name);
    }
    let mut found = false;
    for pattern in hosts.split(',') {
        let (negated, pattern) = match pattern.strip_prefix('!') {
            Some(pattern) => (true, pattern),
            None => (false, pattern),
        };
        if glob(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes()) {
            if negated {
                return Ok(false);
            }
            found = true;
        }
    }
    Ok(found)
}

/// Salt and HMAC-SHA1 of the name, both in base64.
fn hashed(hash: &str, name: &str) -> Result<bool, &'static str> {
    let wrong = "the hashed name is damaged";
    let (salt, hash) = hash.split_once('|').ok_or(wrong)?;
    let salt = STANDARD.decode(salt).map_err(|_| wrong)?;
    let hash = STANDARD.decode(hash).map_err(|_| wrong)?;
    let mut mac = Hmac::<Sha1>::new_from_slice(&salt).map_err(|_| wrong)?;
    mac.update(name.as_bytes());
    Ok(mac.verify_slice(&hash).is_ok())
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    let mode = file.metadata()?.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(io::Error::other(format!(
            "may be changed by others (mode {mode:04o}), who could have any host trusted; `chmod go-w` it"
        )));
    }
    let mut file = file.take(FILE_BYTES + 1);
    file.read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES {
        return Err(io::Error::other(
            "larger than 16 MiB: not a known_hosts file",
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::russh::generate_ed25519;
    use proptest::prelude::*;

    #[test]
    fn a_file_that_others_may_change_is_not_believed() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, good) in [(0o644, true), (0o600, true), (0o664, false), (0o606, false)] {
            let permissions = std::fs::Permissions::from_mode(mode);
            file.as_file().set_permissions(permissions).unwrap();
            assert_eq!(text(file.path()).is_ok(), good, "{mode:o}");
        }
    }

    fn key() -> PublicKey {
        let mut key = generate_ed25519().unwrap().public_key().clone();
        key.set_comment("");
        key
    }

    fn of(text: &str, host: &str, port: u16) -> Known {
        let target = Target {
            host: host.to_owned(),
            port,
        };
        Known::parse(text, &target).unwrap()
    }

    #[test]
    fn names_patterns_and_ports() {
        let key = key();
        let line = key.to_openssh().unwrap();
        for (hosts, host, port, expected) in [
            ("db", "db", 22, true),
            ("db", "DB", 22, true),
            ("db", "db", 2222, false),
            ("[db]:2222", "db", 2222, true),
            ("[db]:2222", "db", 22, false),
            ("a,db,c", "db", 22, true),
            ("*.example.com", "db.example.com", 22, true),
            ("*.example.com", "db.example.org", 22, false),
            ("*,!db", "db", 22, false),
            ("*,!db", "other", 22, true),
            ("d?", "db", 22, true),
            ("192.0.2.1", "192.0.2.1", 22, true),
            ("::1", "::1", 22, true),
        ] {
            let known = of(&format!("{hosts} {line} comment\n"), host, port);
            assert_eq!(known.keys.len(), usize::from(expected), "{hosts} {host}");
        }
    }

    #[test]
    fn a_hashed_name() {
        // Made by `ssh-keygen -H` of `db.example.com`.
        let salt = "uNiVztksCsDhcc0u9e8BgrJXVGg=";
        let mut mac = Hmac::<Sha1>::new_from_slice(&STANDARD.decode(salt).unwrap()).unwrap();
        mac.update(b"[db]:2222");
        let hash = STANDARD.encode(mac.finalize().into_bytes());
        let line = format!("|1|{salt}|{hash} {}\n", key().to_openssh().unwrap());
        assert_eq!(of(&line, "db", 2222).keys.len(), 1);
        assert_eq!(of(&line, "db", 22), Known::default());
    }

    #[test]
    fn markers_stand_for_authorities_and_what_is_revoked() {
        let (one, two, three) = (key(), key(), key());
        let text = format!(
            "# comment\n\n@cert-authority *.example.com {}\n@revoked * {}\ndb.example.com {}\n",
            one.to_openssh().unwrap(),
            two.to_openssh().unwrap(),
            three.to_openssh().unwrap(),
        );
        let known = of(&text, "db.example.com", 22);
        assert_eq!(known.authorities, [one]);
        assert_eq!(known.revoked, [two]);
        assert_eq!(known.keys, [three]);
    }

    #[test]
    fn a_line_that_can_not_be_read_is_not_passed_over() {
        let target = Target {
            host: "db".to_owned(),
            port: 22,
        };
        for bad in [
            "db",
            "db ssh-ed25519",
            "@revoke db ssh-ed25519 AAAA",
            "@revoked db ssh-ed25519",
            "db ssh-ed25519 !!!!",
            "|1|x|y ssh-ed25519 AAAA",
            "|1|AAAA ssh-ed25519 AAAA",
            "db ssh-ed25519 AAAA",
            "db ssh-new AAAA",
            "@revoked db ssh-ed25519 AAAA",
            "@revoked * ssh-new AAAA",
            "@revoked * ssh-dss AAAAB3NzaC1kc3M=",
        ] {
            let text = format!("# first\n{bad}\n");
            assert_eq!(Known::parse(&text, &target).unwrap_err().0, 2, "{bad}");
        }
        // What is said of other hosts only does not count.
        assert_eq!(of("other ssh-ed25519 AAAA", "db", 22), Known::default());
        // A kind that nobody supports any more.
        assert_eq!(
            of("db ssh-dss AAAAB3NzaC1kc3M=", "db", 22),
            Known::default()
        );
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_read_or_refused(text in "[@|!*, a-z0-9=\n-]{0,200}") {
            let target = Target { host: "a".to_owned(), port: 1 };
            let _ = Known::parse(&text, &target);
        }
    }
}
