//! Whether programs can run in a pod, and why not. Pure.

#[cfg(test)]
mod tests;

use crate::api::clip;
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodStatus,
};

/// What a container waits for that it waits for in vain.
const IN_VAIN: [&str; 5] = [
    "CrashLoopBackOff",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ImageInspectError",
];

/// A pod, as far as programs in it are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Programs can run.
    Ready,
    /// Not yet; the text says why, if anything is known.
    Waiting(String),
    /// Never.
    Hopeless(String),
}

/// Looks at a pod in whose container programs are to run.
pub(crate) fn judge(pod: &Pod, console: &str) -> State {
    if pod.metadata.deletion_timestamp.is_some() {
        return State::Hopeless("it is being deleted".to_owned());
    }
    let Some(status) = &pod.status else {
        return State::Waiting(String::new());
    };
    if let Some(end) = ended(status) {
        return State::Hopeless(end);
    }
    let containers = containers(status);
    if let Some(vain) = containers.iter().copied().find_map(in_vain) {
        return State::Hopeless(vain);
    }
    let terminated = |one: &&&ContainerStatus| one.name == console && terminated(one).is_some();
    if let Some(one) = own(status).iter().find(terminated) {
        return State::Hopeless(format!("container {}", told(one)));
    }
    let running = own(status)
        .iter()
        .any(|one| one.name == console && is_running(one));
    if running && condition(status, "Ready").is_some_and(|(is, _)| is) {
        return State::Ready;
    }
    State::Waiting(waiting(status, &containers))
}

/// How a pod ended, for what ran in it; `None` if nothing is known to be wrong with it.
pub(crate) fn end(pod: &Pod, console: &str) -> Option<String> {
    match judge(pod, console) {
        State::Hopeless(reason) => Some(reason),
        State::Ready | State::Waiting(_) => None,
    }
}

fn ended(status: &PodStatus) -> Option<String> {
    let phase = status.phase.as_deref()?;
    if phase != "Failed" && phase != "Succeeded" {
        return None;
    }
    let mut said = Vec::new();
    said.extend(status.reason.clone());
    said.extend(status.message.clone());
    let all = containers(status);
    said.extend(
        all.iter()
            .filter(|one| terminated(one).is_some())
            .map(|one| told(one)),
    );
    let said = clip(&said.join("; "));
    Some(format!("it has ended ({phase}): {said}"))
}

fn own(status: &PodStatus) -> Vec<&ContainerStatus> {
    status.container_statuses.iter().flatten().collect()
}

fn containers(status: &PodStatus) -> Vec<&ContainerStatus> {
    let first = status.init_container_statuses.iter().flatten();
    first
        .chain(status.container_statuses.iter().flatten())
        .collect()
}

fn state(container: &ContainerStatus) -> Option<&ContainerState> {
    container.state.as_ref()
}

fn is_running(container: &ContainerStatus) -> bool {
    state(container).is_some_and(|state| state.running.is_some())
}

fn terminated(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    state(container)?.terminated.as_ref()
}

/// Why a container waits: reason and message.
fn waits(container: &ContainerStatus) -> Option<(&str, &str)> {
    let waiting = state(container)?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or_default();
    Some((reason, waiting.message.as_deref().unwrap_or_default()))
}

fn in_vain(container: &ContainerStatus) -> Option<String> {
    let (reason, _) = waits(container)?;
    IN_VAIN.contains(&reason).then(|| told(container))
}

/// What is known of a container that does not run.
fn told(container: &ContainerStatus) -> String {
    let name = &container.name;
    let image = &container.image;
    let text = match (waits(container), terminated(container)) {
        (Some((reason, message)), _) => format!("{name} (image {image}): {reason}: {message}"),
        (_, Some(end)) => {
            let code = end.exit_code;
            let reason = end.reason.as_deref().unwrap_or_default();
            let message = end.message.as_deref().unwrap_or_default();
            format!("{name} ended with {code}: {reason} {message}")
        }
        _ => name.clone(),
    };
    clip(text.trim_end_matches([' ', ':']))
}

fn condition<'a>(status: &'a PodStatus, kind: &str) -> Option<(bool, &'a str)> {
    let mut all = status.conditions.iter().flatten();
    let found = all.find(|condition| condition.type_ == kind)?;
    let message = found.message.as_deref().unwrap_or_default();
    Some((found.status == "True", message))
}

fn waiting(status: &PodStatus, containers: &[&ContainerStatus]) -> String {
    if let Some((false, message)) = condition(status, "PodScheduled") {
        return clip(&format!("no node takes it: {message}"));
    }
    let mut waiting = containers.iter().filter(|one| waits(one).is_some());
    if let Some(container) = waiting.next() {
        return told(container);
    }
    match condition(status, "Ready") {
        Some((false, message)) => clip(message),
        _ => String::new(),
    }
}
