//! `limits`.

use crate::config::at::At;
use crate::config::duration::Span;
use crate::config::size::Size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits on everything that a client can make grow.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Limits {
    /// Connections that are not logged in, overall.
    pub(crate) unauthenticated: At<usize>,
    /// Connections that are not logged in, from one address (an IPv6 /64 counts as one).
    pub(crate) unauthenticated_per_source: At<usize>,
    /// How long an excess connection waits for room before it is refused.
    pub(crate) unauthenticated_wait: At<Span>,
    /// Time to log in, from the moment of the connection.
    pub(crate) login_grace_time: At<Span>,
    /// Authentication attempts of one connection, over all methods and names.
    pub(crate) auth_attempts: At<usize>,
    /// How long a refused login takes at least, so that its duration tells nothing.
    pub(crate) rejection_time: At<Span>,
    /// Connections overall; `0` derives it from the limit on file descriptors.
    pub(crate) connections: At<usize>,
    /// Session channels open at a time on one connection.
    pub(crate) session_channels: At<usize>,
    /// Channels that one connection may open in its life.
    pub(crate) channels: At<u64>,
    /// Environment variables of one channel.
    pub(crate) environment_variables: At<usize>,
    /// Size of all names and values of one channel's environment.
    pub(crate) environment_bytes: At<Size>,
    /// Size of a login name, of the name of a variable or of a subsystem.
    pub(crate) name_bytes: At<Size>,
    /// Size of a command line.
    pub(crate) command_bytes: At<Size>,
    /// How much may wait for a channel's program before the whole connection waits.
    pub(crate) channel_buffer: At<Size>,
    /// How long a backend may take to log a user in or to open a session.
    pub(crate) backend_open: At<Span>,
    /// How long a backend may take to answer a request on an open session.
    pub(crate) backend_request: At<Span>,
    /// How long the end of a connection waits for programs to end.
    pub(crate) disconnect_grace: At<Span>,
    /// How long sessions may go on after SIGTERM.
    pub(crate) shutdown_grace: At<Span>,
}

impl Default for Limits {
    fn default() -> Self {
        let limits = auditssh_gateway::Limits::default();
        let count = At::<usize>::unplaced;
        let size = |bytes| At::unplaced(Size::bytes(bytes));
        let span = |time| At::unplaced(Span::from(time));
        Self {
            unauthenticated: count(limits.unauthenticated),
            unauthenticated_per_source: count(limits.unauthenticated_per_source),
            unauthenticated_wait: span(limits.unauthenticated_wait),
            login_grace_time: span(limits.login_grace_time),
            auth_attempts: count(limits.auth_attempts),
            rejection_time: span(limits.rejection_time),
            connections: count(limits.connections),
            session_channels: count(limits.session_channels),
            channels: At::unplaced(limits.channels),
            environment_variables: count(limits.environment_variables),
            environment_bytes: size(limits.environment_bytes),
            name_bytes: size(limits.name_bytes),
            command_bytes: size(limits.command_bytes),
            channel_buffer: size(limits.channel_buffer),
            backend_open: span(limits.backend_open),
            backend_request: span(limits.backend_request),
            disconnect_grace: span(limits.disconnect_grace),
            shutdown_grace: span(limits.shutdown_grace),
        }
    }
}
