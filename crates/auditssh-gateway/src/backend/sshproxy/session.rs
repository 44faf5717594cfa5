//! One session channel, and its like on the server behind the gateway.

use super::forward::ForSession;
use super::grant::Grant;
use super::legs::Seat;
use super::open;
use super::port::{Output, Port, Stream};
use super::registry::Kind;
use crate::auth::Restrictions;
use crate::backend::{Exit, Listener, Process, Program, Refused, Session};
use crate::russh::UpstreamChannel;
use async_trait::async_trait;
use auditssh_log::message::{Pty, Window, X11};
use bytes::Bytes;
use futures::FutureExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// sshd's own SFTP server, which a key may force; on a server behind the gateway it is a subsystem.
const INTERNAL_SFTP: &str = "internal-sftp";
const SFTP: &str = "sftp";
/// How often a channel is opened anew that the server closes before anything runs there.
const RENEWALS: u8 = 3;
/// How long a program may go on that writes what nobody reads any more.
const UNHEARD: Duration = Duration::from_secs(1);
/// What a client had asked for when a command is forced.
const ORIGINAL_COMMAND: &str = "SSH_ORIGINAL_COMMAND";

/// A session; dropping it closes its channel, after which the server hangs up on the program.
pub(super) struct ProxySession {
    channel: UpstreamChannel,
    restrictions: Arc<Restrictions>,
    seat: Arc<Seat>,
    /// What it has before a program runs.
    granted: Vec<Grant>,
    /// A program was asked for: what the server may have done is not asked for again.
    started: bool,
    /// How often its channel may be opened anew.
    renewals: u8,
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
            started: false,
            renewals: RENEWALS,
        }
    }

    /// Asks for what a program will have.
    async fn ask(&mut self, wanted: Grant) -> Result<(), Refused> {
        if self.try_ask(&wanted).await? {
            return Ok(());
        }
        Err(wanted.denied())
    }

    /// Whether the server grants something, which is then kept in mind until a program runs.
    async fn try_ask(&mut self, wanted: &Grant) -> Result<bool, Refused> {
        loop {
            self.renew().await?;
            let answer = wanted.ask(&self.channel).await;
            // Closed meanwhile; nothing ran.
            if answer.is_ok() || self.renewals == 0 || !self.is_closed_early() {
                if !self.started && matches!(answer, Ok(true)) {
                    self.granted.retain(|older| !wanted.replaces(older));
                    self.granted.push(wanted.clone());
                }
                return answer;
            }
        }
    }

    /// Whether the server has closed the channel though nothing runs there.
    fn is_closed_early(&self) -> bool {
        !self.started && self.channel.port.is_closed()
    }

    /// Opens the channel anew, with what was granted on it, if the server has closed it though
    /// nothing runs there: dropbear (2022.83) does so with all such channels of a connection when
    /// a program on another one ends.
    async fn renew(&mut self) -> Result<(), Refused> {
        if !self.is_closed_early() || self.renewals == 0 {
            return Ok(());
        }
        self.renewals -= 1;
        let channel = open(&self.seat).await?;
        for grant in &self.granted {
            // Without all of it no program runs: the channel remains the one that is closed.
            if !grant.ask(&channel).await? {
                return Err(grant.denied());
            }
        }
        self.channel = channel;
        tracing::debug!("the server closed a channel where nothing ran yet; it has another one");
        Ok(())
    }

    /// What the login's key sets. A server that does not take a variable does without.
    async fn prepare(&mut self, original: Option<&[u8]>) -> Result<(), Refused> {
        let restrictions = Arc::clone(&self.restrictions);
        for (name, value) in &restrictions.environment {
            self.offer(name, value).await?;
        }
        if let Some(original) = original {
            self.offer(ORIGINAL_COMMAND, &String::from_utf8_lossy(original))
                .await?;
        }
        Ok(())
    }

    async fn offer(&mut self, name: &str, value: &str) -> Result<(), Refused> {
        let wanted = Grant::Env(name.to_owned(), value.to_owned());
        if self.try_ask(&wanted).await? {
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

/// How a program ends: as the server tells, or since it writes what nobody reads any more; then its
/// channel is closed, which is the server's closed pipe.
async fn ending(port: Arc<Port>, outcome: oneshot::Receiver<Exit>) -> Exit {
    let unheard = async {
        port.unheard().await;
        tokio::time::sleep(UNHEARD).await;
    };
    let unknown = |reason: &str| Exit::Unknown(reason.to_owned());
    tokio::select! {
        exit = outcome => exit.unwrap_or_else(|_| unknown("it was not watched")),
        () = unheard => unknown("it wrote what nobody read: the client had closed the channel"),
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
        self.prepare(original.as_deref()).await?;
        self.renew().await?;
        self.started = true;
        self.granted = Vec::new();
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
            exit: ending(Arc::clone(port), outcome).boxed(),
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
