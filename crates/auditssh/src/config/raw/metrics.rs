//! `metrics` and `health`.

use crate::config::at::At;
use crate::config::one_or_many::{Address, OneOrMany};
use crate::config::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const METRICS_PORT: u16 = 9100;
const HEALTH_PORT: u16 = 7000;

/// Numbers for Prometheus, over HTTP.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Metrics {
    /// Whether they are served.
    pub(crate) enable: bool,
    /// Where to listen: an address and a port. By default only this machine can ask.
    #[schemars(with = "String")]
    pub(crate) listen: At<Address>,
    /// The path at which they are.
    pub(crate) path: At<String>,
    /// The private key to `cert`: a file with it, or the key itself (PEM).
    pub(crate) key: Option<At<Secret>>,
    /// The server's certificate, and those between it and an authority: a file with them, or the
    /// certificates themselves (PEM). With it the server speaks https only.
    pub(crate) cert: Option<At<String>>,
    /// Authorities: a file with them, or the certificates themselves (PEM). With it only clients
    /// with a certificate of one of them are served.
    pub(crate) clientcacert: Option<At<String>>,
    /// The lowest version of TLS: `1.3` or `1.2`.
    pub(crate) tls_version: At<String>,
    /// Curves for key exchange, the best first: `x25519`, `secp256r1`, `secp384r1` or
    /// `x25519mlkem768`; all of them if none is named.
    pub(crate) curves: At<OneOrMany<String>>,
    /// Cipher suites by their IANA names, the best first; all that the server knows if none is
    /// named.
    pub(crate) cipher: At<OneOrMany<String>>,
}

/// Whether the server does its work, over HTTP: 200 and `ok`, or 503 and why not.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Health {
    /// Whether it is served.
    pub(crate) enable: bool,
    /// Where to listen: an address and a port. By default only this machine can ask.
    #[schemars(with = "String")]
    pub(crate) listen: At<Address>,
    /// As in `metrics`.
    pub(crate) key: Option<At<Secret>>,
    /// As in `metrics`.
    pub(crate) cert: Option<At<String>>,
    /// As in `metrics`.
    pub(crate) clientcacert: Option<At<String>>,
    /// As in `metrics`.
    pub(crate) tls_version: At<String>,
    /// As in `metrics`.
    pub(crate) curves: At<OneOrMany<String>>,
    /// As in `metrics`.
    pub(crate) cipher: At<OneOrMany<String>>,
    /// Not in this version: nothing but the server itself reads this file.
    pub(crate) client: Option<At<BTreeMap<String, String>>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            enable: false,
            listen: local(METRICS_PORT),
            path: At::unplaced("/metrics".into()),
            key: None,
            cert: None,
            clientcacert: None,
            tls_version: newest(),
            curves: none(),
            cipher: none(),
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            enable: false,
            listen: local(HEALTH_PORT),
            key: None,
            cert: None,
            clientcacert: None,
            tls_version: newest(),
            curves: none(),
            cipher: none(),
            client: None,
        }
    }
}

fn local(port: u16) -> At<Address> {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    At::unplaced(Address(address))
}

fn newest() -> At<String> {
    At::unplaced("1.3".into())
}

fn none() -> At<OneOrMany<String>> {
    At::unplaced(OneOrMany(Vec::new()))
}
