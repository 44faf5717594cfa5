//! `configserver`.

use super::http::TlsVersion;
use crate::config::at::At;
use crate::config::bounds;
use crate::config::duration::Span;
use crate::config::one_or_many::OneOrMany;
use crate::config::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// ContainerSSH's server of a configuration for each connection, which is not asked in this version.
/// The block is taken as long as its `url` is empty.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ConfigServer {
    /// Where it is; nothing in this version.
    pub(crate) url: At<String>,
    /// See `auth.password.webhook`.
    pub(crate) allow_redirects: bool,
    /// See `auth.password.webhook`.
    #[schemars(transform = bounds::HTTP_TIMEOUT.told())]
    pub(crate) timeout: At<Span>,
    /// See `auth.password.webhook`.
    pub(crate) cacert: String,
    /// See `auth.password.webhook`.
    pub(crate) cert: String,
    /// See `auth.password.webhook`.
    pub(crate) key: Option<Secret>,
    /// See `auth.password.webhook`.
    pub(crate) tls_version: TlsVersion,
    /// See `auth.password.webhook`.
    pub(crate) curves: Option<OneOrMany<String>>,
    /// See `auth.password.webhook`.
    pub(crate) cipher: Option<OneOrMany<String>>,
    /// Whether it is told sensitive values, too.
    pub(crate) transmit_sensitive_metadata: bool,
}

impl Default for ConfigServer {
    fn default() -> Self {
        Self {
            url: At::unplaced(String::new()),
            allow_redirects: false,
            timeout: At::unplaced(Span::from_secs(2)),
            cacert: String::new(),
            cert: String::new(),
            key: None,
            tls_version: TlsVersion::default(),
            curves: None,
            cipher: None,
            transmit_sensitive_metadata: false,
        }
    }
}
