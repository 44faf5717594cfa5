//! `kubernetes`.

mod connection;

use super::report::Report;
use crate::config::at::At;
use crate::config::bounds;
use crate::config::raw::{Backend, Kubernetes, Pod, PodMode, Raw, Timeouts};
use auditssh_gateway::backend::container::{Helper, Programs, idle_command, idle_command_of};
use auditssh_kubernetes::{self as backend, MetadataAs, Mode, Settings, Spec};
use serde_json::Value;
use std::time::Duration;

/// Where ContainerSSH's images have the agent.
const AGENT: &str = "/usr/bin/containerssh-agent";
/// What is left of `limits.backendOpen` to tell why a pod was not ready in time.
const MARGIN: Duration = Duration::from_secs(1);

/// The backend; `None` unless it is the backend. What is wrong with it is reported in any case.
pub(super) fn check(raw: &Raw, report: &mut Report) -> Option<Settings> {
    let block = &raw.kubernetes;
    let is_backend = raw.backend.value == Backend::Kubernetes;
    let access = connection::check(&block.connection, is_backend, report);
    let helper = helper(&block.pod, report);
    let pod = pod(block, is_backend, report);
    let timeouts = timeouts(
        &block.timeouts,
        raw.limits.backend_open.value.into(),
        report,
    );
    let qps = report.within(&block.connection.qps, bounds::REQUESTS);
    let burst = report.within(&block.connection.burst, bounds::REQUESTS);
    report.within(
        &block.pod.console_container_number,
        bounds::CONSOLE_CONTAINER,
    );
    if !is_backend {
        return None;
    }
    Some(Settings {
        access: access?,
        qps,
        burst,
        idle_command: idle(&block.pod, &helper),
        programs: Programs {
            shell: block.pod.shell_command.value.clone(),
            subsystems: block.pod.subsystems.value.clone(),
        },
        helper,
        pod,
        timeouts,
    })
}

fn helper(pod: &Pod, report: &mut Report) -> Helper {
    if pod.shell_command.value.first().is_none_or(String::is_empty) {
        report.fault(
            &pod.shell_command,
            "`shellCommand` is empty: name the program that runs for a shell, such as [/bin/sh]",
        );
    }
    for (name, command) in &pod.subsystems.value {
        if name.is_empty() || command.trim().is_empty() {
            let message = "`subsystems` has an empty name or an empty command";
            report.fault(&pod.subsystems, message);
        }
    }
    let path = pod.agent_path.as_ref();
    if let Some(path) = path.filter(|path| !path.value.starts_with('/')) {
        report.fault(path, "`agentPath` must be an absolute path in the image");
    }
    match (&pod.disable_agent, path) {
        (Some(At { value: true, .. }), _) => Helper::None,
        (_, Some(path)) => Helper::Agent(path.value.clone()),
        (Some(_), None) => Helper::Agent(AGENT.to_owned()),
        (None, None) => Helper::Shell,
    }
}

fn idle(pod: &Pod, helper: &Helper) -> Vec<String> {
    match (&pod.idle_command, helper) {
        (Some(given), _) => given.clone(),
        (None, Helper::Agent(path)) => idle_command_of(path),
        (None, _) => idle_command(),
    }
}

fn pod(block: &Kubernetes, is_backend: bool, report: &mut Report) -> backend::Pod {
    let pod = &block.pod;
    let metadata = &pod.metadata;
    let persistent = pod.mode == PodMode::Persistent;
    match &metadata.name {
        Some(name) if !persistent => report.fault(
            name,
            "`name` is for `mode: persistent`; pods that come and go are named by `generateName`",
        ),
        Some(name) => dns(name, "name", report),
        None if persistent && is_backend => report.fault_of_file(
            "`kubernetes.pod.mode` is persistent, but `kubernetes.pod.metadata.name` is missing: \
             name the pod",
        ),
        None => {}
    }
    dns(&metadata.namespace, "namespace", report);
    prefix(&metadata.generate_name, report);
    if pod.create_missing_pods.value && !persistent {
        report.fault(
            &pod.create_missing_pods,
            "`createMissingPods` is for `mode: persistent`; in other modes every pod is created: \
             remove it",
        );
    }
    let variables = &pod.expose_auth_metadata_as_env;
    let unfit = |name: &String| name.is_empty() || name.contains(['=', '\0']);
    if variables.value.values().any(unfit) {
        report.fault(
            variables,
            "`exposeAuthMetadataAsEnv` has a name that no variable can have",
        );
    }
    backend::Pod {
        namespace: metadata.namespace.value.clone(),
        name: metadata.name.as_ref().map(|name| name.value.clone()),
        generate_name: metadata.generate_name.value.clone(),
        labels: metadata.labels.clone(),
        annotations: metadata.annotations.clone(),
        spec: Spec(spec(pod, report)),
        console: pod.console_container_number.value,
        mode: match pod.mode {
            PodMode::Connection => Mode::Connection,
            PodMode::Session => Mode::Session,
            PodMode::Persistent => Mode::Persistent,
        },
        create_missing: pod.create_missing_pods.value,
        metadata_as: MetadataAs {
            env: variables.value.clone(),
            labels: pod.expose_auth_metadata_as_labels.clone(),
            annotations: pod.expose_auth_metadata_as_annotations.clone(),
        },
    }
}

/// The specification, if it is one.
fn spec(pod: &Pod, report: &mut Report) -> Value {
    let at = &pod.spec;
    let mut spec = at.value.value().clone();
    match backend::check_spec(&mut spec) {
        Ok(unknown) => {
            for path in unknown {
                report.warn(
                    at,
                    format!("`spec`: `{path}` is not known to Kubernetes; look at its spelling"),
                );
            }
        }
        Err(error) => report.fault(at, format!("`spec`: {error}")),
    }
    let containers = spec.get("containers").and_then(Value::as_array);
    let number = &pod.console_container_number;
    let Some(container) = containers.and_then(|all| all.get(number.value)) else {
        let most = containers.map_or(0, Vec::len);
        report.fault(
            number,
            format!(
                "`consoleContainerNumber` is {}, but `spec.containers` has {most}, counted from 0",
                number.value
            ),
        );
        return spec;
    };
    let idles = pod
        .idle_command
        .as_ref()
        .is_none_or(|words| !words.is_empty());
    let has = |key: &str| container.get(key).is_some_and(|value| !value.is_null());
    if idles && (has("args") || has("command")) {
        report.fault(
            at,
            "`spec`: the container in which programs run has `command` or `args`, in whose place \
             `idleCommand` runs: remove them, or set `idleCommand: []` to have them run",
        );
    }
    spec
}

/// What may be part of a URL, and of a name of Kubernetes.
fn dns(name: &At<String>, key: &str, report: &mut Report) {
    let letter =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let text = &name.value;
    if text.is_empty() || text.len() > 253 || !text.bytes().all(letter) {
        report.fault(
            name,
            format!("`{key}` must be a name of Kubernetes: small letters, digits, `-` and `.`"),
        );
    }
}

fn prefix(at: &At<String>, report: &mut Report) {
    let text = &at.value;
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins = text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase());
    if !begins || text.len() > 40 || !text.bytes().all(letter) {
        report.fault(
            at,
            "`generateName` must be up to 40 small letters, digits and `-`, a letter first",
        );
    }
}

fn timeouts(block: &Timeouts, open: Duration, report: &mut Report) -> backend::Timeouts {
    let mut within = |at| Duration::from(report.within(at, bounds::BACKEND_TIME));
    let pod_start = within(&block.pod_start);
    let room = open.saturating_sub(MARGIN).max(MARGIN);
    backend::Timeouts {
        pod_start: pod_start.min(room),
        pod_stop: within(&block.pod_stop),
        command_start: within(&block.command_start),
        signal: within(&block.signal),
        window: within(&block.window),
        http: within(&block.http),
    }
}
