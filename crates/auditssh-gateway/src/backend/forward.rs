//! What a backend does for forwarding, and what it may ask of the client's side for that.

use super::Refused;
use crate::security::Interface;
use async_trait::async_trait;
use auditssh_log::Event;
use futures::future::BoxFuture;
use std::any::Any;
use std::fmt;
use tokio::io::{AsyncRead, AsyncWrite};

/// Where a client wants to be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `direct-tcpip` (RFC 4254, 7.2).
    Tcp {
        /// A name or an address.
        host: String,
        /// Its port.
        port: u16,
        /// Where the connection comes from, as the client says.
        originator: Originator,
    },
    /// `direct-streamlocal@openssh.com`: a path.
    Socket(String),
}

/// Where a client wants connections to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// `tcpip-forward` (RFC 4254, 7.1).
    Tcp {
        /// The addresses.
        interface: Interface,
        /// The port; 0 for any that is free.
        port: u16,
    },
    /// `streamlocal-forward@openssh.com`: a path.
    Socket(String),
}

/// Who connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Originator {
    /// An address.
    pub host: String,
    /// Its port.
    pub port: u32,
}

/// Both directions of a connection that is forwarded. Each ends by itself.
pub struct Pipe {
    /// What comes from there.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// What goes there; shutting it down is the end of file.
    pub writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// Resolves when the far end has closed: all that was written has arrived, or nothing will any more.
    /// `None` if that can't be told, and need not be waited for.
    pub gone: Option<BoxFuture<'static, ()>>,
    /// Held until both directions have ended.
    pub held: Box<dyn Any + Send>,
}

/// Takes connections; dropping it ends that.
#[async_trait]
pub trait Listener: Send {
    /// The port, for ports.
    fn port(&self) -> u16 {
        0
    }

    /// The next connection; `None` when none will come any more. Losing none if it is dropped.
    async fn accept(&mut self) -> Option<Arrival>;

    /// Takes no more connections; returns when that is so.
    async fn close(self: Box<Self>) {}
}

/// A connection that has arrived.
pub struct Arrival {
    /// From where.
    pub originator: Originator,
    /// Takes it; dropped, the connection is refused.
    pub pipe: BoxFuture<'static, Result<Pipe, Refused>>,
}

/// The client's side, as far as a backend may ask something of it.
#[async_trait]
pub trait Client: fmt::Debug + Send + Sync {
    /// A connection to the client's agent.
    async fn agent(&self) -> Result<Pipe, Refused>;

    /// Records that a host wanted to open a channel and is refused, for a reason.
    async fn uninvited(&self, kind: &str, wanted: Option<Event>, reason: &str);
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pipe")
    }
}

/// Nobody: a backend that is used without a gateway has no client to ask.
#[derive(Debug)]
pub struct NoClient;

#[async_trait]
impl Client for NoClient {
    async fn agent(&self) -> Result<Pipe, Refused> {
        Err(Refused::new("there is no client"))
    }

    async fn uninvited(&self, _: &str, _: Option<Event>, _: &str) {}
}
