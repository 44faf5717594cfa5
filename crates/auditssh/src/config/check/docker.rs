//! `docker`.

use super::auth::{pem, secret};
use super::report::Report;
use crate::config::at::At;
use crate::config::bounds;
use crate::config::passed::Passed;
use crate::config::raw::{
    Backend, Docker, DockerExecution, DockerMode, DockerTimeouts, ImagePullPolicy, Raw,
    RegistryAuth,
};
use crate::config::secret::Secret;
use auditssh_docker::{Address, Credentials, Launch, Mode, Pull, Settings, Timeouts};
use auditssh_gateway::backend::container::{Helper, Programs, idle_command, idle_command_of};
use auditssh_webhook::tls::{Authorities, Identity, Trust, TrustError, Version};
use serde_json::{Value, json};
use std::time::Duration;

/// What ContainerSSH takes if nothing is written.
const IMAGE: &str = "containerssh/containerssh-guest-image";
const AGENT: &str = "/usr/bin/containerssh-agent";

/// The backend; `None` unless it is the backend. What is wrong with it is reported in any case.
pub(super) fn check(raw: &Raw, report: &mut Report) -> Option<Settings> {
    let Docker {
        connection,
        execution,
        timeouts,
    } = &raw.docker;
    let faults = report.faults.len();
    let timeouts = times(timeouts, report);
    let address = connection.host.value.parse::<Address>();
    let address = address
        .map_err(|error| report.fault(&connection.host, format!("`host`: {error}")))
        .ok();
    let wanted = matches!(address, Some(Address::Tcp { tls: true, .. }));
    let trust = trust(raw, wanted, report);
    let launch = launch(execution, report);
    let helper = helper(execution, report);
    if execution.shell_command.value.is_empty() {
        report.fault(
            &execution.shell_command,
            "`shellCommand` is empty; write the shell of the image, such as [/bin/sh]",
        );
    }
    if raw.backend.value != Backend::Docker || report.faults.len() > faults {
        return None;
    }
    if matches!(&address, Some(Address::Tcp { host, .. }) if trust.is_none() && !local(host)) {
        report.warn(
            &connection.host,
            "`host` is not encrypted: whoever reaches that port can become root on its machine; use \
             `cacert`, `cert` and `key`",
        );
    }
    let idle = &execution.idle_command.value;
    Some(Settings {
        address: address?,
        tls: trust.map(|trust| trust.connector()),
        launch: launch?,
        credentials: credentials(&execution.auth),
        mode: match execution.mode {
            DockerMode::Connection => Mode::Connection,
            DockerMode::Session => Mode::Session,
        },
        idle_command: match &helper {
            _ if !idle.is_empty() => idle.clone(),
            Helper::Agent(path) => idle_command_of(path),
            _ => idle_command(),
        },
        programs: Programs {
            shell: execution.shell_command.value.clone(),
            subsystems: execution.subsystems.value.clone(),
        },
        helper,
        pull: match execution.image_pull_policy {
            ImagePullPolicy::Always => Pull::Always,
            ImagePullPolicy::IfNotPresent => Pull::IfNotPresent,
            ImagePullPolicy::Never => Pull::Never,
        },
        expose_metadata: execution.expose_auth_metadata_as_env,
        timeouts,
    })
}

fn times(raw: &DockerTimeouts, report: &mut Report) -> Timeouts {
    let mut within = |span| Duration::from(report.within(span, bounds::BACKEND_TIME));
    Timeouts {
        container_start: within(&raw.container_start),
        container_stop: within(&raw.container_stop),
        command_start: within(&raw.command_start),
        signal: within(&raw.signal),
        window: within(&raw.window),
        http: within(&raw.http),
    }
}

fn local(host: &str) -> bool {
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// By what the engine is trusted, and we by it; `None` without TLS.
fn trust(raw: &Raw, wanted: bool, report: &mut Report) -> Option<Trust> {
    let connection = &raw.docker.connection;
    let key = connection.key.as_ref();
    let key = key.filter(|key| !key.value.expose().is_empty());
    let (cacert, cert) = (&connection.cacert, &connection.cert);
    if !wanted && cacert.value.is_empty() && cert.value.is_empty() && key.is_none() {
        return None;
    }
    let authorities = if cacert.value.trim().is_empty() {
        Authorities::of_system()
    } else {
        Authorities::from_pem(&pem("cacert", cacert, &cacert.value, report)?)
    };
    let authorities = authorities
        .map_err(|error| report.fault(cacert, format!("`cacert`: {error}")))
        .ok()?;
    let identity = match (cert.value.is_empty(), key) {
        (true, None) => None,
        (false, Some(key)) => Some(identity(cert, key, report)?),
        (false, None) => {
            report.fault(cert, "`cert` is given without its `key`; give both or none");
            return None;
        }
        (true, Some(key)) => {
            report.fault(key, "`key` is given without its `cert`; give both or none");
            return None;
        }
    };
    Trust::new(Version::V12, authorities, identity)
        .map_err(|error| report.fault(&connection.host, format!("`host`: {error}")))
        .ok()
}

fn identity(cert: &At<String>, key: &At<Secret>, report: &mut Report) -> Option<Identity> {
    let certificate = pem("cert", cert, &cert.value, report)?;
    let secret = secret(key, report)?;
    match Identity::from_pem(&certificate, &secret) {
        Ok(identity) => Some(identity),
        Err(error @ (TrustError::NoKey | TrustError::Key(_))) => {
            report.fault(key, format!("`key`: {error}"));
            None
        }
        Err(error) => {
            report.fault(cert, format!("`cert`: {error}"));
            None
        }
    }
}

fn launch(raw: &DockerExecution, report: &mut Report) -> Option<Launch> {
    let value = |block: &Option<At<Passed>>| {
        let block = block.as_ref();
        block.map_or(Value::Null, |block| block.value.value().clone())
    };
    let container = match &raw.container {
        Some(container) => container.value.value().clone(),
        None => json!({"image": IMAGE}),
    };
    let blocks = [&raw.container, &raw.host, &raw.network, &raw.platform];
    let [_, host, network, platform] = blocks.map(value);
    let nowhere = At::unplaced(Passed::default());
    let launch = Launch::new(container, host, network, platform);
    let mut launch = match launch {
        Ok(launch) => launch,
        Err(error) => {
            let at = error.block().and_then(|block| {
                let names = ["container", "host", "network", "platform"];
                let index = names.iter().position(|name| *name == block)?;
                blocks.get(index)?.as_ref()
            });
            report.fault(at.unwrap_or(&nowhere), error);
            return None;
        }
    };
    if raw.mode == DockerMode::Session && launch.restarts() {
        report.fault(
            raw.host.as_ref().unwrap_or(&nowhere),
            "`host.restartpolicy`: with `mode: session` a container ends with its program; remove the \
             policy",
        );
    }
    if launch.has_command() {
        report.warn(
            raw.container.as_ref().unwrap_or(&nowhere),
            "`container.cmd` has no effect: what runs is `idleCommand` and what clients ask for; remove \
             it, and write `shellCommand` for a shell of its own",
        );
    }
    let (name, other) = (&raw.container_name, &raw.containername);
    if !name.value.is_empty() && !other.value.is_empty() {
        report.fault(
            other,
            "`containername` and `containerName` are two names of one setting; remove one of them",
        );
    }
    let name = if name.value.is_empty() { other } else { name };
    let letter = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    if !name.value.chars().all(letter) {
        report.fault(
            name,
            "`containerName` may have letters, digits, `_`, `.` and `-` only",
        );
    }
    launch.name.clone_from(&name.value);
    Some(launch)
}

fn helper(raw: &DockerExecution, report: &mut Report) -> Helper {
    let path = &raw.agent_path;
    let disabled = raw.disable_agent.as_ref().map(|at| at.value);
    if !path.value.is_empty() && !path.value.starts_with('/') {
        report.fault(
            path,
            "`agentPath` is not absolute: write its path in the image",
        );
    }
    match (disabled, path.value.is_empty()) {
        (Some(true), _) => Helper::None,
        (_, false) => Helper::Agent(path.value.clone()),
        (Some(false), true) => Helper::Agent(AGENT.to_owned()),
        (None, true) => Helper::Shell,
    }
}

fn credentials(raw: &RegistryAuth) -> Option<Credentials> {
    let text = |secret: &Option<Secret>| secret.as_ref().map(|one| one.expose().to_owned());
    let credentials = Credentials {
        username: raw.username.clone(),
        password: text(&raw.password),
        server_address: raw.server_address.clone(),
        identity_token: text(&raw.identity_token),
        registry_token: text(&raw.registry_token),
    };
    let any = raw.username.is_some()
        || raw.password.is_some()
        || raw.identity_token.is_some()
        || raw.registry_token.is_some();
    any.then_some(credentials)
}
