//! `security.forwarding`.

use super::Mode;
use crate::config::at::At;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What may be forwarded: nothing, unless it is said here. See `docs/forwarding.md`. The mode `""`
/// means `defaultMode`.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Forwarding {
    /// Ports of the server's side to the client (`ssh -R`). `filter`: those in `permitListen`.
    #[serde(rename = "reverseForwardingMode")]
    pub(crate) reverse: At<Mode>,
    /// Connections of the client to ports (`ssh -L`, `-D`, `-W`). `filter`: those in `permitOpen`.
    #[serde(rename = "forwardingMode")]
    pub(crate) direct: At<Mode>,
    /// Connections of the client to Unix sockets (`ssh -L`). `filter` allows none.
    #[serde(rename = "socketForwardingMode")]
    pub(crate) socket: At<Mode>,
    /// Unix sockets of the server's side to the client (`ssh -R`). `filter` allows none.
    #[serde(rename = "socketListenMode")]
    pub(crate) socket_listen: At<Mode>,
    /// X11 (`ssh -X`). `filter` allows none.
    #[serde(rename = "x11ForwardingMode")]
    pub(crate) x11: At<Mode>,
    /// The client's agent (`ssh -A`). `filter` allows none.
    #[serde(rename = "agentForwardingMode")]
    pub(crate) agent: At<Mode>,
    /// With `forwardingMode: filter`: what clients may connect to, each `host:port`, with `*` for any
    /// host or any port. A host is compared as the client names it.
    #[serde(rename = "permitOpen")]
    pub(crate) permit_open: Vec<At<String>>,
    /// With `reverseForwardingMode: filter`: where clients may have the server listen, each
    /// `host:port` or a port, with `*` for any. A host is compared as the client names it; OpenSSH
    /// names `localhost` if it is given none.
    #[serde(rename = "permitListen")]
    pub(crate) permit_listen: Vec<At<String>>,
    /// On which addresses ports are listened to (`GatewayPorts` of OpenSSH).
    #[serde(rename = "gatewayPorts")]
    pub(crate) gateway_ports: GatewayPorts,
}

impl Default for Forwarding {
    fn default() -> Self {
        let off = || At::unplaced(Mode::Disable);
        Self {
            reverse: off(),
            direct: off(),
            socket: off(),
            socket_listen: off(),
            x11: off(),
            agent: off(),
            permit_open: Vec::new(),
            permit_listen: Vec::new(),
            gateway_ports: GatewayPorts::default(),
        }
    }
}

/// On which addresses ports are listened to.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GatewayPorts {
    /// The loopback ones, whatever the client asks for.
    #[default]
    No,
    /// Those that the client asks for.
    ClientSpecified,
    /// All, whatever the client asks for.
    Yes,
}
