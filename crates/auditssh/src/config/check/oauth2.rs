//! `auth.keyboardInteractive`.

use super::auth::{bounds, make};
use super::report::Report;
use crate::config::at::At;
use crate::config::raw::{
    self, KeyboardInteractive, KeyboardInteractiveMeans, Oauth2, Oauth2Provider as Provider,
};
use auditssh_gateway::auth::Elsewhere;
use auditssh_webhook::oauth2::{self, Registration};
use auditssh_webhook::{Url, Webhook};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Where users prove themselves; `None` if keyboard-interactive asks for the password.
pub(super) fn check(
    raw: &KeyboardInteractive,
    grace: Duration,
    report: &mut Report,
) -> Option<Arc<dyn Elsewhere>> {
    let block = &raw.oauth2;
    let github = block.github.webhook(&block.auth_timeout);
    let oidc = raw::Webhook {
        allow_redirects: block.oidc.allow_redirects.clone(),
        ..block.oidc.webhook(&block.auth_timeout)
    };
    bounds(&github, report);
    bounds(&oidc, report);
    if raw.method.value != KeyboardInteractiveMeans::Oauth2 {
        if block.provider.value != Provider::None {
            report.fault(
                &block.provider,
                "`provider` is given, but without `method: oauth2` beside `oauth2` nobody is asked; \
                 add that, or remove `provider`",
            );
        }
        return None;
    }
    if block.client_id.value.is_empty() {
        report.fault(
            &raw.method,
            "`method` is oauth2, but `oauth2.clientId` is missing: the provider gives it when the \
             server is registered there",
        );
    }
    if Duration::from(block.auth_timeout.value) > grace {
        report.warn(
            &block.auth_timeout,
            "`authTimeout` is longer than `limits.loginGraceTime`, which ends logins before it",
        );
    }
    match block.provider.value {
        Provider::Github => made_github(block, &github, report),
        Provider::Oidc => made_oidc(block, &oidc, report),
        Provider::Generic => {
            report.fault(
                &block.provider,
                "`provider`: generic is not in this version; use oidc, or github",
            );
            None
        }
        Provider::None => {
            report.fault(
                &raw.method,
                "`method` is oauth2, but `oauth2.provider` is missing: write github or oidc",
            );
            None
        }
    }
}

fn made_github(
    block: &Oauth2,
    page: &raw::Webhook,
    report: &mut Report,
) -> Option<Arc<dyn Elsewhere>> {
    let own = &block.github;
    let api = raw::Webhook {
        url: own.apiurl.clone(),
        ..page.clone()
    };
    let organization = &own.require_org_membership;
    let named = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if !organization.value.chars().all(named) {
        report.fault(
            organization,
            "`requireOrgMembership` must be the name of an organization, as it stands in its address",
        );
    }
    let scopes = scopes(&own.extra_scopes, report);
    let page = made("auth.keyboardInteractive.oauth2.github", page, report)?;
    let api = made("auth.keyboardInteractive.oauth2.github", &api, report)?;
    let registration = Registration {
        enforce_scopes: own.enforce_scopes,
        enforce_username: own.enforce_username,
        ..registration(block, scopes)
    };
    let organization = Some(organization.value.clone()).filter(|name| !name.is_empty());
    let github = oauth2::GitHub::new(page, api, registration, organization, own.require_2fa);
    Some(Arc::new(github))
}

fn made_oidc(
    block: &Oauth2,
    webhook: &raw::Webhook,
    report: &mut Report,
) -> Option<Arc<dyn Elsewhere>> {
    let own = &block.oidc;
    if own.authorization_code_flow.value {
        report.fault(
            &own.authorization_code_flow,
            "`authorizationCodeFlow` is not in this version; remove it, the device flow is used",
        );
    }
    if !own.device_flow.value {
        report.fault(
            &own.device_flow,
            "`deviceFlow` is the only flow there is; write `true`, or remove it",
        );
    }
    if own.username_field.value.is_empty() {
        report.fault(
            &own.username_field,
            "`usernameField` is empty: name a claim, such as sub or preferred_username",
        );
    }
    let scopes = scopes(&own.extra_scopes, report);
    let webhook = made("auth.keyboardInteractive.oauth2.oidc", webhook, report)?;
    let registration = Registration {
        enforce_scopes: own.enforce_scopes,
        enforce_username: own.enforce_username,
        ..registration(block, scopes)
    };
    let (issuer, name) = (own.url.value.clone(), own.username_field.value.clone());
    let oidc = oauth2::Oidc::new(webhook, issuer, name, registration);
    Some(Arc::new(oidc))
}

/// Over what is not encrypted anybody could answer in the provider's place.
pub(super) fn made(path: &str, webhook: &raw::Webhook, report: &mut Report) -> Option<Webhook> {
    let url = Url::parse(&webhook.url.value);
    if url.is_ok_and(|url| !url.is_encrypted() && !url.is_local()) {
        report.fault(
            &webhook.url,
            "the address is not encrypted, so anybody in between could log in as anybody; use https",
        );
        return None;
    }
    make(path, webhook, report)
}

pub(super) fn scopes(list: &At<Vec<String>>, report: &mut Report) -> Vec<String> {
    // RFC 6749, 3.3.
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    let scope = |text: &String| !text.is_empty() && text.bytes().all(plain);
    if !list.value.iter().all(scope) {
        report.fault(
            list,
            "`extraScopes`: one scope each is wanted, without blanks or quotes",
        );
    }
    list.value.clone()
}

fn registration(block: &Oauth2, extra_scopes: Vec<String>) -> Registration {
    let secret = block.client_secret.as_ref();
    let secret = secret.map_or("", |secret| secret.value.expose());
    Registration {
        client_id: block.client_id.value.clone(),
        client_secret: Zeroizing::new(secret.to_owned()),
        extra_scopes,
        enforce_scopes: false,
        enforce_username: true,
    }
}
