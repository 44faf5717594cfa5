//! `web`.

use super::metrics::{Block, tls};
use super::oauth2;
use super::report::Report;
use crate::config::bounds;
use crate::config::raw::{self, ViewRole, ViewRule};
use auditssh_monitor::Tls;
use auditssh_web::{Lifetime, Pattern, Role, Rule, Url, User};
use auditssh_webhook::oauth2::{CodeFlow, Registration};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Longest name of a viewer, in bytes.
const NAME_BYTES: usize = 256;

/// How recordings are shown in the browser.
#[derive(Clone, Debug)]
pub(crate) struct Web {
    /// Whether `serve` shows them.
    pub(crate) enable: bool,
    pub(crate) listen: SocketAddr,
    /// The setting with the address, for errors.
    pub(crate) key: String,
    pub(crate) tls: Option<Tls>,
    pub(crate) urls: Vec<Url>,
    pub(crate) proxies: Vec<IpAddr>,
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) oidc: Option<Oidc>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) lifetime: Lifetime,
    /// Where accesses are written down, if not below the logs.
    pub(crate) access_log: Option<PathBuf>,
}

impl Default for Web {
    /// On this machine, to nobody.
    fn default() -> Self {
        let raw = raw::Web::default();
        let sessions = raw.sessions;
        Self {
            enable: false,
            listen: raw.listen.value.0,
            key: "web.listen".to_owned(),
            tls: None,
            urls: Vec::new(),
            proxies: Vec::new(),
            users: BTreeMap::new(),
            oidc: None,
            rules: Vec::new(),
            lifetime: Lifetime {
                idle: sessions.idle.value.into(),
                most: sessions.lifetime.value.into(),
                sessions: sessions.most.value,
            },
            access_log: None,
        }
    }
}

pub(super) fn check(raw: &raw::Raw, audited: bool, report: &mut Report) -> Web {
    let web = &raw.web;
    let tls = tls(&block(web), report);
    let listen = web.listen.value.0;
    let is_open = !listen.ip().to_canonical().is_loopback();
    if is_open && web.cert.is_none() && !web.allow_plaintext {
        report.fault(
            &web.listen,
            "`listen`: others than this machine would send passwords and recordings in the clear; \
             give `cert` and `key`, listen on 127.0.0.1 behind a proxy that speaks TLS, or write \
             `allowPlaintext: true`",
        );
    }
    if web.enable && !audited {
        report.fault(
            &web.listen,
            "`listen`: no logs are kept, so there is nothing to look at; set `audit.storage` and a \
             format of logs (casts alone are not shown), or remove `web.enable`",
        );
    }
    if web.enable && web.users.is_empty() && web.oidc.url.value.is_empty() {
        report.warn_of_file("no `web.users` are configured: nobody can look at recordings");
    }
    let sessions = &web.sessions;
    let urls = urls(web, report);
    Web {
        oidc: oidc(web, &urls, report),
        enable: web.enable,
        listen,
        key: report.place(&web.listen, "web.listen"),
        tls,
        urls,
        proxies: proxies(web, report),
        users: users(web, report),
        rules: web.rules.iter().map(|one| rule(one, web, report)).collect(),
        lifetime: Lifetime {
            idle: report.within(&sessions.idle, bounds::VIEW_IDLE).into(),
            most: report
                .within(&sessions.lifetime, bounds::VIEW_LIFETIME)
                .into(),
            sessions: report.within(&sessions.most, bounds::VIEW_SESSIONS),
        },
        access_log: web.access_log.as_ref().map(|at| at.value.clone().into()),
    }
}

fn block(web: &raw::Web) -> Block<'_> {
    Block {
        listen: &web.listen,
        key: web.key.as_ref(),
        cert: web.cert.as_ref(),
        clientcacert: None,
        tls_version: &web.tls_version,
        curves: &web.curves,
        cipher: &web.cipher,
    }
}

fn urls(web: &raw::Web, report: &mut Report) -> Vec<Url> {
    let mut urls = Vec::new();
    for text in &web.urls.value.0 {
        match text.parse() {
            Ok(url) => urls.push(url),
            Err(error) => report.fault(
                &web.urls,
                format!("`urls`: `{}`: {error}", text.escape_debug()),
            ),
        }
    }
    urls
}

fn proxies(web: &raw::Web, report: &mut Report) -> Vec<IpAddr> {
    let mut proxies = Vec::new();
    for text in &web.proxies.value.0 {
        match text.parse::<IpAddr>() {
            Ok(address) => proxies.push(address.to_canonical()),
            Err(_) => report.fault(
                &web.proxies,
                format!("`proxies`: `{}` is no IP address", text.escape_debug()),
            ),
        }
    }
    proxies
}

/// Where else viewers log in.
#[derive(Clone, Debug)]
pub(crate) struct Oidc {
    pub(crate) flow: Arc<CodeFlow>,
    /// The viewer's own address.
    pub(crate) url: String,
    pub(crate) admins: Vec<String>,
    pub(crate) admin_groups: Vec<String>,
    pub(crate) auditors: Vec<String>,
    pub(crate) auditor_groups: Vec<String>,
}

fn oidc(web: &raw::Web, urls: &[Url], report: &mut Report) -> Option<Oidc> {
    let raw = &web.oidc;
    report.within(&raw.timeout, bounds::HTTP_TIMEOUT);
    if raw.url.value.is_empty() {
        return None;
    }
    let named = [
        &raw.admins,
        &raw.admin_groups,
        &raw.auditors,
        &raw.auditor_groups,
    ];
    for (missing, message) in [
        (
            urls.is_empty(),
            "`url` needs `web.urls`: the provider sends browsers to the first of them",
        ),
        (
            raw.client_id.value.is_empty(),
            "`url` needs `clientId`: the provider gives it when the viewer is registered there",
        ),
        (
            raw.username_field.value.is_empty(),
            "`url` needs a `usernameField`: name a claim, such as sub or preferred_username",
        ),
        (
            named.iter().all(|names| names.is_empty()),
            "`url` is given, but nobody may look: name `admins`, `adminGroups`, `auditors` or \
             `auditorGroups`",
        ),
    ] {
        if missing {
            report.fault(&raw.url, message);
        }
    }
    let secret = raw.client_secret.as_ref();
    let secret = secret.map_or("", |secret| secret.value.expose());
    let registration = Registration {
        client_id: raw.client_id.value.clone(),
        client_secret: Zeroizing::new(secret.to_owned()),
        extra_scopes: oauth2::scopes(&raw.extra_scopes, report),
        enforce_scopes: false,
        enforce_username: false,
    };
    let webhook = raw::Webhook {
        url: raw.url.clone(),
        timeout: raw.timeout.clone(),
        cacert: raw.cacert.clone(),
        within: raw.timeout.clone(),
        ..raw::Webhook::default()
    };
    let provider = oauth2::made("web.oidc", &webhook, report)?;
    let issuer = raw.url.value.clone();
    let (name, groups) = (&raw.username_field, &raw.groups_field);
    let (name, groups) = (name.value.clone(), groups.value.clone());
    let scheme = |url: &Url| if url.secure { "https" } else { "http" };
    Some(Oidc {
        flow: Arc::new(CodeFlow::new(provider, issuer, name, groups, registration)),
        url: urls
            .first()
            .map(|url| format!("{}://{}", scheme(url), url.host))?,
        admins: raw.admins.clone(),
        admin_groups: raw.admin_groups.clone(),
        auditors: raw.auditors.clone(),
        auditor_groups: raw.auditor_groups.clone(),
    })
}

fn users(web: &raw::Web, report: &mut Report) -> BTreeMap<String, User> {
    let mut users = BTreeMap::new();
    for (name, entry) in &web.users {
        if name.is_empty() || name.len() > NAME_BYTES {
            let message = format!("`{}` can't be the name of a viewer", name.escape_debug());
            report.fault_of_file(message);
        }
        match entry.password.value.expose().parse() {
            Ok(password) => {
                let user = User {
                    password,
                    role: match entry.role {
                        ViewRole::Auditor => Role::Auditor,
                        ViewRole::Admin => Role::Admin,
                    },
                    groups: entry.groups.clone(),
                };
                users.insert(name.clone(), user);
            }
            Err(error) if entry.password.place.is_none() => report.fault_of_file(format!(
                "the viewer `{}` has no `password`: {error}",
                name.escape_debug()
            )),
            Err(error) => report.fault(&entry.password, error),
        }
    }
    users
}

fn rule(raw: &ViewRule, web: &raw::Web, report: &mut Report) -> Rule {
    let mut logins: Vec<Pattern> = Vec::new();
    for at in &raw.logins {
        match at.value.parse() {
            Ok(pattern) => logins.push(pattern),
            Err(error) => report.fault(at, error),
        }
    }
    for at in raw
        .users
        .iter()
        .filter(|at| !web.users.contains_key(&at.value))
    {
        report.warn(at, "no viewer of this name is configured");
    }
    let in_group = |group: &String| web.users.values().any(|user| user.groups.contains(group));
    for at in raw.groups.iter().filter(|at| !in_group(&at.value)) {
        report.warn(at, "no viewer is in this group");
    }
    let names =
        |all: &[crate::config::at::At<String>]| all.iter().map(|at| at.value.clone()).collect();
    Rule {
        users: names(&raw.users),
        groups: names(&raw.groups),
        logins,
    }
}
