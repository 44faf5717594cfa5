//! The library's callbacks for a connection to a server.

use super::outcome::shown;
use super::{Check, Failure, UpstreamChannel};
use crate::backend::sshproxy::{Kind, Ports, Presented, Stream, pipe};
use crate::backend::{Arrival, Exit, Originator, Pipe, Refused};
use ::russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use ::russh::keys::{PublicKey, PublicKeyOrCertificate};
use ::russh::{ChannelId, ChannelOpenFailure, Sig};
use auditssh_log::Event;
use auditssh_log::message::{
    ExitSignal, ForwardChannel, ReverseForwardChannel, StreamLocal, X11ForwardChannel,
};
use std::sync::Arc;

/// Extended data that is standard error (RFC 4254, 5.2).
const STDERR: u32 = 1;
/// Channels that a server may ask to open without being asked to.
const CHANNELS: usize = 100;
/// Bytes of a name in such a request that are recorded.
const NAME: usize = 256;
/// Banners that a server may show.
const BANNERS: usize = 100;

type LibraryChannel = ::russh::Channel<Msg>;

/// One connection, as the library calls it.
pub(crate) struct Watcher {
    ports: Arc<Ports>,
    check: Check,
    channels: usize,
    /// The type of a channel that the library does not know.
    unknown: String,
    banners: usize,
}

impl Watcher {
    pub(super) fn new(ports: Arc<Ports>, check: Check) -> Self {
        Self {
            ports,
            check,
            channels: 0,
            unknown: String::new(),
            banners: 0,
        }
    }

    /// A channel is asked for: dropping the handle refuses it.
    async fn refuse(
        &mut self,
        handle: ChannelOpenHandle,
        kind: &str,
        wanted: Option<Event>,
    ) -> Result<(), Failure> {
        self.channels += 1;
        if self.channels > CHANNELS {
            return Err(Failure::Hostile("it opens channels without end"));
        }
        let reason = "nobody asked the host for it";
        self.ports.uninvited(&clipped(kind), wanted, reason).await;
        drop(handle);
        Ok(())
    }

    /// A channel that was asked for goes to whoever did; it is confirmed when that one takes it.
    async fn offer(
        &mut self,
        channel: LibraryChannel,
        handle: ChannelOpenHandle,
        kind: Kind,
        originator: Originator,
        (name, wanted): (&str, Option<Event>),
    ) -> Result<(), Failure> {
        let Some(taker) = self.ports.registry.find(&kind) else {
            return self.refuse(handle, name, wanted).await;
        };
        let channel = UpstreamChannel::new(channel, &self.ports);
        let channel = Offered(Some((channel, handle)));
        let arrival = Arrival {
            originator,
            pipe: Box::pin(channel.take()),
        };
        if let Err(arrival) = taker.try_send(arrival) {
            let reason = "too many connections wait, or they are not taken any more";
            self.ports.uninvited(name, wanted, reason).await;
            drop(arrival);
        }
        Ok(())
    }
}

/// A channel that nobody has taken.
struct Offered(Option<(UpstreamChannel, ChannelOpenHandle)>);

impl Offered {
    async fn take(mut self) -> Result<Pipe, Refused> {
        let (channel, handle) = self.0.take().ok_or_else(|| Refused::new("it is taken"))?;
        handle.accept().await;
        Ok(pipe(channel, ()))
    }
}

impl Drop for Offered {
    fn drop(&mut self) {
        if let Some((channel, handle)) = self.0.take() {
            drop(handle);
            channel.forget();
        }
    }
}

/// What a server may name in a log.
fn clipped(text: &str) -> String {
    crate::session::clip(text, NAME).to_owned()
}

fn from(host: &str, port: u32) -> Originator {
    Originator {
        host: clipped(host),
        port,
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
        channel: LibraryChannel,
        connected_address: &str,
        connected_port: u32,
        originator_address: &str,
        originator_port: u32,
        handle: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        let kind = Kind::Tcp(clipped(connected_address), connected_port);
        let originator = from(originator_address, originator_port);
        let wanted = Event::NewChannelForwardedTcpip(ReverseForwardChannel {
            connected_host: clipped(connected_address).into(),
            connected_port: connected_port.into(),
            originator_host: originator.host.as_str().into(),
            originator_port: originator_port.into(),
        });
        let said = ("forwarded-tcpip", Some(wanted));
        self.offer(channel, handle, kind, originator, said).await
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        channel: LibraryChannel,
        path: &str,
        handle: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        let kind = Kind::Socket(clipped(path));
        let wanted = Event::NewChannelForwardedStreamLocal(StreamLocal {
            path: clipped(path).into(),
        });
        let said = ("forwarded-streamlocal@openssh.com", Some(wanted));
        self.offer(channel, handle, kind, Originator::default(), said)
            .await
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        channel: LibraryChannel,
        handle: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        let said = ("auth-agent@openssh.com", None);
        let from = Originator::default();
        self.offer(channel, handle, Kind::Agent, from, said).await
    }

    async fn server_channel_open_x11(
        &mut self,
        channel: LibraryChannel,
        originator_address: &str,
        originator_port: u32,
        handle: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        let originator = from(originator_address, originator_port);
        let wanted = Event::NewChannelX11(X11ForwardChannel {
            originator_host: originator.host.as_str().into(),
            originator_port: originator_port.into(),
        });
        let said = ("x11", Some(wanted));
        self.offer(channel, handle, Kind::X11, originator, said)
            .await
    }

    async fn server_channel_open_session(
        &mut self,
        _: LibraryChannel,
        handle: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        self.refuse(handle, "session", None).await
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: LibraryChannel,
        host: &str,
        port: u32,
        originator_address: &str,
        originator_port: u32,
        handle: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        let wanted = Event::NewChannelDirectTcpip(ForwardChannel {
            host_to_connect: clipped(host).into(),
            port_to_connect: port.into(),
            originator_host: clipped(originator_address).into(),
            originator_port: originator_port.into(),
        });
        self.refuse(handle, "direct-tcpip", Some(wanted)).await
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: LibraryChannel,
        path: &str,
        handle: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        let wanted = Event::NewChannelDirectStreamLocal(StreamLocal {
            path: clipped(path).into(),
        });
        let kind = "direct-streamlocal@openssh.com";
        self.refuse(handle, kind, Some(wanted)).await
    }

    /// Refused below: the library would do it twice.
    async fn should_accept_unknown_server_channel(&mut self, _: ChannelId, kind: &str) -> bool {
        self.unknown = clipped(kind);
        true
    }

    async fn server_channel_open_unknown(
        &mut self,
        _: LibraryChannel,
        handle: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        let kind = std::mem::take(&mut self.unknown);
        self.refuse(handle, &kind, None).await
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
