mod certificates;
mod keys;
mod passwords;

use super::{AuthError, Grant, Refusal, User, Users, Verdict};
use crate::russh::{Certificate, PublicKey};
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// 2026-01-01, 00:00 UTC.
const NOW: Duration = Duration::from_hours(490_896);

fn now() -> SystemTime {
    UNIX_EPOCH + NOW
}

fn address() -> IpAddr {
    "192.0.2.7".parse().unwrap()
}

/// Keys and certificates as ssh-keygen makes them.
struct Keygen(TempDir);

impl Keygen {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) {
        let output = Command::new("ssh-keygen")
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .expect("ssh-keygen of the package openssh-client");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "ssh-keygen {arguments:?}: {errors}"
        );
    }

    /// A new key; its public line.
    fn key(&self, name: &str, kind: &[&str]) -> String {
        self.run(&[&["-q", "-N", "", "-f", name, "-t"], kind].concat());
        self.line(name)
    }

    fn ed25519(&self, name: &str) -> String {
        self.key(name, &["ed25519"])
    }

    fn line(&self, name: &str) -> String {
        let line = fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        line.trim().to_owned()
    }

    fn public(&self, name: &str) -> PublicKey {
        PublicKey::from_openssh(&self.line(name)).unwrap()
    }

    /// A certificate for the key, which must be there, by the authority.
    fn certificate(&self, authority: &str, name: &str, options: &[&str]) -> Certificate {
        let file = format!("{name}.pub");
        self.run(&[&["-q", "-s", authority, "-I", "an id"], options, &[&file]].concat());
        let text = fs::read_to_string(self.path(&format!("{name}-cert.pub"))).unwrap();
        Certificate::from_openssh(&text).unwrap()
    }
}

fn one(user: User) -> Users {
    Users::new([("alice".to_owned(), user)], Vec::new()).unwrap()
}

fn with_lines(lines: &[String]) -> Users {
    one(User {
        authorized_keys: lines.iter().map(|line| line.parse().unwrap()).collect(),
        ..User::default()
    })
}

#[track_caller]
fn granted(verdict: Result<Verdict, AuthError>) -> Grant {
    match verdict {
        Ok(Verdict::Granted(grant)) => grant,
        other => panic!("not granted: {other:?}"),
    }
}

#[track_caller]
fn refused(verdict: Result<Verdict, AuthError>) -> Refusal {
    match verdict {
        Ok(Verdict::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}
