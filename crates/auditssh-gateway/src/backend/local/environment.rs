//! The environment of a program: what the client asked for and may set, what sshd sets, what the
//! key sets, and what services set, each later one in place of an earlier.

use super::account::Account;
use crate::auth::source::glob;
use crate::backend::{Identity, Refused};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

/// `PATH` of accounts, and of root.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/games";
const ROOT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables of one session, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Environment(BTreeMap<OsString, OsString>);

/// What a program is told beyond its account.
pub(super) struct Circumstances<'a> {
    /// `TERM` and the device, where there is a terminal.
    pub(super) terminal: Option<(&'a [u8], &'a Path)>,
    /// What the client asked for when another command was forced.
    pub(super) original_command: Option<&'a [u8]>,
    /// The socket of the client's agent.
    pub(super) agent: Option<&'a Path>,
    /// The client's display.
    pub(super) display: Option<&'a str>,
}

impl Environment {
    /// A variable from the client, if the patterns have its name.
    pub(super) fn accept(
        &mut self,
        patterns: &[String],
        name: &[u8],
        value: &[u8],
    ) -> Result<(), Refused> {
        let allowed = patterns
            .iter()
            .any(|pattern| glob(pattern.as_bytes(), name));
        if !allowed {
            return Err(Refused::new(format!(
                "variable `{}` is not in acceptEnv",
                name.escape_ascii()
            )));
        }
        if name.is_empty() || name.contains(&b'=') || name.contains(&0) || value.contains(&0) {
            return Err(Refused::new(format!(
                "variable `{}` can't be put into an environment",
                name.escape_ascii()
            )));
        }
        self.0.insert(
            OsStr::from_bytes(name).to_owned(),
            OsStr::from_bytes(value).to_owned(),
        );
        Ok(())
    }

    /// Everything that a program gets.
    pub(super) fn complete(
        mut self,
        identity: &Identity,
        account: &Account,
        circumstances: &Circumstances,
    ) -> BTreeMap<OsString, OsString> {
        let mut set = |name: &str, value: OsString| {
            self.0.insert(name.into(), value);
        };
        set("USER", account.name.clone().into());
        set("LOGNAME", account.name.clone().into());
        set("HOME", account.home.clone().into());
        set("SHELL", account.shell.clone().into());
        set("MAIL", format!("/var/mail/{}", account.name).into());
        let path = if account.uid.is_root() {
            ROOT_PATH
        } else {
            PATH
        };
        set("PATH", path.into());
        if let Some(zone) = std::env::var_os("TZ") {
            set("TZ", zone);
        }
        let (remote, local) = (identity.remote_address, identity.local_address);
        let (from, to) = (remote.ip().to_canonical(), local.ip().to_canonical());
        let (from_port, to_port) = (remote.port(), local.port());
        set("SSH_CLIENT", format!("{from} {from_port} {to_port}").into());
        let connection = format!("{from} {from_port} {to} {to_port}");
        set("SSH_CONNECTION", connection.into());
        if let Some((term, device)) = circumstances.terminal {
            set("SSH_TTY", device.into());
            if !term.is_empty() && !term.contains(&0) {
                set("TERM", OsString::from_vec(term.to_vec()));
            }
        }
        for (name, value) in &identity.restrictions.environment {
            set(name, value.into());
        }
        for (name, fact) in &identity.facts.environment {
            set(name, fact.value.as_str().into());
        }
        if let Some(socket) = circumstances.agent {
            set("SSH_AUTH_SOCK", socket.into());
        }
        if let Some(display) = circumstances.display {
            set("DISPLAY", display.into());
        }
        if let Some(command) = circumstances.original_command {
            set("SSH_ORIGINAL_COMMAND", OsString::from_vec(command.to_vec()));
        }
        self.0
    }
}
