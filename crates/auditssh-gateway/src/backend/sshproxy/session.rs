//! One session channel, and its like on the server behind the gateway.

use super::forward::ForSession;
use super::grant::Grant;
use super::legs::Seat;
use super::open;
use super::port::{Output, Stream};
use super::registry::Kind;
use crate::auth::Restrictions;
use crate::backend::{Exit, Listener, Process, Program, Refused, Session};
use crate::russh::UpstreamChannel;
use async_trait::async_trait;
use auditssh_log::message::{Pty, Window, X11};
use bytes::Bytes;
use futures::FutureExt as _;
use std::sync::Arc;

/// sshd's own SFTP server, which a key may force; on a server behind the gateway it is a subsystem.
const INTERNAL_SFTP: &str = "internal-sftp";
const SFTP: &str = "sftp";
/// What a client had asked for when a command is forced.
const ORIGINAL_COMMAND: &str = "SSH_ORIGINAL_COMMAND";

/// A session; dropping it closes its channel, after which the server hangs up on the program.
pub(super) struct ProxySession {
    channel: UpstreamChannel,
    restrictions: Arc<Restrictions>,
    seat: Arc<Seat>,
    /// What it has before a program runs.
    granted: Vec<Grant>,
    /// Whether its channel may be opened once more.
    renewable: bool,
}

impl ProxySession {
    pub(super) fn new(
        channel: UpstreamChannel,
        seat: Arc<Seat>,
        restrictions: Arc<Restrictions>,
    ) -> Self {
        Self {
            channel,
            restrictions,
            seat,
            granted: Vec::new(),
            renewable: true,
        }
    }

    /// Asks for what a program will have.
    async fn ask(&mut self, wanted: Grant) -> Result<(), Refused> {
        self.renew().await?;
        if !wanted.ask(&self.channel).await? {
            return Err(wanted.denied());
        }
        if self.renewable {
            self.granted.retain(|older| !wanted.replaces(older));
            self.granted.push(wanted);
        }
        Ok(())
    }

    /// Opens the channel once more, with what was granted on it, if the server has closed it though
    /// nothing runs there: dropbear (2022.83) does so with all such channels of a connection when
    /// a program on another one ends.
    async fn renew(&mut self) -> Result<(), Refused> {
        if !self.renewable || !self.channel.port.is_closed() {
            return Ok(());
        }
        self.renewable = false;
        self.channel = open(&self.seat).await?;
        for grant in std::mem::take(&mut self.granted) {
            if !grant.ask(&self.channel).await? {
                return Err(grant.denied());
            }
        }
        tracing::debug!("the server closed a channel where nothing ran yet; it has another one");
        Ok(())
    }

    /// What the login's key sets. A server that does not take a variable does without.
    async fn prepare(&self, original: Option<&[u8]>) -> Result<(), Refused> {
        for (name, value) in &self.restrictions.environment {
            self.offer(name, value).await?;
        }
        if let Some(original) = original {
            self.offer(ORIGINAL_COMMAND, &String::from_utf8_lossy(original))
                .await?;
        }
        Ok(())
    }

    async fn offer(&self, name: &str, value: &str) -> Result<(), Refused> {
        if self.channel.env(name, value).await? {
            return Ok(());
        }
        if name == ORIGINAL_COMMAND {
            // Commands that are forced decide by it, and would without it.
            tracing::warn!(
                "the server behind the gateway does not take {ORIGINAL_COMMAND}: the command that is \
                 forced runs without it (AcceptEnv {ORIGINAL_COMMAND} of its sshd_config)"
            );
        } else {
            tracing::debug!(
                name,
                "the server behind the gateway does not take a variable"
            );
        }
        Ok(())
    }
}

/// What is asked of the server, and what the client had asked for if that is something else.
fn choose(forced: Option<&str>, asked: Program) -> Result<(Program, Option<Bytes>), Refused> {
    let Some(forced) = forced else {
        return Ok((asked, None));
    };
    if loses_arguments(forced) {
        return Err(Refused::new(
            "the command that is forced is `internal-sftp` with arguments, which a server behind \
             the gateway can't be told: force them by its own sshd_config",
        ));
    }
    if forced.trim_ascii() == INTERNAL_SFTP {
        return match asked {
            Program::Subsystem(name) if name == SFTP => Ok((Program::Subsystem(name), None)),
            _ => Err(Refused::new("this login may use sftp only")),
        };
    }
    let original = match asked {
        Program::Shell => None,
        Program::Exec(command) => Some(command),
        Program::Subsystem(name) => Some(Bytes::from(name)),
    };
    Ok((Program::Exec(Bytes::from(forced.to_owned())), original))
}

/// Whether a forced command is `internal-sftp` with arguments. The subsystem has none to take, and
/// without them more would be allowed than is meant.
#[must_use]
pub fn loses_arguments(forced: &str) -> bool {
    let mut words = forced.split_ascii_whitespace();
    words.next() == Some(INTERNAL_SFTP) && words.next().is_some()
}

pub(super) fn refused(what: &str) -> Refused {
    Refused::new(format!("the server behind the gateway refused {what}"))
}

fn text<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, Refused> {
    std::str::from_utf8(bytes).map_err(|_| Refused::new(format!("{what} is not UTF-8")))
}

#[async_trait]
impl Session for ProxySession {
    async fn env(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        let name = text(name, "a variable's name")?;
        let value = text(value, "a variable's value")?;
        if name == ORIGINAL_COMMAND && self.restrictions.command.is_some() {
            return Err(Refused::new("a client does not set this variable"));
        }
        self.ask(Grant::Env(name.to_owned(), value.to_owned()))
            .await
    }

    async fn pty(&mut self, pty: &Pty) -> Result<(), Refused> {
        if !self.restrictions.pty {
            return Err(Refused::new("this login may not have a terminal"));
        }
        self.ask(Grant::Pty(pty.clone())).await
    }

    async fn window(&mut self, window: &Window) -> Result<(), Refused> {
        self.ask(Grant::Window(window.clone())).await
    }

    async fn signal(&mut self, name: &str) -> Result<(), Refused> {
        self.channel.signal(name).await
    }

    /// What a terminal elsewhere shows can't be told.
    fn echoes(&self) -> Option<bool> {
        None
    }

    async fn start(&mut self, program: Program) -> Result<Process, Refused> {
        let (program, original) = choose(self.restrictions.command.as_deref(), program)?;
        self.renew().await?;
        // From here on, what the server may have done is not asked for again.
        self.renewable = false;
        self.granted = Vec::new();
        self.prepare(original.as_deref()).await?;
        let stdin = self.channel.stdin();
        let what = match &program {
            Program::Shell => "a shell".to_owned(),
            Program::Exec(_) => "the command".to_owned(),
            Program::Subsystem(name) => format!("the subsystem `{}`", name.escape_debug()),
        };
        if !self.channel.start(program).await? {
            return Err(refused(&what));
        }
        let port = &self.channel.port;
        let outcome = port.outcome();
        let outcome = outcome.ok_or_else(|| Refused::new("the channel has a program already"))?;
        Ok(Process {
            stdin,
            stdout: Box::new(Output::new(port, Stream::Stdout)),
            stderr: Some(Box::new(Output::new(port, Stream::Stderr))),
            exit: outcome
                .map(|exit| exit.unwrap_or_else(|_| Exit::Unknown("it was not watched".into())))
                .boxed(),
        })
    }
    async fn agent(&mut self) -> Result<Box<dyn Listener>, Refused> {
        let registered = self.channel.register(Kind::Agent);
        self.ask(Grant::Agent).await?;
        Ok(Box::new(ForSession(registered)))
    }

    async fn x11(&mut self, x11: &X11) -> Result<Box<dyn Listener>, Refused> {
        let registered = self.channel.register(Kind::X11);
        self.ask(Grant::X11(x11.clone())).await?;
        Ok(Box::new(ForSession(registered)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(command: &'static str) -> Program {
        Program::Exec(Bytes::from_static(command.as_bytes()))
    }

    #[test]
    fn a_forced_command_takes_the_place_of_everything() {
        assert_eq!(choose(None, exec("ls")).unwrap(), (exec("ls"), None));
        let forced = |asked| choose(Some("backup --all"), asked).unwrap();
        assert_eq!(forced(Program::Shell), (exec("backup --all"), None));
        let original = Some(Bytes::from_static(b"ls"));
        assert_eq!(forced(exec("ls")), (exec("backup --all"), original));
        let original = Some(Bytes::from_static(b"sftp"));
        let sftp = Program::Subsystem("sftp".to_owned());
        assert_eq!(forced(sftp), (exec("backup --all"), original));
    }

    #[test]
    fn a_forced_internal_sftp_is_the_subsystem_and_nothing_else() {
        let sftp = || Program::Subsystem("sftp".to_owned());
        let forced = |asked| choose(Some(" internal-sftp "), asked);
        assert_eq!(forced(sftp()).unwrap(), (sftp(), None));
        assert!(forced(Program::Shell).is_err());
        assert!(forced(exec("sh")).is_err());
        assert!(forced(Program::Subsystem("x".to_owned())).is_err());
    }

    /// They would be lost: a directory that is to be read only could be written to.
    #[test]
    fn a_forced_internal_sftp_with_arguments_is_refused() {
        for forced in [
            "internal-sftp -R",
            "\tinternal-sftp\t-d /srv",
            "internal-sftp\n-R",
        ] {
            let sftp = Program::Subsystem("sftp".to_owned());
            let error = choose(Some(forced), sftp).unwrap_err();
            assert!(error.reason().contains("with arguments"), "{forced:?}");
        }
        assert!(!loses_arguments("internal-sftpd -R"));
        assert!(!loses_arguments("backup internal-sftp"));
    }
}
