//! GitHub, or a GitHub Enterprise of one's own.

use super::Registration;
use super::flow::{Awaited, Endpoints, Named, Provider, Token, unanswered};
use super::site::{By, beside, get};
use crate::client::Client;
use crate::failure::Failure;
use crate::webhooks::Webhook;
use async_trait::async_trait;
use auditssh_gateway::auth::Elsewhere;
use auditssh_gateway::auth::elsewhere::Pending;
use auditssh_gateway::auth::service::{Applicant, Unanswered};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// GitHub as a provider. Clones are the same one.
#[derive(Clone, Debug)]
pub struct GitHub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    page: Client,
    api: Client,
    within: Duration,
    registration: Registration,
    organization: Option<String>,
    second_factor: bool,
}

#[derive(Deserialize)]
struct User {
    login: String,
    #[serde(default)]
    two_factor_authentication: Option<bool>,
}

#[derive(Deserialize)]
struct Membership {
    state: String,
}

impl GitHub {
    /// By its pages and its programming interface; users must be active members of the
    /// `organization`, if one is given, and have a second factor if that is wanted.
    pub fn new(
        page: Webhook,
        api: Webhook,
        registration: Registration,
        organization: Option<String>,
        second_factor: bool,
    ) -> Self {
        Self(Arc::new(Inner {
            within: page.within,
            page: page.client,
            api: api.client,
            registration,
            organization,
            second_factor,
        }))
    }

    async fn awaited(&self, applicant: &Applicant) -> Result<Awaited<Self>, Failure> {
        let Inner {
            page,
            registration,
            within,
            ..
        } = &*self.0;
        let at = |path: &str| {
            let url = &page.url;
            let scheme = if url.is_encrypted() { "https" } else { "http" };
            beside(
                page,
                &format!("{scheme}://{}{}", url.authority, url.target(path)),
            )
        };
        let mut scopes = registration.extra_scopes.clone();
        if self.0.organization.is_some() {
            scopes.push("read:org".to_owned());
        }
        if self.0.second_factor {
            scopes.push("read:user".to_owned());
        }
        let endpoints = Endpoints {
            device: at("/login/device/code")?,
            token: at("/login/oauth/access_token")?,
            scopes,
            basic: false,
        };
        Awaited::begin(self.clone(), endpoints, applicant, *within).await
    }
}

#[async_trait]
impl Elsewhere for GitHub {
    async fn begin(&self, applicant: &Applicant) -> Result<Box<dyn Pending>, Unanswered> {
        match self.awaited(applicant).await {
            Ok(awaited) => Ok(Box::new(awaited)),
            Err(failure) => Err(unanswered(&failure)),
        }
    }
}

#[async_trait]
impl Provider for GitHub {
    fn registration(&self) -> &Registration {
        &self.0.registration
    }

    async fn name(&self, token: &Token) -> Result<Named, Failure> {
        let api = &self.0.api;
        let token = token.access.as_str();
        let user: User = get(
            api,
            &api.url.target("/user"),
            By::Bearer(token),
            api.timeout,
        )
        .await?;
        if self.0.second_factor && user.two_factor_authentication != Some(true) {
            return Ok(Named::Unwelcome("no second factor is set up (require2FA)"));
        }
        if let Some(organization) = &self.0.organization {
            let path = format!("/user/memberships/orgs/{organization}");
            let asked = get(api, &api.url.target(&path), By::Bearer(token), api.timeout).await;
            match asked {
                Ok(Membership { state }) if state == "active" => {}
                Ok(_) | Err(Failure::Status(403 | 404)) => {
                    let why = "not an active member of the organization (requireOrgMembership)";
                    return Ok(Named::Unwelcome(why));
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(Named::As(user.login))
    }
}
