//! `auth.keyboardInteractive.oauth2`.

use super::http::http_block;
use crate::config::at::At;
use crate::config::bounds;
use crate::config::duration::Span;
use crate::config::ignored::Ignored;
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

http_block! {
    /// GitHub.
    GitHub, see "See `auth.password.webhook`.", timeout 10 {
        /// Where its pages are.
        url: At<String> = text("https://github.com"),
        /// Where its programming interface is.
        apiurl: At<String> = text("https://api.github.com"),
        /// Whether the login name must be that of the user at GitHub.
        enforce_username: bool = true,
        /// An organization of which the user must be an active member; empty for none.
        require_org_membership: At<String> = At::default(),
        /// Whether the user must have a second factor.
        #[serde(rename = "require2FA")]
        require_2fa: bool = false,
        /// Scopes that are asked for beyond those that are needed.
        extra_scopes: At<Vec<String>> = At::default(),
        /// Whether a user who grants fewer scopes is refused.
        enforce_scopes: bool = false,
    }
}

http_block! {
    /// A provider of OpenID Connect.
    Oidc, see "See `auth.password.webhook`.", timeout 10 {
        /// Its issuer: below it lies `/.well-known/openid-configuration`.
        url: At<String> = At::default(),
        /// The device flow, which is what there is.
        device_flow: At<bool> = At::unplaced(true),
        /// A flow that is not in this version.
        authorization_code_flow: At<bool> = At::default(),
        /// The claim that is the name of the user.
        username_field: At<String> = text("sub"),
        /// Whether the login name must be that name.
        enforce_username: bool = true,
        /// For a flow that is not in this version.
        #[serde(rename = "redirectURI")]
        redirect_uri: String = String::new(),
        /// Scopes that are asked for beside `openid`.
        extra_scopes: At<Vec<String>> = At::default(),
        /// Whether a user who grants fewer scopes is refused.
        enforce_scopes: bool = false,
        /// See `auth.password.webhook`.
        allow_redirects: At<bool> = At::default(),
    }
}

fn text(text: &str) -> At<String> {
    At::unplaced(text.to_owned())
}

impl Default for Oauth2 {
    fn default() -> Self {
        Self {
            provider: At::default(),
            client_id: At::default(),
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
