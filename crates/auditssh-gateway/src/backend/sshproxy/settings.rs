//! What the backend is told, already checked.

use super::SshProxyError;
use super::hostkeys::{HostKeys, Trusted};
use super::login::{Credentials, Loaded};
use super::routes::{self, Route, Way};
use crate::backend::{Identity, Refused};
use crate::russh::Algorithms;
use std::fmt;
use std::time::Duration;

/// `sshproxy` of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `server` and `port`; `None` if only [`routes`](Self::routes) lead somewhere.
    pub target: Option<Target>,
    /// `routes`.
    pub routes: Vec<Route>,
    /// `username`, `usernamePassThrough`.
    pub user: UserName,
    /// What the gateway proves itself with.
    pub credentials: Credentials,
    /// Which host keys are right.
    pub host_keys: HostKeys,
    /// `kex`, `ciphers`, `macs`, `hostKeyAlgorithms`.
    pub algorithms: Algorithms,
    /// `timeout`: for the connection, the keys and the login together.
    pub timeout: Duration,
    /// `clientVersion`: what the gateway calls itself (RFC 4253, 4.2).
    pub client_version: String,
    /// Bytes in either direction after which keys are exchanged anew.
    pub rekey_bytes: usize,
    /// Bytes of output that may wait for a slow client, per channel.
    pub buffer: usize,
    /// The same for all users together; beyond that a channel has room for 64 KiB.
    pub total_buffer: usize,
    /// `connections`: to the server, for one user's connection. Beyond that, channels share them.
    pub connections: usize,
}

/// Channels of a user that may be full.
const CHANNELS_FULL: usize = 10;
/// By how much a packet may pass what a channel holds.
const PACKET_BYTES: usize = 32 * 1024;

impl Settings {
    /// Bytes that may wait on all channels of a user together. A connection that is not shared does not
    /// come to that, whatever waits on the others.
    pub(super) fn room(&self) -> usize {
        let channels = self.connections.max(CHANNELS_FULL);
        self.buffer
            .saturating_add(PACKET_BYTES)
            .saturating_mul(channels)
    }

    /// Reads what lies in files, as far as no place is needed for that; blocks.
    pub(super) fn load(&self) -> Result<(Loaded, Trusted), SshProxyError> {
        let nowhere = || Target {
            host: String::new(),
            port: 0,
        };
        self.load_for(
            &self.host_keys,
            &self.target.clone().unwrap_or_else(nowhere),
        )
    }

    fn load_for(
        &self,
        host_keys: &HostKeys,
        target: &Target,
    ) -> Result<(Loaded, Trusted), SshProxyError> {
        let trusted = host_keys.load(target)?;
        Ok((self.credentials.load()?, trusted))
    }

    pub(super) async fn read(
        &self,
        host_keys: HostKeys,
        target: Target,
    ) -> Result<(Loaded, Trusted), Refused> {
        let own = self.clone();
        let read = tokio::task::spawn_blocking(move || own.load_for(&host_keys, &target)).await;
        read.map_err(|error| Refused::new(format!("reading files failed: {error}")))?
            .map_err(|error| Refused::new(error.to_string()))
    }

    /// Where a user is led.
    pub(super) fn way(&self, identity: &Identity) -> Result<Way, Refused> {
        let default = self.target.clone().map(|target| Way {
            target,
            user: self.user.of(&identity.user),
            host_keys: self.host_keys.clone(),
        });
        routes::find(&self.routes, default, &self.host_keys, identity)
    }
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A name or an address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

/// As whom the gateway logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserName {
    /// Under the login name of the user.
    Same,
    /// Under this name, whoever the user is.
    Fixed(String),
}

impl UserName {
    pub(super) fn of(&self, login: &str) -> String {
        match self {
            Self::Same => login.to_owned(),
            Self::Fixed(name) => name.clone(),
        }
    }
}
