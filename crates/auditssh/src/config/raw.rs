//! The configuration as it is written: one struct a block, one field a key.
//!
//! The documentation of each field is its description in `auditssh config schema` and in
//! `docs/configuration.md`.

mod audit;
mod auth;
mod configserver;
mod docker;
mod forwarding;
mod geoip;
mod http;
mod kubernetes;
mod limits;
mod local;
mod log;
mod metrics;
mod oauth2;
mod s3;
mod security;
mod ssh;
mod sshproxy;
mod timeouts;
mod user;
mod web;

pub(crate) use audit::{
    Asciinema, Audit, File, Format, Intercept, OnFailure, Stdin, Storage, Sync,
};
pub(crate) use auth::{
    Auth, GssapiMeans, KeyboardInteractive, KeyboardInteractiveMeans, Password, PasswordMeans,
    Webhook, WebhookMeans, WebhookMethod,
};
pub(crate) use configserver::ConfigServer;
pub(crate) use docker::{
    Docker, DockerExecution, DockerMode, DockerTimeouts, ImagePullPolicy, RegistryAuth,
};
pub(crate) use forwarding::{Forwarding, GatewayPorts};
pub(crate) use geoip::{GeoIp, Provider};
pub(crate) use http::TlsVersion;
pub(crate) use kubernetes::Kubernetes;
#[cfg(feature = "kubernetes")]
pub(crate) use kubernetes::{Connection, IN_CLUSTER, Pod, PodMode, Timeouts};
pub(crate) use limits::Limits;
pub(crate) use local::{Account, Local};
pub(crate) use log::{Destination, Log, LogFormat};
pub(crate) use metrics::{Health, Metrics};
pub(crate) use oauth2::{Oauth2, Oauth2Provider};
pub(crate) use s3::{Checksum, LockMode, S3};
pub(crate) use security::{Filter, Mode, Security};
pub(crate) use ssh::Ssh;
pub(crate) use sshproxy::{Route, SshProxy};
pub(crate) use user::User;
pub(crate) use web::{ViewRole, ViewRule, Web};

use super::at::At;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The configuration of AuditSSH: a YAML file. Every key may be left out. Unknown keys are refused.
/// Durations are texts such as `60s`, `1m30s` or `250ms`, or a number of nanoseconds; sizes are
/// texts such as `8MiB`, or a number of bytes. Relative paths count from the working directory of
/// the server. SIGHUP has the server read it again, with all the files that it names: `users`,
/// `auth`, `configserver`, `ssh`, `security`, `limits` and `geoip` then hold for new connections,
/// `web.users` and `web.rules` at once; if anything is wrong, all stays as it was. So do renewed
/// certificates of `metrics`, `health` and `web`, in the same files.
/// Changes of `audit`, `backend`, `local`, `sshproxy`, `docker`, `kubernetes`, `log`, `metrics`,
/// `health`, all else of `web`, `ssh.listen`, `limits.connections` and `limits.unauthenticated`
/// (`PerSource` and `Wait` too) take a restart.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "AuditSSH configuration")]
pub(crate) struct Raw {
    /// What is recorded, in which form, and where it is kept.
    pub(crate) audit: Audit,
    /// The SSH side: where to listen, as whom, and what keeps a connection alive.
    pub(crate) ssh: Ssh,
    /// Who may log in: a map from login name to what proves it.
    pub(crate) users: BTreeMap<String, User>,
    /// A YAML file with further users: a map of the same form as `users`. A name may stand in one
    /// of the two only.
    pub(crate) users_file: Option<At<String>>,
    /// Who is asked about users that do not stand in `users`, and who of all may come in: webhooks in
    /// ContainerSSH's form, see [webhooks.md](webhooks.md). Without any, only `users` log in.
    pub(crate) auth: Auth,
    /// A server that is asked, once a user is logged in, what the connection is served by. See
    /// [configserver.md](configserver.md).
    pub(crate) configserver: ConfigServer,
    /// What stands behind the server.
    pub(crate) backend: At<Backend>,
    /// The backend `local`: programs run on the machine itself.
    pub(crate) local: Local,
    /// The backend `sshproxy`: programs run on another host, which the gateway reaches by SSH.
    pub(crate) sshproxy: SshProxy,
    /// The backend `docker`: programs run in containers of a Docker engine.
    pub(crate) docker: Docker,
    /// The backend `kubernetes`: programs run in pods of a cluster.
    pub(crate) kubernetes: Kubernetes,
    /// What sessions may do: ContainerSSH's filters. See `docs/security-filters.md`.
    pub(crate) security: Security,
    /// Limits on everything that a client can make grow.
    pub(crate) limits: Limits,
    /// From where the country of a connection is known.
    pub(crate) geoip: GeoIp,
    /// The log of the server itself. It never holds a secret.
    pub(crate) log: Log,
    /// Numbers for Prometheus, over HTTP.
    pub(crate) metrics: Metrics,
    /// Whether the server does its work, over HTTP: 200 and `ok`, or 503 and why not.
    pub(crate) health: Health,
    /// Recordings in the browser. See [web.md](web.md).
    pub(crate) web: Web,
}

/// What stands behind the server.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backend {
    /// Programs run on the machine itself; see `local`.
    #[default]
    Local,
    /// Programs run on another host, by SSH; see `sshproxy`.
    SshProxy,
    /// Programs run in containers; see `docker`.
    Docker,
    /// Programs run in pods of a cluster; see `kubernetes`.
    Kubernetes,
}
