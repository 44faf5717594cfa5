//! The authorization code flow with a proof of possession (RFC 6749, 4.1; RFC 7636; OpenID Connect
//! Core, 3.1), for logins in a browser.

use super::Registration;
use super::flow::{Said, Token, prove, wrong};
use super::oidc::{Discovered, nameless, text};
use super::site::{beside, encode, post};
use crate::client::Client;
use crate::failure::Failure;
use crate::webhooks::Webhook;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// Groups of a user that are looked at.
const GROUPS: usize = 1000;

/// Logins by a provider of OpenID Connect.
#[derive(Debug)]
pub struct CodeFlow {
    client: Client,
    issuer: String,
    /// The claims that are the user's name and groups.
    name: String,
    groups: String,
    registration: Registration,
}

/// What one login is known by; all of it random but the last.
#[derive(Clone)]
pub struct Asked {
    /// Comes back with the browser: the answer belongs to this login.
    pub state: Zeroizing<String>,
    /// Comes back in the token: the token belongs to this login.
    pub nonce: Zeroizing<String>,
    /// Proves that who exchanges the code has asked for it. 43 to 128 unreserved characters.
    pub verifier: Zeroizing<String>,
    /// Where the provider sends the browser.
    pub redirect: String,
}

/// Who logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The groups.
    pub groups: Vec<String>,
}

/// Why nobody logged in. It holds no secret.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CodeError(#[from] Failure);

impl CodeFlow {
    /// By a provider's issuer, of which `webhook` is the address; `name` and `groups` are the claims
    /// of these.
    pub fn new(
        webhook: Webhook,
        issuer: String,
        name: String,
        groups: String,
        registration: Registration,
    ) -> Self {
        Self {
            client: webhook.client,
            issuer,
            name,
            groups,
            registration,
        }
    }

    /// The provider's page, to which the browser is sent.
    pub async fn page(&self, asked: &Asked) -> Result<String, CodeError> {
        let discovered = Discovered::of(&self.client, &self.issuer).await?;
        let Some(page) = &discovered.authorization_endpoint else {
            let text = "the provider has no authorization_endpoint";
            return Err(Failure::Malformed(text.to_owned()).into());
        };
        // It must be as safe as the provider.
        beside(&self.client, page)?;
        let mut scopes = vec!["openid"];
        let extra = &self.registration.extra_scopes;
        scopes.extend(extra.iter().map(String::as_str));
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(asked.verifier.as_bytes()));
        let mut address = page.clone();
        let mut between = if page.contains('?') { '&' } else { '?' };
        for (name, value) in [
            ("response_type", "code"),
            ("client_id", &self.registration.client_id),
            ("redirect_uri", &asked.redirect),
            ("scope", &scopes.join(" ")),
            ("state", &asked.state),
            ("nonce", &asked.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ] {
            address.push(std::mem::replace(&mut between, '&'));
            address.push_str(name);
            address.push('=');
            encode(value, &mut address);
        }
        Ok(address)
    }

    /// Who came back with a code.
    pub async fn person(&self, asked: &Asked, code: &str) -> Result<Person, CodeError> {
        let client = &self.client;
        let discovered = Discovered::of(client, &self.issuer).await?;
        let (there, target) = beside(client, &discovered.token_endpoint)?;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &asked.redirect),
            ("client_id", &self.registration.client_id),
            ("code_verifier", &asked.verifier),
        ];
        let by = prove(&self.registration, discovered.takes_basic(), &mut fields);
        let token: Token = match post(&there, &target, by, &fields, client.timeout).await? {
            (_, Said::Right(token)) => token,
            (_, Said::Wrong { error }) => return Err(wrong(&error).into()),
        };
        let client_id = &self.registration.client_id;
        let claims = discovered.claims(client, &token, client_id).await?;
        if text(&claims, "nonce").as_deref() != Some(asked.nonce.as_str()) {
            let text = "the identity token belongs to another login";
            return Err(Failure::Malformed(text.to_owned()).into());
        }
        let has_all = claims.contains_key(&self.name) && claims.contains_key(&self.groups);
        let more = if has_all {
            Map::new()
        } else {
            discovered.more(client, &token, &claims).await?
        };
        let name = text(&claims, &self.name).or_else(|| text(&more, &self.name));
        Ok(Person {
            name: name.ok_or_else(|| nameless(&self.name))?,
            groups: groups(claims.get(&self.groups).or_else(|| more.get(&self.groups))),
        })
    }
}

/// A list of names, or one.
fn groups(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(several)) => {
            let names = several.iter().take(GROUPS).filter_map(Value::as_str);
            names.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked")
            .field("redirect", &self.redirect)
            .finish_non_exhaustive()
    }
}
