//! What is sent to the client outside of callbacks.

use crate::backend::{Exit, Originator};
use crate::session::{Backward, Ended};
use ::russh::server::{ChannelOpenHandle, Handle, Msg};
use ::russh::{ChannelOpenFailure, ChannelWriteHalf, Disconnect, Sig};
use bytes::Bytes;

/// Extended data that is standard error (RFC 4254, 5.2).
const STDERR: u32 = 1;
/// "Connect failed" (RFC 4254, 5.1).
const CONNECT_FAILED: u32 = 2;

/// The way to the client's end of a channel; waits for its window.
pub(crate) struct Outlet {
    half: ChannelWriteHalf<Msg>,
    handle: Handle,
}

impl Outlet {
    pub(super) fn new(half: ChannelWriteHalf<Msg>, handle: Handle) -> Self {
        Self { half, handle }
    }

    /// The library's number of the channel.
    pub(crate) fn key(&self) -> u32 {
        self.half.id().number()
    }

    /// Standard output.
    pub(crate) async fn data(&self, bytes: Bytes) -> Result<(), Ended> {
        Ok(self.half.data_bytes(bytes).await?)
    }

    /// Standard error.
    pub(crate) async fn stderr(&self, bytes: Bytes) -> Result<(), Ended> {
        Ok(self.half.extended_data_bytes(STDERR, bytes).await?)
    }

    /// No more data will come.
    pub(crate) async fn eof(&self) -> Result<(), Ended> {
        Ok(self.half.eof().await?)
    }

    /// How the program ended; nothing if that is not known.
    pub(crate) async fn exit(&self, exit: &Exit) -> Result<(), Ended> {
        match exit {
            Exit::Status(status) => Ok(self.half.exit_status(*status).await?),
            Exit::Unknown(_) => Ok(()),
            Exit::Signal(signal) => self
                .handle
                .exit_signal_request(
                    self.half.id(),
                    Sig::Custom(signal.signal.to_str_lossy().into_owned()),
                    signal.core_dumped,
                    signal.error_message.to_str_lossy().into_owned(),
                    signal.language_tag.to_str_lossy().into_owned(),
                )
                .await
                .map_err(|()| Ended::Over),
        }
    }

    /// Nothing more at all.
    pub(crate) async fn close(&self) -> Result<(), Ended> {
        Ok(self.half.close().await?)
    }
}

/// The answer to a channel that was asked for.
pub(crate) struct Reply(ChannelOpenHandle);

impl Reply {
    pub(super) fn new(handle: ChannelOpenHandle) -> Self {
        Self(handle)
    }

    /// It is open.
    pub(crate) async fn accept(self) {
        self.0.accept().await;
    }

    /// A limit is reached.
    pub(crate) async fn shortage(self) {
        self.0.reject(ChannelOpenFailure::ResourceShortage).await;
    }

    /// Not on this server.
    pub(crate) async fn prohibited(self) {
        self.0
            .reject(ChannelOpenFailure::AdministrativelyProhibited)
            .await;
    }

    /// The backend can't, and says why.
    pub(crate) async fn refuse(self, reason: String) {
        let code = CONNECT_FAILED;
        self.0
            .reject(ChannelOpenFailure::Other { code, reason })
            .await;
    }
}

/// What acts on a connection as a whole.
pub(crate) struct Control(Handle);

impl Control {
    pub(super) fn new(handle: Handle) -> Self {
        Self(handle)
    }

    /// Asks the client for a channel, and waits for its answer; never within a callback.
    pub(crate) async fn open(
        &self,
        backward: &Backward,
        from: &Originator,
    ) -> Result<Outlet, String> {
        let handle = &self.0;
        let Originator { host, port } = from;
        let opened = match backward {
            Backward::Tcp(address, bound) => {
                handle
                    .channel_open_forwarded_tcpip(address, *bound, host, *port)
                    .await
            }
            Backward::Socket(path) => handle.channel_open_forwarded_streamlocal(path).await,
            Backward::X11 => handle.channel_open_x11(host, *port).await,
            Backward::Agent => handle.channel_open_agent().await,
        };
        match opened {
            Ok(channel) => {
                let (_, half) = channel.split();
                Ok(Outlet::new(half, handle.clone()))
            }
            Err(::russh::Error::ChannelOpenFailure(reason)) => {
                Err(format!("the client refused it: {reason:?}"))
            }
            Err(_) => Err("the connection has ended".to_owned()),
        }
    }

    /// Sends `SSH_MSG_DISCONNECT` (RFC 4253, 11.1).
    pub(crate) async fn disconnect(&self, text: &str) {
        // Fails only if the connection has ended, which is what was wanted.
        let _ = self
            .0
            .disconnect(Disconnect::ByApplication, text.to_owned(), String::new())
            .await;
    }
}
