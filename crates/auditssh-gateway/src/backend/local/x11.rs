//! A display for programs whose windows are the client's, as sshd has it: a port from 6010 on, and
//! the client's cookie in the account's file of them.

use super::account::Account;
use super::forward::Forwarder;
use super::spawn;
use crate::backend::{Listener, Refused};
use crate::security::Interface;
use auditssh_log::message::X11;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Puts cookies into the account's file.
const XAUTH: &str = "/usr/bin/xauth";
/// Displays that are tried: 0 to 9 may be real ones.
const DISPLAYS: Range<u16> = 10..1000;
/// The port of display 0.
const PORTS: u16 = 6000;
/// The greatest number of a screen.
const SCREENS: u64 = 400;

/// A display that nobody has: its number and what listens for it.
pub(super) fn display(room: &Arc<Semaphore>) -> Result<(u16, Box<dyn Listener>), Refused> {
    let forwarder = Forwarder::new(room);
    for number in DISPLAYS {
        if let Ok(listener) = forwarder.listen(&Interface::Loopback, PORTS + number, true) {
            return Ok((number, listener));
        }
    }
    Err(Refused::new("no display is free"))
}

/// What is put into the account's file.
pub(super) struct Cookie(Zeroizing<String>);

impl Cookie {
    /// Checks what the client sent: `xauth` reads it as commands.
    pub(super) fn new(x11: &X11) -> Result<Self, Refused> {
        let (protocol, cookie) = (x11.auth_protocol.as_bytes(), x11.cookie.as_bytes());
        let plain = |text: &[u8]| {
            let fits = (1..=1024).contains(&text.len());
            fits && text
                .iter()
                .all(|&byte| byte.is_ascii_alphanumeric() || b".:/-_".contains(&byte))
        };
        if !plain(protocol) || !plain(cookie) || x11.screen > SCREENS {
            return Err(Refused::new("the cookie or the screen is malformed"));
        }
        if !Path::new(XAUTH).exists() {
            return Err(Refused::new(format!(
                "{XAUTH} is missing; install it (Debian: `xauth`)"
            )));
        }
        let text = |bytes| String::from_utf8_lossy(bytes);
        let line = format!("{} {}", text(protocol), text(cookie));
        Ok(Self(Zeroizing::new(line)))
    }

    /// Puts it there; blocks until that is done.
    pub(super) fn put(
        &self,
        display: &str,
        account: &Account,
        environment: BTreeMap<OsString, OsString>,
    ) -> io::Result<()> {
        let mut command = Command::new(XAUTH);
        command
            .args(["-q", "-"])
            .env_clear()
            .envs(environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = spawn::spawn(command, account, false, None)?;
        let cookie = self.0.as_str();
        let lines = Zeroizing::new(format!("remove {display}\nadd {display} {cookie}\n"));
        let written = match child.stdin.take() {
            Some(mut stdin) => stdin.write_all(lines.as_bytes()),
            None => Ok(()),
        };
        let status = child.wait()?;
        written?;
        if !status.success() {
            return Err(io::Error::other(format!("{XAUTH}: {status}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_xauth_takes_for_a_command_gets_through() {
        for (protocol, cookie, screen) in [
            ("MIT-MAGIC-COOKIE-1", "00ff\nsource /etc/shadow", 0),
            ("MIT MAGIC", "00", 0),
            ("", "00", 0),
            ("MIT", "", 0),
            ("MIT", "00", 401),
        ] {
            let x11 = X11 {
                request_id: 0,
                single_connection: false,
                auth_protocol: protocol.into(),
                cookie: cookie.into(),
                screen,
            };
            let refused = Cookie::new(&x11).err().unwrap();
            assert!(refused.reason().contains("malformed"), "{refused}");
        }
    }
}
