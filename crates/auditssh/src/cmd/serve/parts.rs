//! What each part of the server is told, made of the checked configuration.

use super::casts::LiveCasts;
use super::ledger::Ledgers;
use crate::config::raw::{Format, OnFailure};
use crate::config::{Audit, Backend, Config, Durability, HostKeys, Ssh};
use anyhow::Context;
use auditssh_archive as archive;
use auditssh_archive::Form;
use auditssh_docker::Docker;
use auditssh_gateway::auth::{Elsewhere, Service};
use auditssh_gateway::backend::container::Itself;
use auditssh_gateway::backend::local::Local;
use auditssh_gateway::backend::sshproxy::SshProxy;
use auditssh_gateway::choice::Chooser;
use auditssh_gateway::geoip::Countries;
use auditssh_gateway::security::Security;
use auditssh_gateway::{HostKey, Limits, Settings};
#[cfg(feature = "kubernetes")]
use auditssh_kubernetes::Kubernetes;
use auditssh_log::codec;
use auditssh_view::cast::Style;
use auditssh_webhook::Webhooks;
use nix::unistd::Group;
use std::sync::Arc;

/// Reads the host keys, or makes one.
pub(super) fn host_keys(keys: &HostKeys) -> anyhow::Result<Vec<HostKey>> {
    match keys {
        HostKeys::Given(files) => files
            .iter()
            .map(|file| {
                HostKey::load(file).context(
                    "a host key of `ssh.hostkeys` cannot be used (make one with \
                     `ssh-keygen -t ed25519 -N '' -f FILE`)",
                )
            })
            .collect(),
        HostKeys::Made(file) => Ok(vec![HostKey::load_or_generate(file)?]),
    }
}

/// Why a configuration cannot be served on this machine by this account. Nothing is changed.
pub(crate) fn doubts(config: Config) -> Vec<anyhow::Error> {
    let mut found = Vec::new();
    let keys = match &config.ssh.host_keys {
        // It would be made.
        HostKeys::Made(file) if !file.exists() => HostKey::ephemeral()
            .map(|key| vec![key])
            .map_err(Into::into),
        keys => host_keys(keys),
    };
    let shown = keys.and_then(|keys| Ok(config.ssh.algorithms.show_one_of(&keys)?));
    found.extend(shown.err());
    for audit in config.audit {
        match archive(audit, None) {
            Ok(settings) => found.extend(archive::inspect(&settings).err().map(Into::into)),
            Err(error) => found.push(error),
        }
    }
    // Without a directory nothing is touched.
    let itself = Itself::new(None);
    found.extend(backend(config.backend, &itself).err());
    found
}

/// What stands behind the server.
pub(super) fn backend(
    backend: Backend,
    itself: &Arc<Itself>,
) -> anyhow::Result<Arc<dyn auditssh_gateway::backend::Backend>> {
    Ok(match backend {
        Backend::Local(settings) => Arc::new(Local::new(settings)?),
        Backend::SshProxy(settings) => Arc::new(SshProxy::new(*settings, itself.counters())?),
        Backend::Docker(settings) => Arc::new(Docker::new(*settings, Arc::clone(itself))?),
        #[cfg(feature = "kubernetes")]
        Backend::Kubernetes(settings) => Arc::new(Kubernetes::new(*settings, Arc::clone(itself))?),
    })
}

/// Who is asked about connections.
pub(super) struct Asked {
    pub(super) webhooks: Option<Arc<Webhooks>>,
    pub(super) elsewhere: Option<Arc<dyn Elsewhere>>,
    pub(super) chooser: Option<Arc<dyn Chooser>>,
}

/// The SSH side.
pub(super) fn gateway(
    ssh: Ssh,
    host_keys: Vec<HostKey>,
    limits: Limits,
    security: Arc<Security>,
    countries: Countries,
    place_separator: Option<char>,
    asked: Asked,
) -> Settings {
    Settings {
        listen: ssh.listen,
        balancers: ssh.balancers,
        host_keys,
        server_version: ssh.server_version,
        banner: ssh.banner,
        client_alive_interval: ssh.client_alive_interval,
        client_alive_count_max: ssh.client_alive_count_max,
        rekey_bytes: ssh.rekey_bytes,
        algorithms: ssh.algorithms,
        limits,
        security,
        countries,
        place_separator,
        service: asked.webhooks.map(|webhooks| webhooks as Arc<dyn Service>),
        elsewhere: asked.elsewhere,
        chooser: asked.chooser,
    }
}

/// Where and how logs are kept.
pub(crate) fn archive(
    audit: Audit,
    observer: Option<Arc<dyn archive::Observer>>,
) -> anyhow::Result<archive::Settings> {
    let mut settings = archive::Settings::new(audit.directory.path);
    settings.form = match audit.format {
        Format::Binary => Form::Messages(codec::Format::Binary),
        Format::Asciinema => Form::Lines(Arc::new(LiveCasts(Style {
            version: audit.version,
            // As far as `audit.intercept.stdin` says.
            input: true,
        }))),
        _ => Form::Messages(codec::Format::Audit),
    };
    settings.intercept = audit.intercept;
    // Casts have no place for it, and need not pay for it.
    let ledger = audit.intercept.files && audit.format != Format::Asciinema;
    settings.taps = ledger.then(|| Arc::new(Ledgers) as Arc<dyn archive::Taps>);
    settings.sync = match audit.durability {
        Durability::None => archive::Sync::None,
        Durability::Interval(interval) => archive::Sync::Interval(interval),
        Durability::Always => archive::Sync::Always,
    };
    settings.seal_interval = audit.seal_interval;
    settings.on_failure = match audit.on_failure {
        OnFailure::Terminate => archive::OnFailure::Terminate,
        OnFailure::Continue => archive::OnFailure::Continue,
    };
    settings.signing_key = audit.signing_key;
    settings.group = audit.directory.group.as_deref().map(group).transpose()?;
    settings.allow_insecure = audit.directory.allow_insecure;
    settings.observer = observer;
    Ok(settings)
}

/// The id of a group given by name or number.
fn group(text: &str) -> anyhow::Result<u32> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let known = Group::from_name(text).context("the groups of the machine cannot be read")?;
    let group = known.with_context(|| {
        let text = text.escape_debug();
        format!("`audit.file.group`: no group is named `{text}`; create it with `groupadd`")
    })?;
    Ok(group.gid.as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_a_name_or_a_number() {
        assert_eq!(group("0").unwrap(), 0);
        assert_eq!(group("root").unwrap(), 0);
        assert_eq!(group("4711").unwrap(), 4711);
        assert!(
            group("no such group")
                .unwrap_err()
                .to_string()
                .contains("groupadd")
        );
    }

    #[test]
    fn a_host_key_that_is_named_is_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        let error = host_keys(&HostKeys::Given(vec![file.clone()])).unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.contains("ssh-keygen") && text.contains(file.to_str().unwrap()),
            "{text}"
        );
        assert!(!file.exists());
        let made = host_keys(&HostKeys::Made(file.clone())).unwrap();
        let read = host_keys(&HostKeys::Given(vec![file])).unwrap();
        assert_eq!(made[0].public(), read[0].public());
    }
}
