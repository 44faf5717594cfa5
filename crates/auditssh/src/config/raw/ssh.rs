//! `ssh`.

use crate::config::at::At;
use crate::config::bounds;
use crate::config::duration::Span;
use crate::config::one_or_many::{Address, OneOrMany};
use crate::config::size::Size;
use auditssh_gateway::Settings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Reached from this machine only, on a port that anyone may listen on.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 2222);

/// The SSH side: where to listen, as whom, and what keeps a connection alive.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Ssh {
    /// Where to listen: an address and a port such as `0.0.0.0:22` or `[::]:2222`, or a list of
    /// such.
    #[schemars(extend("minItems" = 1))]
    pub(crate) listen: At<OneOrMany<Address>>,
    /// Balancers in front of the server, by address or network (`10.0.0.0/8`): a connection from
    /// there must begin with a header of the PROXY protocol (version 1 or 2) that tells where the
    /// client is, which is believed. Give none but those: who may connect from there can claim any
    /// address.
    pub(crate) proxy_protocol: Option<At<OneOrMany<String>>>,
    /// Files with the server's private keys (OpenSSH format; Ed25519, RSA or ECDSA; not
    /// encrypted). Without any, an Ed25519 key is kept in `/etc/auditssh/ssh_host_ed25519_key`;
    /// that one is made if it is missing, any other must be there.
    pub(crate) hostkeys: Vec<At<String>>,
    /// A text shown before the login (RFC 4252, 5.4). None if it is empty.
    pub(crate) banner: String,
    /// What the server calls itself (RFC 4253, 4.2): `SSH-2.0-` and printable ASCII without blanks
    /// or `-`, then optionally a blank and a comment; 200 bytes at most.
    pub(crate) server_version: At<String>,
    /// After how long a silence a client is asked whether it is still there; `0s` never asks.
    #[schemars(transform = bounds::CLIENT_ALIVE_INTERVAL.told())]
    pub(crate) client_alive_interval: At<Span>,
    /// How many such questions in a row may go unanswered before the connection ends.
    #[schemars(transform = bounds::CLIENT_ALIVE_COUNT_MAX.told())]
    pub(crate) client_alive_count_max: At<usize>,
    /// After how much data in either direction keys are exchanged anew (RFC 4253, 9); also on the
    /// connections of `sshproxy`.
    #[schemars(transform = bounds::REKEY_LIMIT.told())]
    pub(crate) rekey_limit: At<Size>,
    /// The ciphers that clients are offered; without any, the safe ones. Of what both sides have, the
    /// one counts that the client names first (RFC 4253, 7.1).
    pub(crate) ciphers: At<Vec<String>>,
    /// The key exchanges, likewise. Those with curves of NIST (`ecdh-sha2-nistp256`, …) are offered
    /// only if they stand here.
    pub(crate) kex: At<Vec<String>>,
    /// The MACs, likewise; they go with the ciphers `aes…-ctr`, the others have their own.
    pub(crate) macs: At<Vec<String>>,
    /// The algorithms of host keys, likewise; keys of `hostkeys` of another algorithm are not shown,
    /// and one at least must be. `ssh-rsa` stands for RSA keys, with signatures of SHA-2 only; names
    /// of certificates stand for their keys.
    pub(crate) host_key_algorithms: At<Vec<String>>,
    /// A file with the public keys of the authorities whose user certificates are accepted, one a
    /// line, or a list of such files.
    #[serde(rename = "trustedUserCAKeys")]
    pub(crate) trusted_user_ca_keys: Option<At<OneOrMany<String>>>,
}

impl Default for Ssh {
    fn default() -> Self {
        Self {
            listen: At::unplaced(OneOrMany(vec![Address(DEFAULT_LISTEN)])),
            proxy_protocol: None,
            hostkeys: Vec::new(),
            banner: String::new(),
            server_version: At::unplaced(Settings::SERVER_VERSION.into()),
            client_alive_interval: At::unplaced(Span::from_secs(0)),
            client_alive_count_max: At::unplaced(3),
            rekey_limit: At::unplaced(Size::gibibytes(1)),
            ciphers: At::default(),
            kex: At::default(),
            macs: At::default(),
            host_key_algorithms: At::default(),
            trusted_user_ca_keys: None,
        }
    }
}
