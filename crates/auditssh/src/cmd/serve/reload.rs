//! SIGHUP: the configuration is read again.

use super::choice::Start;
use super::monitor::Renewals;
use super::notify::{State, notify};
use super::parts;
use crate::cli;
use crate::config::{Config, Loaded};
use anyhow::Context;
use arc_swap::ArcSwap;
use auditssh_gateway::auth::Users;
use auditssh_gateway::{HostKey, Terms};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is only read at the start: places in the configuration, as JSON pointers (RFC 6901).
const FIXED: [&str; 19] = [
    "/audit",
    "/backend",
    "/local",
    "/sshproxy",
    "/health",
    "/log",
    "/metrics",
    "/web/enable",
    "/web/listen",
    "/web/urls",
    "/web/proxies",
    "/web/sessions",
    "/web/accessLog",
    "/web/oidc",
    "/ssh/listen",
    "/limits/connections",
    "/limits/unauthenticated",
    "/limits/unauthenticatedPerSource",
    "/limits/unauthenticatedWait",
];

/// Reads the configuration again: all of it is checked, so that it is known to be good for the
/// next start, and what can be replaced under way is taken from it.
pub(super) struct Reload {
    file: PathBuf,
    /// What was in force at the start.
    shown: Value,
    users: Arc<ArcSwap<Users>>,
    terms: Arc<Terms>,
    start: Arc<Start>,
    renewals: Renewals,
    /// Of the viewer, if there is one.
    viewer: Option<auditssh_web::Renewal>,
}

impl Reload {
    pub(super) fn new(
        file: PathBuf,
        shown: Value,
        users: Arc<ArcSwap<Users>>,
        terms: Arc<Terms>,
        start: Arc<Start>,
        (renewals, viewer): (Renewals, Option<auditssh_web::Renewal>),
    ) -> Self {
        Self {
            file,
            shown,
            users,
            terms,
            start,
            renewals,
            viewer,
        }
    }

    pub(super) async fn run(&self) {
        notify(State::Reloading);
        let file = self.file.clone();
        let read = tokio::task::spawn_blocking(move || read(&file)).await;
        let taken = read
            .map_err(anyhow::Error::from)
            .and_then(|read| self.take(read?));
        match taken {
            Ok(()) => tracing::info!(
                file = %self.file.display(),
                "reloaded: users, authorities, webhooks, host keys, viewers and settings of new \
                 connections"
            ),
            Err(error) => {
                tracing::error!("not reloaded, all stays as it was: {}", cli::told(&error));
            }
        }
        notify(State::Ready);
    }

    fn take(&self, (loaded, host_keys): (Loaded, Vec<HostKey>)) -> anyhow::Result<()> {
        let config = loaded.config;
        let security = Arc::new(config.security);
        let chooser = self.start.chooser(config.per_connection, &security)?;
        self.terms.replace(parts::gateway(
            config.ssh,
            host_keys,
            config.limits,
            security,
            config.countries,
            config.place_separator,
            parts::Asked {
                webhooks: config.webhooks,
                elsewhere: config.elsewhere,
                chooser,
            },
        ))?;
        self.users.store(Arc::new(config.users));
        self.renewals.renew(config.monitor);
        if let Some(viewer) = &self.viewer {
            crate::cmd::web::renew(viewer, config.web);
        }
        for (file, warning) in loaded.warnings {
            tracing::warn!("{}:{warning}", file.display());
        }
        for key in changed(&self.shown, &loaded.shown) {
            tracing::warn!("`{key}` has changed, which takes a restart");
        }
        Ok(())
    }
}

fn read(file: &Path) -> anyhow::Result<(Loaded, Vec<HostKey>)> {
    let loaded = Config::load(file)?;
    let keys = parts::host_keys(&loaded.config.ssh.host_keys)
        .with_context(|| file.display().to_string())?;
    Ok((loaded, keys))
}

/// What of the configuration of a viewer that is alone has changed and takes a restart.
pub(crate) fn changed_for_viewer(before: &Value, after: &Value) -> Vec<String> {
    let concerns = |key: &String| key == "audit" || key == "log" || key.starts_with("web.");
    changed(before, after)
        .into_iter()
        .filter(concerns)
        .collect()
}

/// Those of [`FIXED`] that differ, as they stand in the documentation.
fn changed(before: &Value, after: &Value) -> Vec<String> {
    let differ = |place: &&str| before.pointer(place) != after.pointer(place);
    let dotted = |place: &str| place.trim_start_matches('/').replace('/', ".");
    FIXED.into_iter().filter(differ).map(dotted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Value {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.yaml");
        std::fs::write(&file, text).unwrap();
        Config::load(&file).unwrap().shown
    }

    #[test]
    fn what_takes_a_restart_is_named() {
        let before = shown("");
        assert_eq!(changed(&before, &before), Vec::<String>::new());
        let after = shown("limits: {connections: 9, authAttempts: 2}\nssh: {banner: x}\n");
        assert_eq!(changed(&before, &after), ["limits.connections"]);
        let after = shown("ssh: {listen: '127.0.0.1:9'}\nlocal: {shell: /bin/sh}\n");
        assert_eq!(changed(&before, &after), ["local", "ssh.listen"]);
    }

    #[test]
    fn every_place_is_one_of_the_configuration() {
        let all = shown("");
        for place in FIXED {
            assert!(all.pointer(place).is_some(), "{place}");
        }
    }
}
