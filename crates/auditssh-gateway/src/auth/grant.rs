//! What a login that succeeded is worth.

use super::Facts;
use crate::security::Place;
use std::fmt;
use std::sync::Arc;

/// Proof that a user logged in, and what the login may do. Only this module's checks make one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grant {
    /// How the user was proven.
    pub method: Method,
    /// Fingerprint (`SHA256:...`) of the proven key; `None` after a password.
    pub fingerprint: Option<String>,
    /// What the certificate says, where there was one.
    pub certificate: Option<CertificateDetails>,
    /// What the login may do.
    pub restrictions: Restrictions,
    /// What services said of the user.
    pub facts: Arc<Facts>,
}

/// How a user was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// By a password, also one typed at the prompt of `keyboard-interactive`.
    Password,
    /// By the signature of an authorized key.
    PublicKey,
    /// By the signature of a certified key.
    Certificate,
}

/// What a user certificate says of itself (PROTOCOL.certkeys of OpenSSH).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateDetails {
    /// Serial number given by the authority.
    pub serial: u64,
    /// Key id given by the authority.
    pub key_id: String,
    /// Fingerprint (`SHA256:...`) of the authority's key.
    pub authority: String,
    /// The names it is good for.
    pub principals: Vec<String>,
}

/// What a login may do. Whoever starts programs for it must honour all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent permissions, as authorized_keys has them"
)]
pub struct Restrictions {
    /// Run in place of whatever is asked for, which goes into `SSH_ORIGINAL_COMMAND`.
    pub command: Option<String>,
    /// Whether a terminal may be had.
    pub pty: bool,
    /// Whether ports and sockets may be forwarded.
    pub port_forwarding: bool,
    /// Which hosts and ports may be connected to; `None` for any.
    pub permit_open: Option<Vec<Place>>,
    /// Which addresses and ports may be listened to; `None` for any.
    pub permit_listen: Option<Vec<Place>>,
    /// Whether the agent may be forwarded.
    pub agent_forwarding: bool,
    /// Whether X11 may be forwarded.
    pub x11_forwarding: bool,
    /// Whether the user's own `rc` file may be run.
    pub user_rc: bool,
    /// Variables for every program of the login.
    pub environment: Vec<(String, String)>,
}

impl Default for Restrictions {
    /// Everything is allowed.
    fn default() -> Self {
        Self {
            command: None,
            pty: true,
            port_forwarding: true,
            permit_open: None,
            permit_listen: None,
            agent_forwarding: true,
            x11_forwarding: true,
            user_rc: true,
            environment: Vec::new(),
        }
    }
}

impl Restrictions {
    /// Nothing but to run a command without a terminal.
    pub(crate) fn least() -> Self {
        Self {
            command: None,
            pty: false,
            port_forwarding: false,
            permit_open: None,
            permit_listen: None,
            agent_forwarding: false,
            x11_forwarding: false,
            user_rc: false,
            environment: Vec::new(),
        }
    }

    /// What both allow; `None` if each forces another command.
    pub(crate) fn and(self, other: Self) -> Option<Self> {
        let command = match (self.command, other.command) {
            (Some(one), Some(two)) if one != two => return None,
            (one, two) => one.or(two),
        };
        let permit_open = both(self.permit_open, other.permit_open);
        let permit_listen = both(self.permit_listen, other.permit_listen);
        let mut environment = self.environment;
        environment.extend(other.environment);
        Some(Self {
            command,
            pty: self.pty && other.pty,
            port_forwarding: self.port_forwarding
                && other.port_forwarding
                && permit_open.is_ok()
                && permit_listen.is_ok(),
            permit_open: permit_open.unwrap_or_default(),
            permit_listen: permit_listen.unwrap_or_default(),
            agent_forwarding: self.agent_forwarding && other.agent_forwarding,
            x11_forwarding: self.x11_forwarding && other.x11_forwarding,
            user_rc: self.user_rc && other.user_rc,
            environment,
        })
    }
}

/// The places that two lists allow. Of two lists that differ nothing is made: their places may
/// overlap in ways that no list says.
fn both(one: Option<Vec<Place>>, two: Option<Vec<Place>>) -> Result<Option<Vec<Place>>, ()> {
    match (one, two) {
        (Some(one), Some(two)) if one != two => Err(()),
        (one, two) => Ok(one.or(two)),
    }
}

impl Grant {
    pub(crate) fn password() -> Self {
        Self {
            method: Method::Password,
            fingerprint: None,
            certificate: None,
            restrictions: Restrictions::default(),
            facts: Arc::default(),
        }
    }

    pub(crate) fn public_key(fingerprint: String, restrictions: Restrictions) -> Self {
        Self {
            method: Method::PublicKey,
            fingerprint: Some(fingerprint),
            certificate: None,
            restrictions,
            facts: Arc::default(),
        }
    }

    pub(crate) fn certificate(
        fingerprint: String,
        details: CertificateDetails,
        restrictions: Restrictions,
    ) -> Self {
        Self {
            method: Method::Certificate,
            fingerprint: Some(fingerprint),
            certificate: Some(details),
            restrictions,
            facts: Arc::default(),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password => "password",
            Self::PublicKey => "publickey",
            Self::Certificate => "certificate",
        })
    }
}
