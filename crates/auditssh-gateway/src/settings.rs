//! What the gateway is told, already checked: the binary makes it of the configuration.

use std::net::SocketAddr;
use std::time::Duration;

/// Everything about the SSH side but users and backend.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: Vec<SocketAddr>,
    /// Shown before the login (RFC 4252, 5.4); empty for none.
    pub banner: String,
    /// Limits on everything that a client can make grow.
    pub limits: Limits,
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
    /// Connections overall; 0 derives it from the limit on file descriptors.
    pub connections: usize,
    /// Session channels open at a time on one connection.
    pub session_channels: usize,
    /// Environment variables of one channel.
    pub environment_variables: usize,
    /// Bytes of all names and values of one channel's environment.
    pub environment_bytes: usize,
    /// Bytes of a login name, a variable's name, a subsystem's name.
    pub name_bytes: usize,
    /// Bytes of a command line.
    pub command_bytes: usize,
    /// Bytes that may wait for a channel's backend before the connection waits.
    pub channel_buffer: usize,
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
            login_grace_time: Duration::from_secs(120),
            auth_attempts: 6,
            connections: 0,
            session_channels: 10,
            environment_variables: 128,
            environment_bytes: 256 * 1024,
            name_bytes: 256,
            command_bytes: 256 * 1024,
            channel_buffer: 8 * 1024 * 1024,
            disconnect_grace: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(10),
        }
    }
}
