//! `sshproxy`.

mod routes;

use super::algorithms::{Lists, choose, choose_host_keys};
use super::report::Report;
use super::ssh::version;
use crate::config::at::At;
use crate::config::bounds;
use crate::config::raw::{Backend, Raw, SshProxy};
use crate::config::secret::Secret;
use auditssh_gateway::Algorithms;
use auditssh_gateway::backend::sshproxy::{
    self as proxy, Credentials, HostKeys, KeySource, PasswordSource, Settings, Target, UserName,
};
use zeroize::Zeroizing;

/// The backend, and what divides login names; `None` unless it is the backend. What is wrong with
/// it is reported in any case.
pub(super) fn check(raw: &Raw, report: &mut Report) -> Option<(Settings, Option<char>)> {
    let block = &raw.sshproxy;
    let port = report.within(&block.port, bounds::PORT);
    let timeout = report.within(&block.timeout, bounds::BACKEND_TIME);
    let connections = report.within(&block.connections, bounds::HOST_CONNECTIONS);
    if let Err(message) = version(&block.client_version.value, "clientVersion") {
        report.fault(&block.client_version, message);
    }
    let algorithms = algorithms(block, report);
    let host_keys = host_keys(block, report);
    let credentials = credentials(block, report);
    let host = &block.server.value;
    name_of_host(&block.server, report);
    let separator = routes::separator(block, report);
    let routes = routes::check(block, report);
    if raw.backend.value != Backend::SshProxy {
        return None;
    }
    demand(raw, report);
    let forced = &raw.security.force_command;
    if proxy::loses_arguments(&forced.value) {
        report.fault(
            forced,
            "`backend` is sshproxy, which can't pass on arguments of `internal-sftp`: write it without, \
             and force them by the host's own sshd_config (`ForceCommand internal-sftp -R`)",
        );
    }
    let settings = Settings {
        target: (!host.is_empty()).then(|| Target {
            host: host.clone(),
            port,
        }),
        routes,
        user: user_name(block.username_pass_through, &block.username.value),
        credentials,
        host_keys,
        algorithms,
        timeout: timeout.into(),
        client_version: block.client_version.value.clone(),
        rekey_bytes: raw.ssh.rekey_limit.value.into(),
        buffer: raw.limits.channel_buffer.value.into(),
        total_buffer: raw.limits.total_buffer.value.into(),
        connections,
    };
    Some((settings, separator))
}

fn name_of_host(host: &At<String>, report: &mut Report) {
    let other = |letter: char| letter.is_whitespace() || "/@[]".contains(letter);
    if host.value.contains(other) {
        report.fault(
            host,
            "`server` must be a name or an address alone; its port stands in `port`",
        );
    }
}

fn user_name(same: bool, name: &str) -> UserName {
    if same {
        UserName::Same
    } else {
        UserName::Fixed(name.to_owned())
    }
}

/// What must be there if it is the backend.
fn demand(raw: &Raw, report: &mut Report) {
    let block = &raw.sshproxy;
    let mut missing = |key: &str, what: &str| {
        report.fault(
            &raw.backend,
            format!("`backend` is sshproxy, but `sshproxy.{key}` is missing: {what}"),
        );
    };
    let only_routes = block.server.value.is_empty() && !block.routes.value.is_empty();
    if block.server.value.is_empty() && !only_routes {
        missing("server", "name the host behind the gateway");
    }
    if block.username.value.is_empty() && !block.username_pass_through && !only_routes {
        missing(
            "username",
            "name the account there, or set `usernamePassThrough: true`",
        );
    }
    let of_routes = || {
        let mut routes = block.routes.value.values();
        routes.all(|route| !route.allowed_host_key_fingerprints.is_empty())
    };
    let listed = !block.allowed_host_key_fingerprints.is_empty() || only_routes && of_routes();
    if !listed && block.known_hosts.is_none() {
        missing(
            "allowedHostKeyFingerprints",
            "list what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the host, or name a \
             file of `knownHosts`",
        );
    }
    let proofs = [&block.password, &block.private_key, &block.user_ca_key];
    let files = [&block.password_file, &block.agent];
    let none = |one: &&Option<At<String>>| one.is_none();
    let given = block.forward_agent || proofs.iter().any(|proof| proof.is_some());
    if !given && files.iter().all(none) {
        missing(
            "privateKey",
            "give that, `userCAKey`, `agent`, `forwardAgent` or `passwordFile`, by which the gateway proves itself there",
        );
    }
}

fn algorithms(block: &SshProxy, report: &mut Report) -> Algorithms {
    let mut algorithms = Algorithms::for_servers();
    let lists = Lists {
        kex: &block.kex,
        ciphers: &block.ciphers,
        macs: &block.macs,
    };
    choose(&lists, &mut algorithms, report);
    for (list, key) in [
        (&block.host_key_algorithms, "hostKeyAlgorithms"),
        (&block.host_key_algos, "hostKeyAlgos"),
    ] {
        choose_host_keys(list, key, &mut algorithms, report);
    }
    if !block.host_key_algos.value.is_empty() && !block.host_key_algorithms.value.is_empty() {
        report.fault(
            &block.host_key_algos,
            "`hostKeyAlgos` and `hostKeyAlgorithms` are two names of one setting; remove one of them",
        );
    }
    algorithms
}

fn host_keys(block: &SshProxy, report: &mut Report) -> HostKeys {
    let fingerprints = fingerprints(&block.allowed_host_key_fingerprints, report);
    let file = block.known_hosts.as_ref();
    if let Some(file) = file.filter(|file| file.value.is_empty()) {
        report.fault(file, "`knownHosts` is empty: give the path of a file");
    }
    HostKeys {
        fingerprints,
        known_hosts: file.map(|file| (&file.value).into()),
    }
}

fn fingerprints(texts: &[At<String>], report: &mut Report) -> Vec<proxy::Fingerprint> {
    let mut all = Vec::new();
    for text in texts {
        match text.value.parse() {
            Ok(fingerprint) => all.push(fingerprint),
            Err(error) => report.fault(text, error),
        }
    }
    all
}

fn credentials(block: &SshProxy, report: &mut Report) -> Credentials {
    let password = match (&block.password, &block.password_file) {
        (Some(_), Some(file)) => {
            report.fault(
                file,
                "both `password` and `passwordFile` are given; remove one of them",
            );
            None
        }
        (Some(text), None) => {
            if text.value.expose().is_empty() {
                report.fault(text, "`password` is empty; remove it or fill it in");
            }
            Some(PasswordSource::Text(secret(&text.value)))
        }
        (None, Some(file)) => Some(PasswordSource::File((&file.value).into())),
        (None, None) => None,
    };
    if let Some(agent) = block.agent.as_ref().filter(|agent| agent.value.is_empty()) {
        report.fault(agent, "`agent` is empty: give the path of its socket");
    }
    let lifetime = report.within(&block.certificate_lifetime, bounds::CERTIFICATE_LIFETIME);
    let authority = block.user_ca_key.as_ref();
    Credentials {
        authority: authority.map(|key| (key_source(&key.value), lifetime.into())),
        agent: block.agent.as_ref().map(|agent| (&agent.value).into()),
        forward_agent: block.forward_agent,
        key: block.private_key.as_ref().map(|key| key_source(&key.value)),
        password,
    }
}

/// Text that begins like PEM is the key itself.
fn key_source(key: &Secret) -> KeySource {
    let text = key.expose();
    if text.trim_start().starts_with("-----") {
        KeySource::Text(secret(key))
    } else {
        KeySource::File(text.into())
    }
}

fn secret(text: &Secret) -> proxy::Secret {
    proxy::Secret::new(Zeroizing::new(text.expose().to_owned()))
}
