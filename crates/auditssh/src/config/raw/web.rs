//! `web`.

use crate::config::at::At;
use crate::config::bounds;
use crate::config::duration::Span;
use crate::config::one_or_many::{Address, OneOrMany};
use crate::config::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const PORT: u16 = 8088;

/// Recordings in the browser. See [web.md](web.md).
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Web {
    /// Whether `auditssh serve` serves them as well. `auditssh web` does in any case.
    pub(crate) enable: bool,
    /// Where to listen: an address and a port. By default only this machine can ask. Other addresses
    /// need `cert` and `key`, or `allowPlaintext`.
    #[schemars(with = "String")]
    pub(crate) listen: At<Address>,
    /// Listen on other addresses than this machine's own without TLS: passwords and recordings can
    /// then be read on the way, unless something in front encrypts them.
    pub(crate) allow_plaintext: bool,
    /// How browsers reach the viewer if not by an IP address or `localhost`, for example
    /// `https://viewer.example.com`. Requests by other names are refused. With https, which may be
    /// that of a proxy, cookies are only sent over TLS.
    pub(crate) urls: At<OneOrMany<String>>,
    /// IP addresses of proxies: of them it is believed whom they ask for (`X-Forwarded-For`).
    pub(crate) proxies: At<OneOrMany<String>>,
    /// As in `metrics`.
    pub(crate) key: Option<At<Secret>>,
    /// As in `metrics`.
    pub(crate) cert: Option<At<String>>,
    /// As in `metrics`.
    pub(crate) tls_version: At<String>,
    /// As in `metrics`.
    pub(crate) curves: At<OneOrMany<String>>,
    /// As in `metrics`.
    pub(crate) cipher: At<OneOrMany<String>>,
    /// Who may look: a map from name to password and role. They have nothing to do with `users`, who
    /// are recorded.
    pub(crate) users: BTreeMap<String, Viewer>,
    /// Which recordings auditors see: those that one of the rules allows them. Without any rule all
    /// see all.
    pub(crate) rules: Vec<ViewRule>,
    /// How long viewers stay logged in.
    pub(crate) sessions: ViewSessions,
    /// The directory in which it is written down who looked at what, in the form of recordings;
    /// `auditssh decode --text` and `auditssh verify` read it. By default `access` below
    /// `audit.file.directory`.
    pub(crate) access_log: Option<At<String>>,
    /// Logins at a provider of OpenID Connect (the authorization code flow), beside `web.users`.
    pub(crate) oidc: ViewOidc,
}

/// Logins at a provider of OpenID Connect.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ViewOidc {
    /// Its issuer: below it lies `/.well-known/openid-configuration`. With it `web.urls` must have the
    /// address of the viewer; the provider is to allow that with `/oidc/callback` as the redirect URI.
    pub(crate) url: At<String>,
    /// The identifier that the provider has given the viewer.
    pub(crate) client_id: At<String>,
    /// The secret that belongs to it; may be left out if the provider asks for none.
    pub(crate) client_secret: Option<At<Secret>>,
    /// The claim that is the name of the viewer. It must be one that users cannot choose.
    pub(crate) username_field: At<String>,
    /// The claim that has their groups, of which `web.rules` and the keys below speak.
    pub(crate) groups_field: At<String>,
    /// Scopes that are asked for beside `openid`.
    pub(crate) extra_scopes: At<Vec<String>>,
    /// Names of those who are admins.
    pub(crate) admins: Vec<String>,
    /// Groups whose members are admins.
    pub(crate) admin_groups: Vec<String>,
    /// Names of those who are auditors. Who is named nowhere is refused.
    pub(crate) auditors: Vec<String>,
    /// Groups whose members are auditors.
    pub(crate) auditor_groups: Vec<String>,
    /// How long one request may take.
    #[schemars(transform = bounds::HTTP_TIMEOUT.told())]
    pub(crate) timeout: At<Span>,
    /// See `auth.password.webhook`.
    pub(crate) cacert: At<String>,
}

/// Someone who may look at recordings.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Viewer {
    /// The hash of the password, as `auditssh hash-password` prints it (argon2id).
    pub(crate) password: At<Secret>,
    /// What they may do.
    pub(crate) role: ViewRole,
    /// Groups that `web.rules` speak of.
    pub(crate) groups: Vec<String>,
}

/// What a viewer may do.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ViewRole {
    /// Sees recordings, as far as `web.rules` allow.
    #[default]
    Auditor,
    /// Sees every recording, and who looked at which.
    Admin,
}

/// Recordings that some viewers may see.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ViewRule {
    /// Viewers by name.
    pub(crate) users: Vec<At<String>>,
    /// Viewers by group.
    pub(crate) groups: Vec<At<String>>,
    /// Login names as recorded, in which `*` stands for any letters. Only `*` alone has the
    /// recordings of which nobody knows yet, or ever, whose they are.
    pub(crate) logins: Vec<At<String>>,
}

/// How long viewers stay logged in.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ViewSessions {
    /// Without a request. Watching a session live is no request.
    #[schemars(transform = bounds::VIEW_IDLE.told())]
    pub(crate) idle: At<Span>,
    /// In all.
    #[schemars(transform = bounds::VIEW_LIFETIME.told())]
    pub(crate) lifetime: At<Span>,
    /// Most at a time; beyond that the one without a request for longest ends.
    #[schemars(transform = bounds::VIEW_SESSIONS.told())]
    pub(crate) most: At<usize>,
}

impl Default for Web {
    fn default() -> Self {
        let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT);
        let none = || At::unplaced(OneOrMany(Vec::new()));
        Self {
            enable: false,
            listen: At::unplaced(Address(listen)),
            allow_plaintext: false,
            urls: none(),
            proxies: none(),
            key: None,
            cert: None,
            tls_version: At::unplaced("1.3".into()),
            curves: none(),
            cipher: none(),
            users: BTreeMap::new(),
            rules: Vec::new(),
            sessions: ViewSessions::default(),
            access_log: None,
            oidc: ViewOidc::default(),
        }
    }
}

impl Default for ViewOidc {
    fn default() -> Self {
        let text = |text: &str| At::unplaced(text.to_owned());
        Self {
            url: text(""),
            client_id: text(""),
            client_secret: None,
            username_field: text("sub"),
            groups_field: text("groups"),
            extra_scopes: At::default(),
            admins: Vec::new(),
            admin_groups: Vec::new(),
            auditors: Vec::new(),
            auditor_groups: Vec::new(),
            timeout: At::unplaced(Span::from_secs(10)),
            cacert: text(""),
        }
    }
}

impl Default for Viewer {
    fn default() -> Self {
        Self {
            password: At::unplaced(Secret::default()),
            role: ViewRole::default(),
            groups: Vec::new(),
        }
    }
}

impl Default for ViewSessions {
    fn default() -> Self {
        Self {
            idle: At::unplaced(Span::from_secs(30 * 60)),
            lifetime: At::unplaced(Span::from_secs(12 * 3600)),
            most: At::unplaced(1000),
        }
    }
}
