//! `configserver`.

use super::http::TlsVersion;
use crate::config::at::At;
use crate::config::bounds;
use crate::config::duration::Span;
use crate::config::one_or_many::OneOrMany;
use crate::config::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A server that is asked, once a user is logged in, what the connection is served by: which backend,
/// with which settings, and what its sessions may do. See [configserver.md](configserver.md).
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ConfigServer {
    /// Where it is, as `http://` or `https://` with host, port and path; empty for none. If it gives no
    /// answer that can be taken within 60 s, the connection is ended.
    pub(crate) url: At<String>,
    /// See `auth.password.webhook`.
    pub(crate) allow_redirects: At<bool>,
    /// See `auth.password.webhook`.
    #[schemars(transform = bounds::HTTP_TIMEOUT.told())]
    pub(crate) timeout: At<Span>,
    /// See `auth.password.webhook`.
    pub(crate) cacert: At<String>,
    /// See `auth.password.webhook`.
    pub(crate) cert: At<String>,
    /// See `auth.password.webhook`.
    pub(crate) key: Option<At<Secret>>,
    /// See `auth.password.webhook`.
    pub(crate) tls_version: TlsVersion,
    /// See `auth.password.webhook`.
    pub(crate) curves: Option<At<OneOrMany<String>>>,
    /// See `auth.password.webhook`.
    pub(crate) cipher: Option<At<OneOrMany<String>>>,
    /// Whether it is told sensitive values, too.
    pub(crate) transmit_sensitive_metadata: bool,
}

impl Default for ConfigServer {
    fn default() -> Self {
        Self {
            url: At::unplaced(String::new()),
            allow_redirects: At::unplaced(false),
            timeout: At::unplaced(Span::from_secs(2)),
            cacert: At::unplaced(String::new()),
            cert: At::unplaced(String::new()),
            key: None,
            tls_version: TlsVersion::default(),
            curves: None,
            cipher: None,
            transmit_sensitive_metadata: false,
        }
    }
}
