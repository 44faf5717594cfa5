//! A provider of OpenID Connect.

use super::flow::{Awaited, Endpoints, Named, Provider, Token, unanswered};
use super::site::{By, beside, get};
use super::{Registration, token};
use crate::client::Client;
use crate::failure::Failure;
use crate::webhooks::Webhook;
use async_trait::async_trait;
use auditssh_gateway::auth::Elsewhere;
use auditssh_gateway::auth::elsewhere::Pending;
use auditssh_gateway::auth::service::{Applicant, Unanswered};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// A provider.
#[derive(Clone, Debug)]
pub struct Oidc(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    within: Duration,
    /// As it stands in tokens.
    issuer: String,
    /// The claim that is the user's name.
    name: String,
    registration: Registration,
}

/// What a provider says of itself (OpenID Connect Discovery, 3).
#[derive(Deserialize)]
pub(super) struct Discovered {
    issuer: String,
    #[serde(default)]
    pub(super) authorization_endpoint: Option<String>,
    #[serde(default)]
    device_authorization_endpoint: Option<String>,
    pub(super) token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<Value>,
}

/// A provider with what it says of itself, for one login.
#[derive(Clone, Debug)]
struct Known {
    inner: Arc<Inner>,
    discovered: Arc<Discovered>,
}

impl Oidc {
    /// By its issuer, of which `webhook` is the address; `name` is the claim that is the user's name.
    pub fn new(webhook: Webhook, issuer: String, name: String, registration: Registration) -> Self {
        Self(Arc::new(Inner {
            client: webhook.client,
            within: webhook.within,
            issuer,
            name,
            registration,
        }))
    }

    async fn awaited(&self, applicant: &Applicant) -> Result<Awaited<Known>, Failure> {
        let inner = &*self.0;
        let client = &inner.client;
        let discovered = Discovered::of(client, &inner.issuer).await?;
        let Some(device) = &discovered.device_authorization_endpoint else {
            let text = "the provider has no device flow (device_authorization_endpoint)";
            return Err(Failure::Malformed(text.to_owned()));
        };
        let mut scopes = vec!["openid".to_owned()];
        scopes.extend(inner.registration.extra_scopes.iter().cloned());
        let basic = discovered.takes_basic();
        let endpoints = Endpoints {
            device: beside(client, device)?,
            token: beside(client, &discovered.token_endpoint)?,
            scopes,
            basic,
        };
        let known = Known {
            inner: Arc::clone(&self.0),
            discovered: Arc::new(discovered),
        };
        Awaited::begin(known, endpoints, applicant, inner.within).await
    }
}

#[async_trait]
impl Elsewhere for Oidc {
    async fn begin(&self, applicant: &Applicant) -> Result<Box<dyn Pending>, Unanswered> {
        match self.awaited(applicant).await {
            Ok(awaited) => Ok(Box::new(awaited)),
            Err(failure) => Err(unanswered(&failure)),
        }
    }
}

#[async_trait]
impl Provider for Known {
    fn registration(&self) -> &Registration {
        &self.inner.registration
    }

    async fn name(&self, token: &Token) -> Result<Named, Failure> {
        let Inner {
            client,
            name,
            registration,
            ..
        } = &*self.inner;
        let discovered = &self.discovered;
        let claims = discovered.claims(client, token, &registration.client_id);
        let claims = claims.await?;
        if let Some(name) = text(&claims, name) {
            return Ok(Named::As(name));
        }
        let more = discovered.more(client, token, &claims).await?;
        text(&more, name)
            .map(Named::As)
            .ok_or_else(|| nameless(name))
    }
}

impl Discovered {
    /// What the provider says of itself.
    pub(super) async fn of(client: &Client, issuer: &str) -> Result<Self, Failure> {
        let path = client.url.target("/.well-known/openid-configuration");
        let discovered: Self = get(client, &path, By::Nothing, client.timeout).await?;
        if discovered.issuer.trim_end_matches('/') != issuer.trim_end_matches('/') {
            let text = "what answers at `url` calls itself another issuer";
            return Err(Failure::Malformed(text.to_owned()));
        }
        Ok(discovered)
    }

    /// Basic is what all have to take (RFC 6749, 2.3.1), unless they say otherwise.
    pub(super) fn takes_basic(&self) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_ref();
        methods.is_none_or(|all| {
            let has = |name: &str| all.iter().any(|method| method == name);
            has("client_secret_basic") || !has("client_secret_post")
        })
    }

    /// What the identity token says.
    pub(super) async fn claims(
        &self,
        client: &Client,
        token: &Token,
        client_id: &str,
    ) -> Result<Map<String, Value>, Failure> {
        let Some(identity) = &token.identity else {
            let text = "the provider gave no identity token";
            return Err(Failure::Malformed(text.to_owned()));
        };
        let (keys, target) = beside(client, &self.jwks_uri)?;
        let Keys { keys } = get(&keys, &target, By::Nothing, client.timeout).await?;
        token::claims(identity, &keys, &self.issuer, client_id)
    }

    /// Some keep the token short and tell more of the user when they are asked; others have nothing
    /// to ask.
    pub(super) async fn more(
        &self,
        client: &Client,
        token: &Token,
        claims: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Failure> {
        let Some(address) = &self.userinfo_endpoint else {
            return Ok(Map::new());
        };
        let (there, target) = beside(client, address)?;
        let by = By::Bearer(&token.access);
        let more: Map<String, Value> = get(&there, &target, by, client.timeout).await?;
        if more.get("sub") != claims.get("sub") {
            let text = "the provider tells of another user than the one of the token";
            return Err(Failure::Malformed(text.to_owned()));
        }
        Ok(more)
    }
}

pub(super) fn text(claims: &Map<String, Value>, name: &str) -> Option<String> {
    claims.get(name)?.as_str().map(str::to_owned)
}

pub(super) fn nameless(claim: &str) -> Failure {
    Failure::Ended(format!(
        "the user has no `{claim}` (usernameField); its scope may have to be in `extraScopes`"
    ))
}

impl std::fmt::Debug for Discovered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discovered").finish_non_exhaustive()
    }
}
