//! `limits`.

use crate::config::at::At;
use crate::config::bounds;
use crate::config::duration::Span;
use crate::config::size::Size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits on everything that a client can make grow.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Limits {
    /// Connections that are not logged in, overall.
    #[schemars(transform = bounds::UNAUTHENTICATED.told())]
    pub(crate) unauthenticated: At<usize>,
    /// Connections that are not logged in, from one address (an IPv6 /64 counts as one).
    #[schemars(transform = bounds::UNAUTHENTICATED.told())]
    pub(crate) unauthenticated_per_source: At<usize>,
    /// How long an excess connection waits for room before it is refused.
    #[schemars(transform = bounds::UNAUTHENTICATED_WAIT.told())]
    pub(crate) unauthenticated_wait: At<Span>,
    /// Time to log in, from the moment of the connection.
    #[schemars(transform = bounds::LOGIN_GRACE_TIME.told())]
    pub(crate) login_grace_time: At<Span>,
    /// Authentication attempts of one connection, over all methods and names.
    #[schemars(transform = bounds::AUTH_ATTEMPTS.told())]
    pub(crate) auth_attempts: At<usize>,
    /// How long a refused login takes at least, so that its duration tells nothing.
    #[schemars(transform = bounds::REJECTION_TIME.told())]
    pub(crate) rejection_time: At<Span>,
    /// Connections overall; `0` derives it from the limit on file descriptors.
    #[schemars(transform = bounds::CONNECTIONS.told())]
    pub(crate) connections: At<usize>,
    /// Session channels open at a time on one connection.
    #[schemars(transform = bounds::SESSION_CHANNELS.told())]
    pub(crate) session_channels: At<usize>,
    /// Channels that one connection may open in its life. Forwarded ones that the client closes
    /// first do not count.
    #[schemars(transform = bounds::CHANNELS.told())]
    pub(crate) channels: At<u64>,
    /// Forwarded channels open at a time on one connection.
    #[schemars(transform = bounds::FORWARDED_CHANNELS.told())]
    pub(crate) forwarded_channels: At<usize>,
    /// Ports and sockets that are listened to at a time for one connection.
    #[schemars(transform = bounds::LISTENERS.told())]
    pub(crate) listeners: At<usize>,
    /// How long it may take to connect to where a client wants.
    #[schemars(transform = bounds::BACKEND_TIME.told())]
    pub(crate) forward_connect: At<Span>,
    /// Environment variables of one channel.
    #[schemars(transform = bounds::ENVIRONMENT_VARIABLES.told())]
    pub(crate) environment_variables: At<usize>,
    /// Size of all names and values of one channel's environment.
    #[schemars(transform = bounds::ENVIRONMENT_BYTES.told())]
    pub(crate) environment_bytes: At<Size>,
    /// Size of a login name, of the name of a variable, a subsystem, a terminal or a signal.
    #[schemars(transform = bounds::NAME_BYTES.told())]
    pub(crate) name_bytes: At<Size>,
    /// Size of a command line.
    #[schemars(transform = bounds::COMMAND_BYTES.told())]
    pub(crate) command_bytes: At<Size>,
    /// How much may wait for a channel's program before the whole connection waits; with `sshproxy`
    /// also how much of its output may wait for the client.
    #[schemars(transform = bounds::CHANNEL_BUFFER.told())]
    pub(crate) channel_buffer: At<Size>,
    /// How much may wait for the programs of all connections together, and with `sshproxy` as much
    /// again for all clients; beyond that a channel has room for 64 KiB.
    #[schemars(transform = bounds::TOTAL_BUFFER.told())]
    pub(crate) total_buffer: At<Size>,
    /// How long a backend may take to log a user in or to open a session.
    #[schemars(transform = bounds::BACKEND_TIME.told())]
    pub(crate) backend_open: At<Span>,
    /// How long a backend may take to answer a request on an open session.
    #[schemars(transform = bounds::BACKEND_TIME.told())]
    pub(crate) backend_request: At<Span>,
    /// How long the end of a connection waits for programs to end. Half of it is for programs
    /// without a terminal whose channel the client has closed, before they get SIGHUP; of the last
    /// 3 s nothing is.
    #[schemars(transform = bounds::DISCONNECT_GRACE.told())]
    pub(crate) disconnect_grace: At<Span>,
    /// How long sessions may go on after SIGTERM.
    #[schemars(transform = bounds::SHUTDOWN_GRACE.told())]
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
            forwarded_channels: count(limits.forwarded_channels),
            listeners: count(limits.listeners),
            forward_connect: span(limits.forward_connect),
            environment_variables: count(limits.environment_variables),
            environment_bytes: size(limits.environment_bytes),
            name_bytes: size(limits.name_bytes),
            command_bytes: size(limits.command_bytes),
            channel_buffer: size(limits.channel_buffer),
            total_buffer: size(limits.total_buffer),
            backend_open: span(limits.backend_open),
            backend_request: span(limits.backend_request),
            disconnect_grace: span(limits.disconnect_grace),
            shutdown_grace: span(limits.shutdown_grace),
        }
    }
}
