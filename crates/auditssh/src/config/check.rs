//! From what is written to what the parts of the server are told: every check that needs more
//! than one value, or a file.

mod algorithms;
mod audit;
mod auth;
mod configserver;
mod docker;
mod forwarding;
mod geoip;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod limits;
mod local;
mod log;
mod metrics;
mod oauth2;
mod own;
mod report;
mod s3;
mod security;
mod ssh;
mod sshproxy;
mod users;
mod web;

pub(crate) use audit::{Audit, Directory, Durability};
pub(crate) use metrics::{Http, Monitor};
pub(crate) use own::{Base, significant};
pub(crate) use ssh::{HostKeys, Ssh};
pub(crate) use web::{Oidc as ViewOidc, Web};

use super::error::{ConfigError, Fault};
use super::raw::{Log, Raw};
use super::read::read;
use auditssh_docker::Settings as Docker;
use auditssh_gateway::Limits;
use auditssh_gateway::auth::{Elsewhere, Users};
use auditssh_gateway::backend::local::Settings as Local;
use auditssh_gateway::backend::sshproxy::Settings as SshProxy;
use auditssh_gateway::geoip::Countries;
use auditssh_gateway::security::Security;
#[cfg(feature = "kubernetes")]
use auditssh_kubernetes::Settings as Kubernetes;
use auditssh_webhook::{ConfigServer, Webhooks};
use report::Report;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A configuration that can be served.
#[derive(Debug)]
pub(crate) struct Config {
    /// What is recorded and where: its outputs.
    pub(crate) audit: Vec<Audit>,
    pub(crate) ssh: Ssh,
    pub(crate) limits: Limits,
    pub(crate) security: Security,
    pub(crate) countries: Countries,
    pub(crate) users: Users,
    pub(crate) backend: Backend,
    /// What divides login names into the user and a place behind the backend.
    pub(crate) place_separator: Option<char>,
    /// Who is asked about users that are not configured; `None` for nobody.
    pub(crate) webhooks: Option<Arc<Webhooks>>,
    /// Where users prove themselves by keyboard-interactive; `None` if it asks for the password.
    pub(crate) elsewhere: Option<Arc<dyn Elsewhere>>,
    pub(crate) per_connection: PerConnection,
    pub(crate) log: Log,
    pub(crate) monitor: Monitor,
    pub(crate) web: Web,
}

/// Who is asked what a connection is served by, and what the answer is laid over.
#[derive(Clone, Debug)]
pub(crate) struct PerConnection {
    /// `None` for nobody.
    pub(crate) server: Option<Arc<ConfigServer>>,
    pub(crate) base: Base,
}

/// What stands behind the server.
#[derive(Debug)]
pub(crate) enum Backend {
    Local(Local),
    SshProxy(Box<SshProxy>),
    Docker(Box<Docker>),
    #[cfg(feature = "kubernetes")]
    Kubernetes(Box<Kubernetes>),
}

/// A configuration as it was read.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// What is doubtful in it, with the files concerned.
    pub(crate) warnings: Vec<(PathBuf, Fault)>,
    /// What is in force, defaults included; no form of it shows a secret.
    pub(crate) shown: serde_json::Value,
}

impl Config {
    /// Reads and checks a configuration and the files that it names, and collects everything that
    /// is wrong with it.
    pub(crate) fn load(file: &Path) -> Result<Loaded, ConfigError> {
        let (raw, outline): (Raw, _) = read(file)?;
        let shown = serde_json::to_value(&raw)
            .map_err(|error| ConfigError(vec![(file.to_owned(), Fault::new(error))]))?;
        let mut report = Report::new(file, outline);
        let audit = audit::check(&raw.audit, &mut report);
        let ssh = ssh::check(&raw.ssh, &mut report);
        let limits = limits::check(&raw.limits, &mut report);
        let security = security::check(&raw.security, limits.session_channels, &mut report);
        let countries = geoip::check(&raw.geoip, &mut report);
        let (backend, place_separator) = backend(&raw, &mut report);
        forwarding::fits(
            &raw.security.forwarding,
            &security.forwarding,
            &backend,
            &mut report,
        );
        let webhooks = auth::check(&raw.auth, &mut report);
        let grace = limits.login_grace_time;
        let elsewhere = oauth2::check(&raw.auth.keyboard_interactive, grace, &mut report);
        let base = Base::new(&raw)
            .map_err(|error| ConfigError(vec![(file.to_owned(), Fault::new(error))]))?;
        let server = configserver::check(&raw, &base, &mut report);
        let users = users::check(&raw, &mut report);
        let monitor = metrics::check(&raw, &ssh.listen, &mut report);
        let web = web::check(&raw, Audit::shown(&audit).is_some(), &mut report);
        log::check(&raw.log, &mut report);
        let log = raw.log;
        let (Some(users), true) = (users, report.faults.is_empty()) else {
            return Err(ConfigError(report.faults));
        };
        let config = Self {
            audit,
            ssh,
            limits,
            security,
            countries,
            users,
            backend,
            place_separator,
            webhooks,
            elsewhere,
            per_connection: PerConnection { server, base },
            log,
            monitor,
            web,
        };
        Ok(Loaded {
            config,
            warnings: report.warnings,
            shown,
        })
    }
}

impl PerConnection {
    /// Nobody is asked.
    pub(crate) fn none() -> serde_json::Result<Self> {
        let base = Base::new(&Raw::default())?;
        Ok(Self { server: None, base })
    }
}

/// The backend, and what divides login names. Blocks of other backends are checked as well.
fn backend(raw: &Raw, report: &mut Report) -> (Backend, Option<char>) {
    let local = local::check(&raw.local, report);
    let sshproxy = sshproxy::check(raw, report);
    let docker = docker::check(raw, report);
    let kubernetes = kubernetes(raw, report);
    let docker = docker.map(|settings| Backend::Docker(Box::new(settings)));
    match (sshproxy, docker.or(kubernetes)) {
        (Some((settings, separator)), _) => (Backend::SshProxy(Box::new(settings)), separator),
        (None, Some(other)) => (other, None),
        (None, None) => (Backend::Local(local), None),
    }
}

#[cfg(feature = "kubernetes")]
fn kubernetes(raw: &Raw, report: &mut Report) -> Option<Backend> {
    let settings = kubernetes::check(raw, report);
    settings.map(|settings| Backend::Kubernetes(Box::new(settings)))
}

#[cfg(not(feature = "kubernetes"))]
fn kubernetes(raw: &Raw, report: &mut Report) -> Option<Backend> {
    if raw.backend.value == super::raw::Backend::Kubernetes {
        report.fault(
            &raw.backend,
            "`backend` is kubernetes, without which this program was built: use one that was built with \
             cargo's feature `kubernetes` (it is by default), or another backend",
        );
    }
    None
}

#[cfg(test)]
mod tests;
