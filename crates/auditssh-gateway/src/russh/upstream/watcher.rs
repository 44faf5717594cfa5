//! The library's callbacks for a connection to a server.

use super::outcome::shown;
use super::{Check, Failure};
use crate::backend::Exit;
use crate::backend::sshproxy::{Ports, Presented, Stream};
use ::russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use ::russh::keys::{PublicKey, PublicKeyOrCertificate};
use ::russh::{ChannelId, ChannelOpenFailure, Sig};
use auditssh_log::message::ExitSignal;
use std::sync::Arc;

/// Extended data that is standard error (RFC 4254, 5.2).
const STDERR: u32 = 1;
/// Channels that a server may ask to open, all of which are refused.
const CHANNELS: usize = 100;
/// Banners that a server may show.
const BANNERS: usize = 100;

type LibraryChannel = ::russh::Channel<Msg>;

/// One connection, as the library calls it.
pub(crate) struct Watcher {
    ports: Arc<Ports>,
    check: Check,
    channels: usize,
    banners: usize,
}

impl Watcher {
    pub(super) fn new(ports: Arc<Ports>, check: Check) -> Self {
        Self {
            ports,
            check,
            channels: 0,
            banners: 0,
        }
    }

    /// A channel is asked for: dropping the handle refuses it.
    fn refuse(&mut self, handle: ChannelOpenHandle) -> Result<(), Failure> {
        drop(handle);
        self.channels += 1;
        if self.channels > CHANNELS {
            return Err(Failure::Hostile("it opens channels without end"));
        }
        Ok(())
    }
}

impl Drop for Watcher {
    /// Also when the library panics.
    fn drop(&mut self) {
        self.ports
            .end(Failure::Ended("the connection has ended".to_owned()));
    }
}

impl Handler for Watcher {
    type Error = Failure;

    async fn auth_banner(&mut self, _: &str, _: &mut Session) -> Result<(), Failure> {
        self.banners += 1;
        if self.banners > BANNERS {
            return Err(Failure::Hostile("it shows banners without end"));
        }
        Ok(())
    }

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Failure> {
        (self.check)(&Presented::of(key)).map_err(Failure::HostKey)?;
        Ok(true)
    }

    async fn channel_open_confirmation(
        &mut self,
        id: ChannelId,
        _: u32,
        _: u32,
        _: &mut Session,
    ) -> Result<(), Failure> {
        self.ports.insert(id.number());
        Ok(())
    }

    /// Also for a channel that was confirmed before: the library has forgotten it by then.
    async fn channel_open_failure(
        &mut self,
        id: ChannelId,
        _: ChannelOpenFailure,
        _: &str,
        _: &str,
        _: &mut Session,
    ) -> Result<(), Failure> {
        self.ports.close(id.number());
        Ok(())
    }

    async fn channel_success(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Failure> {
        if let Some(port) = self.ports.get(id.number()) {
            port.answer(true);
        }
        Ok(())
    }

    async fn channel_failure(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Failure> {
        if let Some(port) = self.ports.get(id.number()) {
            port.answer(false);
        }
        Ok(())
    }

    async fn data(&mut self, id: ChannelId, bytes: &[u8], _: &mut Session) -> Result<(), Failure> {
        if let Some(port) = self.ports.get(id.number()) {
            port.put(Stream::Stdout, bytes).await;
        }
        Ok(())
    }

    async fn extended_data(
        &mut self,
        id: ChannelId,
        kind: u32,
        bytes: &[u8],
        _: &mut Session,
    ) -> Result<(), Failure> {
        match self.ports.get(id.number()) {
            Some(port) if kind == STDERR => port.put(Stream::Stderr, bytes).await,
            _ => {}
        }
        Ok(())
    }

    async fn channel_eof(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Failure> {
        if let Some(port) = self.ports.get(id.number()) {
            port.eof();
        }
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Failure> {
        self.ports.close(id.number());
        Ok(())
    }

    async fn exit_status(
        &mut self,
        id: ChannelId,
        status: u32,
        _: &mut Session,
    ) -> Result<(), Failure> {
        if let Some(port) = self.ports.get(id.number()) {
            port.exit(Exit::Status(status));
        }
        Ok(())
    }

    async fn exit_signal(
        &mut self,
        id: ChannelId,
        signal: Sig,
        core_dumped: bool,
        message: &str,
        language: &str,
        _: &mut Session,
    ) -> Result<(), Failure> {
        if let Some(port) = self.ports.get(id.number()) {
            port.exit(Exit::Signal(ExitSignal {
                signal: crate::russh::signal_name(signal).as_str().into(),
                core_dumped,
                error_message: message.into(),
                language_tag: language.into(),
            }));
        }
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: LibraryChannel,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        handle: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        self.refuse(handle)
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: LibraryChannel,
        _: &str,
        handle: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        self.refuse(handle)
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: LibraryChannel,
        handle: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        self.refuse(handle)
    }

    async fn server_channel_open_session(
        &mut self,
        _: LibraryChannel,
        handle: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        self.refuse(handle)
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: LibraryChannel,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        handle: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        self.refuse(handle)
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: LibraryChannel,
        _: &str,
        handle: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        self.refuse(handle)
    }

    async fn server_channel_open_x11(
        &mut self,
        _: LibraryChannel,
        _: &str,
        _: u32,
        handle: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        self.refuse(handle)
    }

    async fn openssh_ext_host_keys_announced(
        &mut self,
        _: Vec<PublicKey>,
        _: &mut Session,
    ) -> Result<(), Failure> {
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Failure>) -> Result<(), Failure> {
        let failure = match reason {
            DisconnectReason::ReceivedDisconnect(said) => Failure::Ended(format!(
                "the server ended the connection: {}",
                shown(&said.message)
            )),
            DisconnectReason::Error(failure) => failure,
        };
        self.ports.end(failure.clone());
        Err(failure)
    }
}
