//! What the gateway is told, already checked: the binary makes it of the configuration.

use crate::HostKey;
use crate::auth::{Elsewhere, Service};
use crate::choice::Chooser;
use crate::geoip::Countries;
use crate::russh::Algorithms;
use crate::security::Security;
use crate::server::Balancers;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Everything about the SSH side but users and backend.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: Vec<SocketAddr>,
    /// Who tells where its clients are, in front of what they say.
    pub balancers: Balancers,
    /// What the server proves its identity with; at least one.
    pub host_keys: Vec<HostKey>,
    /// What the server calls itself (RFC 4253, 4.2): `SSH-2.0-` and up to 200 printable
    /// characters of ASCII.
    pub server_version: String,
    /// Shown before the login (RFC 4252, 5.4); empty for none.
    pub banner: String,
    /// How long nothing may come from a client before it is asked whether it is still there;
    /// `None` for never.
    pub client_alive_interval: Option<Duration>,
    /// How many of these questions in a row may stay unanswered before the connection ends.
    pub client_alive_count_max: usize,
    /// Bytes in either direction after which keys are exchanged anew (RFC 4253, 9); at most
    /// 2^30.
    pub rekey_bytes: usize,
    /// Which algorithms clients are offered.
    pub algorithms: Algorithms,
    /// Limits on everything that a client can make grow.
    pub limits: Limits,
    /// What sessions may do.
    pub security: Arc<Security>,
    /// Where clients come from.
    pub countries: Countries,
    /// What divides a login name into the user's and a place behind the gateway; `None` if login
    /// names are not divided.
    pub place_separator: Option<char>,
    /// Who is asked about users that are not configured, and who of all may come in; `None` for
    /// nobody.
    pub service: Option<Arc<dyn Service>>,
    /// Where users prove themselves by keyboard-interactive; `None` if it asks for the password.
    pub elsewhere: Option<Arc<dyn Elsewhere>>,
    /// Who chooses what a connection is served by; `None` if all are served alike.
    pub chooser: Option<Arc<dyn Chooser>>,
}

impl Settings {
    /// Session channels open at a time on one connection: the stricter of `limits.sessionChannels`
    /// and `security.maxSessions`.
    pub(crate) fn sessions(&self) -> usize {
        let limit = self.limits.session_channels;
        if self.chooser.is_some() {
            // What `security` says is chosen later.
            return limit;
        }
        self.security
            .max_sessions
            .map_or(limit, |most| most.min(limit))
    }

    /// The host keys of algorithms that are offered.
    pub(crate) fn shown_keys(&self) -> impl Iterator<Item = &HostKey> {
        let shown = |key: &&HostKey| self.algorithms.show(key);
        self.host_keys.iter().filter(shown)
    }

    /// What the server calls itself unless told otherwise.
    pub const SERVER_VERSION: &str = "SSH-2.0-AuditSSH";

    /// The defaults around one address and one key.
    pub fn new(listen: SocketAddr, host_key: HostKey) -> Self {
        Self {
            listen: vec![listen],
            balancers: Balancers::default(),
            host_keys: vec![host_key],
            server_version: Self::SERVER_VERSION.to_owned(),
            banner: String::new(),
            client_alive_interval: None,
            client_alive_count_max: 3,
            rekey_bytes: 1 << 30,
            algorithms: Algorithms::for_clients(),
            limits: Limits::default(),
            security: Arc::default(),
            countries: Countries::default(),
            place_separator: None,
            service: None,
            elsewhere: None,
            chooser: None,
        }
    }

    /// The user of a login name, and the place that it asks for. The last separator counts.
    pub(crate) fn divide<'a>(&self, login: &'a str) -> (&'a str, Option<&'a str>) {
        let divided = self.place_separator.and_then(|at| login.rsplit_once(at));
        divided.map_or((login, None), |(user, place)| (user, Some(place)))
    }
}

/// Limits on everything that a client can make grow (`limits`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections that are not logged in, overall.
    pub unauthenticated: usize,
    /// Connections that are not logged in, from one address (an IPv6 /64 counts as one).
    pub unauthenticated_per_source: usize,
    /// How long an excess connection waits for room before it is refused.
    pub unauthenticated_wait: Duration,
    /// Time to log in, from the accept; absolute.
    pub login_grace_time: Duration,
    /// Authentication attempts over all methods and names.
    pub auth_attempts: usize,
    /// How long a refused password takes at least, so that the time tells nothing.
    pub rejection_time: Duration,
    /// Connections overall; 0 derives it from the limit on file descriptors.
    pub connections: usize,
    /// Session channels open at a time on one connection.
    pub session_channels: usize,
    /// Channels that one connection may open in its life.
    pub channels: u64,
    /// Forwarded channels open at a time on one connection.
    pub forwarded_channels: usize,
    /// Ports and sockets listened to at a time for one connection.
    pub listeners: usize,
    /// How long it may take to connect to where a client wants.
    pub forward_connect: Duration,
    /// Environment variables of one channel.
    pub environment_variables: usize,
    /// Bytes of all names and values of one channel's environment.
    pub environment_bytes: usize,
    /// Bytes of a login name, a variable's name, a subsystem's name.
    pub name_bytes: usize,
    /// Bytes of a command line.
    pub command_bytes: usize,
    /// Bytes that may wait for a channel's backend before the connection waits; at least
    /// 256 KiB.
    pub channel_buffer: usize,
    /// Bytes that may wait for backends on all connections together; beyond that a channel has room
    /// for 64 KiB.
    pub total_buffer: usize,
    /// How long a backend may take to log a user in or to open a session.
    pub backend_open: Duration,
    /// How long a backend may take to answer a request on an open session.
    pub backend_request: Duration,
    /// How long the disconnect waits for late exits and closes.
    pub disconnect_grace: Duration,
    /// How long sessions may go on after SIGTERM.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unauthenticated: 100,
            unauthenticated_per_source: 32,
            unauthenticated_wait: Duration::from_secs(2),
            login_grace_time: Duration::from_mins(2),
            auth_attempts: 6,
            rejection_time: Duration::from_millis(300),
            connections: 0,
            session_channels: 10,
            channels: 10_000,
            forwarded_channels: 256,
            listeners: 32,
            forward_connect: Duration::from_secs(30),
            environment_variables: 128,
            environment_bytes: 256 * 1024,
            name_bytes: 256,
            command_bytes: 256 * 1024,
            channel_buffer: 8 * 1024 * 1024,
            total_buffer: 512 * 1024 * 1024,
            backend_open: Duration::from_mins(1),
            backend_request: Duration::from_secs(10),
            disconnect_grace: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(10),
        }
    }
}
