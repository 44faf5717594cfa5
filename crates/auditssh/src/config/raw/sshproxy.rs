//! `sshproxy`.

use crate::config::at::At;
use crate::config::bounds;
use crate::config::duration::Span;
use crate::config::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The backend `sshproxy`: programs run on another host, which the gateway reaches by SSH.
/// `docs/sshproxy.md` shows how it is set up.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct SshProxy {
    /// The host, by name or address.
    pub(crate) server: At<String>,
    /// The port of its SSH server.
    #[schemars(transform = bounds::PORT.told())]
    pub(crate) port: At<u16>,
    /// As whom the gateway logs in there, whoever the user is.
    pub(crate) username: At<String>,
    /// Log in there under the login name of the user; `username` is not used then.
    pub(crate) username_pass_through: bool,
    /// The password of the gateway there; also the answer to the one question of
    /// keyboard-interactive.
    pub(crate) password: Option<At<Secret>>,
    /// A file with that password as its only line, closed to others; read for each connection.
    pub(crate) password_file: Option<At<String>>,
    /// The private key of the gateway there, without passphrase: as PEM text, or the path of a
    /// file, closed to others and read for each connection.
    pub(crate) private_key: Option<At<Secret>>,
    /// The socket of an SSH agent whose keys are tried, 5 of them at most.
    pub(crate) agent: Option<At<String>>,
    /// Log in there by the agent of the user, who connects with `ssh -A`; 5 of its keys are tried.
    pub(crate) forward_agent: bool,
    /// The private key of an authority for user certificates, given like `privateKey`: for each
    /// connection the gateway makes a key and certifies it for the user (principal). The host must
    /// trust the authority (`TrustedUserCAKeys` of sshd).
    #[serde(rename = "userCAKey")]
    pub(crate) user_ca_key: Option<At<Secret>>,
    /// For how long such a certificate is valid; it is needed only until the login there.
    #[schemars(transform = bounds::CERTIFICATE_LIFETIME.told())]
    pub(crate) certificate_lifetime: At<Span>,
    /// The fingerprints of the host's keys, as `ssh-keygen -l` prints them (`SHA256:…`). A host
    /// that shows another key is sent nothing.
    pub(crate) allowed_host_key_fingerprints: Vec<At<String>>,
    /// A file of known hosts, such as `ssh-keyscan` makes, with `@cert-authority` and `@revoked`; read
    /// for each connection. What it knows of the host is trusted besides the fingerprints, unless it
    /// is revoked.
    pub(crate) known_hosts: Option<At<String>>,
    /// The ciphers that are proposed to the host, the best first; without any, the safe ones.
    pub(crate) ciphers: At<Vec<String>>,
    /// The key exchanges, likewise.
    pub(crate) kex: At<Vec<String>>,
    /// The MACs, likewise.
    pub(crate) macs: At<Vec<String>>,
    /// The algorithms of host keys that are taken, likewise. RSA is taken with SHA-2 only.
    pub(crate) host_key_algorithms: At<Vec<String>>,
    /// Another name for `hostKeyAlgorithms`. Only one of them may be given.
    pub(crate) host_key_algos: At<Vec<String>>,
    /// What divides a login name into the user and the name of a route, `%` or `+`: with `%`, who
    /// logs in as `alice%db` is the user `alice` and is led by the route `db`. Without it, names are
    /// not divided.
    pub(crate) route_separator: At<String>,
    /// The hosts that users may name, a map from the name to what stands behind it. The name may be a
    /// pattern with `*` and `?`, such as `*.db.example.com`; one that ends so is for addresses only.
    /// A host that no route names can't be reached. Host keys are those of `knownHosts`.
    pub(crate) routes: At<BTreeMap<String, Route>>,
    /// How long the connection, the exchange of keys and the login there may take together.
    #[schemars(transform = bounds::BACKEND_TIME.told())]
    pub(crate) timeout: At<Span>,
    /// How many connections to the host one user's connection may have. With more than one, each
    /// channel has one of its own while there may be so many, so that a channel that the user does
    /// not read holds up no other; the gateway logs in to the host for each.
    #[schemars(transform = bounds::HOST_CONNECTIONS.told())]
    pub(crate) connections: At<usize>,
    /// What the gateway calls itself there, in the form of `ssh.serverVersion`.
    pub(crate) client_version: At<String>,
}

impl Default for SshProxy {
    fn default() -> Self {
        let nothing = || At::unplaced(String::new());
        Self {
            server: nothing(),
            port: At::unplaced(22),
            username: nothing(),
            username_pass_through: false,
            password: None,
            password_file: None,
            private_key: None,
            agent: None,
            forward_agent: false,
            user_ca_key: None,
            certificate_lifetime: At::unplaced(Span::from_secs(120)),
            allowed_host_key_fingerprints: Vec::new(),
            known_hosts: None,
            ciphers: At::default(),
            kex: At::default(),
            macs: At::default(),
            host_key_algorithms: At::default(),
            host_key_algos: At::default(),
            route_separator: nothing(),
            routes: At::default(),
            timeout: At::unplaced(Span::from_secs(60)),
            connections: At::unplaced(1),
            client_version: At::unplaced("SSH-2.0-AuditSSH".into()),
        }
    }
}

/// One route; what is left out is as in `sshproxy`.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Route {
    /// The host; without it, what the user named.
    pub(crate) server: Option<At<String>>,
    /// The port of its SSH server.
    #[schemars(transform = bounds::PORT.told())]
    pub(crate) port: At<u16>,
    /// As whom the gateway logs in there.
    pub(crate) username: Option<String>,
    /// Log in there under the name of the user.
    pub(crate) username_pass_through: Option<bool>,
    /// The users who may go there; without the key, all.
    #[serde(deserialize_with = "listed", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>")]
    pub(crate) users: Option<At<Vec<String>>>,
    /// The fingerprints of its keys, in place of those of `sshproxy`.
    pub(crate) allowed_host_key_fingerprints: Vec<At<String>>,
}

impl Default for Route {
    fn default() -> Self {
        Self {
            server: None,
            port: At::unplaced(22),
            username: None,
            username_pass_through: None,
            users: None,
            allowed_host_key_fingerprints: Vec::new(),
        }
    }
}

/// A list that is written down, if only as nothing: unlike a missing one, it is not everyone's.
fn listed<'de, D>(deserializer: D) -> Result<Option<At<Vec<String>>>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    At::deserialize(deserializer).map(Some)
}
