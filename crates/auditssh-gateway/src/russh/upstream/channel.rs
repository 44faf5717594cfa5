//! A channel to a server behind the gateway.

use crate::backend::sshproxy::{Kind, Port, Ports, Registered};
use crate::backend::{Program, Refused};
use ::russh::client::Msg;
use ::russh::{ChannelWriteHalf, Pty as Mode, Sig};
use auditssh_log::message::{Pty, Window, X11};
use std::sync::Arc;
use tokio::io::AsyncWrite;

type LibraryChannel = ::russh::Channel<Msg>;

/// A channel; dropping it closes it on the server, too.
pub(crate) struct UpstreamChannel {
    half: Arc<ChannelWriteHalf<Msg>>,
    pub(crate) port: Arc<Port>,
    ports: Arc<Ports>,
}

impl UpstreamChannel {
    pub(super) fn new(channel: LibraryChannel, ports: &Arc<Ports>) -> Self {
        let (_, half) = channel.split();
        Self {
            port: ports.take(half.id().number()),
            half: Arc::new(half),
            ports: Arc::clone(ports),
        }
    }

    /// It is refused: the server never closes it.
    pub(super) fn forget(self) {
        self.ports.close(self.half.id().number());
    }

    /// Sends a request, and waits for its answer. Who gives up on it ends the connection: the request
    /// is recorded as failed, and must not have its effect later, when nobody records what follows.
    async fn ask<E>(&self, sending: impl Future<Output = Result<(), E>>) -> Result<bool, Refused> {
        let _asking = self.ports.asking();
        let unanswered = self.ports.end_on_drop();
        let answer = self.port.ask(sending).await;
        unanswered.disarm();
        answer
    }

    /// `env`; whether the server took it.
    pub(crate) async fn env(&self, name: &str, value: &str) -> Result<bool, Refused> {
        self.ask(self.half.set_env(true, name, value)).await
    }

    /// `pty-req`.
    pub(crate) async fn pty(&self, pty: &Pty) -> Result<bool, Refused> {
        let (term, modes) = (pty.term.to_str_lossy(), modes(&pty.modelist));
        let sending = self.half.request_pty(
            true,
            &term,
            number(pty.columns),
            number(pty.rows),
            number(pty.width),
            number(pty.height),
            &modes,
        );
        self.ask(sending).await
    }

    /// `auth-agent-req@openssh.com`.
    pub(crate) async fn agent(&self) -> Result<bool, Refused> {
        self.ask(self.half.agent_forward(true)).await
    }

    /// `x11-req`.
    pub(crate) async fn x11(&self, x11: &X11) -> Result<bool, Refused> {
        let (protocol, cookie) = (x11.auth_protocol.to_str_lossy(), x11.cookie.to_str_lossy());
        let sending = self.half.request_x11(
            true,
            x11.single_connection,
            protocol,
            cookie,
            number(x11.screen),
        );
        self.ask(sending).await
    }

    /// What the server may open for this session from now on.
    pub(crate) fn register(&self, kind: Kind) -> Registered {
        self.ports.registry.register(kind)
    }

    /// `window-change`, which has no answer (RFC 4254, 6.7).
    pub(crate) async fn window(&self, window: &Window) -> Result<(), Refused> {
        let sending = self.half.window_change(
            number(window.columns),
            number(window.rows),
            number(window.width),
            number(window.height),
        );
        sending.await.map_err(|_| Port::closed())
    }

    /// `signal`, which has no answer (RFC 4254, 6.9).
    pub(crate) async fn signal(&self, name: &str) -> Result<(), Refused> {
        let signal = Sig::Custom(name.to_owned());
        let sent = self.half.signal(signal).await;
        sent.map_err(|_| Port::closed())
    }

    /// `shell`, `exec` or `subsystem`.
    pub(crate) async fn start(&self, program: Program) -> Result<bool, Refused> {
        let half = &self.half;
        match program {
            Program::Shell => self.ask(half.request_shell(true)).await,
            Program::Exec(command) => self.ask(half.exec(true, command)).await,
            Program::Subsystem(name) => self.ask(half.request_subsystem(true, name)).await,
        }
    }

    /// What the program reads; waits for the server's window.
    pub(crate) fn stdin(&self) -> Box<dyn AsyncWrite + Send + Unpin> {
        Box::new(Box::pin(self.half.make_writer()))
    }
}

impl Drop for UpstreamChannel {
    fn drop(&mut self) {
        self.port.abandon();
        let half = Arc::clone(&self.half);
        self.ports.spawn(async move {
            // Fails only if the connection has ended.
            let _ = half.close().await;
        });
    }
}

fn number(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The modes as the library takes them, from their encoded form (RFC 4254, 8); at the first
/// that it does not know, the rest can't be told apart.
fn modes(list: &[u8]) -> Vec<(Mode, u32)> {
    let mut modes = Vec::new();
    for mode in list.chunks_exact(5) {
        let [code, value @ ..] = mode else { break };
        let (Some(code), Ok(value)) = (Mode::from_u8(*code), value.try_into()) else {
            break;
        };
        if code == Mode::TTY_OP_END {
            break;
        }
        modes.push((code, u32::from_be_bytes(value)));
    }
    modes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_up_to_their_end() {
        let list = [53, 0, 0, 0, 1, 128, 0, 0, 150, 0, 0];
        assert_eq!(
            modes(&list),
            [(Mode::ECHO, 1), (Mode::TTY_OP_ISPEED, 38400)]
        );
        assert!(modes(&[]).is_empty());
        assert!(modes(&[0, 53, 0, 0, 0, 1]).is_empty());
        assert!(modes(&[53, 0, 0]).is_empty());
    }
}
