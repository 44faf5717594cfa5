//! `auth.keyboardInteractive.oauth2`.

use super::http::TlsVersion;
use crate::config::at::At;
use crate::config::bounds;
use crate::config::duration::Span;
use crate::config::ignored::Ignored;
use crate::config::one_or_many::OneOrMany;
use crate::config::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Users prove themselves on a web page (RFC 8628); see [oauth2.md](oauth2.md).
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Oauth2 {
    /// Whom users prove themselves to.
    pub(crate) provider: At<Oauth2Provider>,
    /// The identifier that the provider has given this server.
    pub(crate) client_id: At<String>,
    /// The secret that belongs to it; may be left out if the provider asks for none.
    pub(crate) client_secret: Option<At<Secret>>,
    /// How long a user may take, from the begin to the login. `limits.loginGraceTime` cuts it short.
    #[schemars(transform = bounds::AUTH_TIMEOUT.told())]
    pub(crate) auth_timeout: At<Span>,
    /// For the provider `github`.
    pub(crate) github: GitHub,
    /// For the provider `oidc`.
    pub(crate) oidc: Oidc,
    /// Settings of ContainerSSH for a flow that is not in this version.
    pub(crate) redirect: Ignored,
    /// Settings of ContainerSSH for a provider that is not in this version.
    pub(crate) generic: Ignored,
    /// Without effect: the address is shown as text, to all clients alike.
    pub(crate) qr_code_clients: Vec<String>,
    /// Without effect: the device flow is for all clients.
    pub(crate) device_flow_clients: Vec<String>,
}

/// Whom users prove themselves to.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Oauth2Provider {
    /// Nobody.
    #[default]
    #[serde(rename = "")]
    None,
    /// GitHub, or a GitHub Enterprise.
    Github,
    /// Any provider of OpenID Connect that has the device flow.
    Oidc,
    /// Not in this version.
    Generic,
}

/// GitHub.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct GitHub {
    /// Where its pages are.
    pub(crate) url: At<String>,
    /// Where its programming interface is.
    pub(crate) apiurl: At<String>,
    /// Whether the login name must be that of the user at GitHub.
    pub(crate) enforce_username: bool,
    /// An organization of which the user must be an active member; empty for none.
    pub(crate) require_org_membership: At<String>,
    /// Whether the user must have a second factor.
    #[serde(rename = "require2FA")]
    pub(crate) require_2fa: bool,
    /// Scopes that are asked for beyond those that are needed.
    pub(crate) extra_scopes: At<Vec<String>>,
    /// Whether a user who grants fewer scopes is refused.
    pub(crate) enforce_scopes: bool,
    /// How long one request may take.
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
}

/// A provider of OpenID Connect.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Oidc {
    /// Its issuer: below it lies `/.well-known/openid-configuration`.
    pub(crate) url: At<String>,
    /// The device flow, which is what there is.
    pub(crate) device_flow: At<bool>,
    /// A flow that is not in this version.
    pub(crate) authorization_code_flow: At<bool>,
    /// The claim that is the name of the user.
    pub(crate) username_field: At<String>,
    /// Whether the login name must be that name.
    pub(crate) enforce_username: bool,
    /// For a flow that is not in this version.
    #[serde(rename = "redirectURI")]
    pub(crate) redirect_uri: String,
    /// Scopes that are asked for beside `openid`.
    pub(crate) extra_scopes: At<Vec<String>>,
    /// Whether a user who grants fewer scopes is refused.
    pub(crate) enforce_scopes: bool,
    /// See `auth.password.webhook`.
    pub(crate) allow_redirects: At<bool>,
    /// How long one request may take.
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
}

fn text(text: &str) -> At<String> {
    At::unplaced(text.to_owned())
}

impl Default for Oauth2 {
    fn default() -> Self {
        Self {
            provider: At::default(),
            client_id: text(""),
            client_secret: None,
            auth_timeout: At::unplaced(Span::from_secs(120)),
            github: GitHub::default(),
            oidc: Oidc::default(),
            redirect: Ignored,
            generic: Ignored,
            qr_code_clients: Vec::new(),
            device_flow_clients: Vec::new(),
        }
    }
}

impl Default for GitHub {
    fn default() -> Self {
        Self {
            url: text("https://github.com"),
            apiurl: text("https://api.github.com"),
            enforce_username: true,
            require_org_membership: text(""),
            require_2fa: false,
            extra_scopes: At::default(),
            enforce_scopes: false,
            timeout: At::unplaced(Span::from_secs(10)),
            cacert: text(""),
            cert: text(""),
            key: None,
            tls_version: TlsVersion::default(),
            curves: None,
            cipher: None,
        }
    }
}

impl Default for Oidc {
    fn default() -> Self {
        Self {
            url: text(""),
            device_flow: At::unplaced(true),
            authorization_code_flow: At::unplaced(false),
            username_field: text("sub"),
            enforce_username: true,
            redirect_uri: String::new(),
            extra_scopes: At::default(),
            enforce_scopes: false,
            allow_redirects: At::unplaced(false),
            timeout: At::unplaced(Span::from_secs(10)),
            cacert: text(""),
            cert: text(""),
            key: None,
            tls_version: TlsVersion::default(),
            curves: None,
            cipher: None,
        }
    }
}
