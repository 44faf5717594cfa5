//! What may be forwarded.

#[cfg(test)]
mod tests;

use super::{Barred, Mode};
use std::fmt;

/// `security.forwarding`. The default forwards nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarding {
    /// `forwardingMode`, `permitOpen`: connections of the client to ports.
    pub open: Places,
    /// `reverseForwardingMode`, `permitListen`: ports of the server's side to the client.
    pub listen: Places,
    /// `socketForwardingMode`: connections of the client to Unix sockets.
    pub socket: Mode,
    /// `socketListenMode`: Unix sockets of the server's side to the client.
    pub socket_listen: Mode,
    /// `x11ForwardingMode`.
    pub x11: Mode,
    /// `agentForwardingMode`.
    pub agent: Mode,
    /// `gatewayPorts`: on which addresses ports may be listened to.
    pub gateway_ports: GatewayPorts,
}

impl Default for Forwarding {
    fn default() -> Self {
        Self {
            open: Places::none(),
            listen: Places::none(),
            socket: Mode::Disable,
            socket_listen: Mode::Disable,
            x11: Mode::Disable,
            agent: Mode::Disable,
            gateway_ports: GatewayPorts::No,
        }
    }
}

/// Which hosts and ports are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// How.
    pub mode: Mode,
    /// Allowed in the mode `filter`.
    pub permit: Vec<Place>,
}

impl Places {
    const fn none() -> Self {
        Self {
            mode: Mode::Disable,
            permit: Vec::new(),
        }
    }

    pub(super) fn judge(&self, host: &str, port: u32) -> Result<(), Barred> {
        match self.mode {
            Mode::Disable => Err(Barred::Disabled),
            Mode::Filter if !permitted(&self.permit, host, port) => Err(Barred::NotAllowed),
            Mode::Enable | Mode::Filter => Ok(()),
        }
    }
}

/// Whether a list has a host and a port.
pub(super) fn permitted(list: &[Place], host: &str, port: u32) -> bool {
    list.iter().any(|place| place.holds(host, port))
}

/// A host and a port, as `PermitOpen` and `PermitListen` of OpenSSH have them (`sshd_config(5)`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As a client names it; `None` for any.
    host: Option<String>,
    /// `None` for any.
    port: Option<u16>,
}

/// Text is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`host:port` is meant, with `*` for any host or any port, and `[...]` around an IPv6 address"
)]
pub struct NoPlace;

impl Place {
    /// `host:port`.
    pub fn open(text: &str) -> Result<Self, NoPlace> {
        let (host, port) = text.rsplit_once(':').ok_or(NoPlace)?;
        let bracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(host) => host,
            None if host.contains([':', '[', ']']) => return Err(NoPlace),
            None => host,
        };
        let odd = |letter: char| letter.is_whitespace() || letter.is_control();
        if host.is_empty() || host.contains(odd) || (host.contains(['*', '?']) && host != "*") {
            return Err(NoPlace);
        }
        Ok(Self {
            host: (host != "*").then(|| host.to_owned()),
            port: any(port)?,
        })
    }

    /// `host:port`, or a port alone for any host.
    pub fn listen(text: &str) -> Result<Self, NoPlace> {
        if text.contains(':') {
            return Self::open(text);
        }
        Ok(Self {
            host: None,
            port: any(text)?,
        })
    }

    fn holds(&self, host: &str, port: u32) -> bool {
        let same = |own: &String| own.eq_ignore_ascii_case(host);
        self.host.as_ref().is_none_or(same) && self.port.is_none_or(|own| u32::from(own) == port)
    }
}

fn any(port: &str) -> Result<Option<u16>, NoPlace> {
    if port == "*" {
        return Ok(None);
    }
    // No sign, no blanks.
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NoPlace);
    }
    let port = port.parse().map_err(|_| NoPlace)?;
    (port != 0).then_some(Some(port)).ok_or(NoPlace)
}

/// On which addresses ports may be listened to, as with `GatewayPorts` of OpenSSH.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GatewayPorts {
    /// The loopback ones, whatever is asked for.
    #[default]
    No,
    /// Those that the client asks for.
    ClientSpecified,
    /// All, whatever is asked for.
    Yes,
}

/// On which addresses a port is listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interface {
    /// Those of the loopback interface.
    Loopback,
    /// All.
    Any,
    /// One, as it was named.
    Named(String),
}

impl GatewayPorts {
    /// What becomes of an address that is asked for (RFC 4254, 7.1).
    pub fn interface(self, asked: &str) -> Interface {
        match (self, asked) {
            (_, "127.0.0.1" | "::1") if self != Self::Yes => Interface::Named(asked.to_owned()),
            (Self::No, _) | (Self::ClientSpecified, "localhost") => Interface::Loopback,
            (Self::Yes, _) | (Self::ClientSpecified, "" | "*") => Interface::Any,
            (Self::ClientSpecified, _) => Interface::Named(asked.to_owned()),
        }
    }
}

impl fmt::Display for Interface {
    /// As a server behind the gateway is asked for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "localhost",
            Self::Any => "",
            Self::Named(address) => address,
        })
    }
}
