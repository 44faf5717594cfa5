//! The pod of a login, made of what is configured and of who logs in. Pure.

#[cfg(test)]
mod tests;

use crate::settings::{Mode, Pod};
use auditssh_gateway::backend::Identity;
use auditssh_gateway::backend::container::{
    CONNECTION_LABEL, INSTANCE_LABEL, IP_LABEL, Instance, RUN_LABEL, USERNAME_LABEL, environment,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Characters of the longest value of a label.
const LABEL: usize = 63;
/// Characters of the longest name of a pod that is also the name of its host.
const NAME: usize = 63;

/// The pod that a gateway itself runs in: with it goes what it made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

impl Owner {
    /// As the environment tells it, if it does.
    pub(crate) fn of_environment() -> Option<Self> {
        let told = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Some(Self {
            namespace: told("AUDITSSH_POD_NAMESPACE")?,
            name: told("AUDITSSH_POD_NAME")?,
            uid: told("AUDITSSH_POD_UID")?,
        })
    }
}

/// Whose pod it is.
pub(crate) struct Made<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) instance: &'a Instance,
    pub(crate) owner: Option<&'a Owner>,
    pub(crate) namespace: &'a str,
    pub(crate) idle_command: &'a [String],
}

/// A name for a new pod. It is ours to choose, so that a pod can be deleted whose creation was not
/// answered.
pub(crate) fn name(prefix: &str) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let letter = || LETTERS.get(rand::random_range(0..LETTERS.len())).copied();
    let random: String = std::iter::repeat_with(letter)
        .take(12)
        .flatten()
        .map(char::from)
        .collect();
    let room = NAME - random.len();
    let prefix: String = prefix.chars().take(room).collect();
    format!("{prefix}{random}")
}

/// The name of the container in which programs run.
pub(crate) fn console(pod: &Pod) -> &str {
    let container = pod
        .spec
        .0
        .get("containers")
        .and_then(|all| all.get(pod.console));
    let name = container.and_then(|container| container.get("name"));
    name.and_then(Value::as_str).unwrap_or_default()
}

/// Variables that every program of the login has since its container has them.
pub(crate) fn variables(pod: &Pod, identity: &Identity) -> BTreeMap<String, String> {
    let mut variables = exposed(&pod.metadata_as.env, identity);
    variables.extend(environment::of_services(identity, false));
    variables
}

/// What the API server is to create.
pub(crate) fn manifest(pod: &Pod, name: &str, made: &Made<'_>) -> Value {
    let identity = made.identity;
    let mut labels = pod.labels.clone();
    let mut annotations = pod.annotations.clone();
    if pod.mode != Mode::Persistent {
        labels.extend(exposed(&pod.metadata_as.labels, identity));
        annotations.extend(exposed(&pod.metadata_as.annotations, identity));
        labels.extend(ours(made));
        let address = identity.remote_address.ip().to_canonical().to_string();
        annotations.insert(IP_LABEL.to_owned(), address.replace(':', "-"));
    }
    let mut metadata = json!({
        "name": name,
        "namespace": made.namespace,
        "labels": labels,
        "annotations": annotations,
    });
    if let Some(owner) = made.owner.filter(|owner| owner.namespace == made.namespace)
        && pod.mode != Mode::Persistent
        && let Some(metadata) = metadata.as_object_mut()
    {
        metadata.insert("ownerReferences".to_owned(), reference(owner));
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": spec(pod, made),
    })
}

fn reference(owner: &Owner) -> Value {
    json!([{
        "apiVersion": "v1",
        "kind": "Pod",
        "name": owner.name,
        "uid": owner.uid,
    }])
}

fn ours(made: &Made<'_>) -> BTreeMap<String, String> {
    let identity = made.identity;
    let known = identity.facts.authenticated_username.as_deref();
    let mut labels = BTreeMap::from([
        (CONNECTION_LABEL.to_owned(), identity.connection_id.clone()),
        (INSTANCE_LABEL.to_owned(), made.instance.id().to_owned()),
        (RUN_LABEL.to_owned(), made.instance.run().to_owned()),
    ]);
    let user = label(known.unwrap_or(&identity.user));
    if !user.is_empty() {
        labels.insert(USERNAME_LABEL.to_owned(), user);
    }
    labels
}

/// A name as the value of a label.
fn label(name: &str) -> String {
    let fit = |letter: char| match letter {
        '.' | '_' | '-' => letter,
        letter if letter.is_ascii_alphanumeric() => letter,
        _ => '-',
    };
    let fitting: String = name.chars().map(fit).take(LABEL).collect();
    let edge = |letter: char| !letter.is_ascii_alphanumeric();
    fitting.trim_matches(edge).to_owned()
}

/// Metadata of the login under their names in the pod.
fn exposed(names: &BTreeMap<String, String>, identity: &Identity) -> BTreeMap<String, String> {
    let metadata = &identity.facts.metadata;
    let one = |(from, to): (&String, &String)| {
        let fact = metadata.get(from)?;
        Some((to.clone(), fact.value.as_str().to_owned()))
    };
    names.iter().filter_map(one).collect()
}

fn spec(pod: &Pod, made: &Made<'_>) -> Value {
    let mut spec = pod.spec.0.clone();
    let Some(fields) = spec.as_object_mut() else {
        return spec;
    };
    let set = |fields: &mut Map<String, Value>, key: &str, value: Value| {
        fields.entry(key).or_insert(value);
    };
    if pod.mode != Mode::Persistent {
        // The program that idles has ended: so has the pod.
        set(fields, "restartPolicy", json!("Never"));
    }
    // What a user finds in a pod is the user's; the cluster is not.
    set(fields, "automountServiceAccountToken", json!(false));
    let containers = fields.get_mut("containers");
    let container = containers.and_then(|all| all.get_mut(pod.console));
    if let Some(container) = container.and_then(Value::as_object_mut) {
        if !made.idle_command.is_empty() {
            container.insert("command".to_owned(), json!(made.idle_command));
        }
        if pod.mode != Mode::Persistent {
            add(container, &variables(pod, made.identity));
        }
    }
    spec
}

/// Adds variables to a container, in place of its own of the same name.
fn add(container: &mut Map<String, Value>, variables: &BTreeMap<String, String>) {
    if variables.is_empty() {
        return;
    }
    let all = container.entry("env").or_insert_with(|| json!([]));
    if all.is_null() {
        *all = json!([]);
    }
    let Some(all) = all.as_array_mut() else {
        return;
    };
    let named = |one: &Value| one.get("name").and_then(Value::as_str).map(str::to_owned);
    all.retain(|one| !named(one).is_some_and(|name| variables.contains_key(&name)));
    for (name, value) in variables {
        // What looks like a reference to another variable is none.
        let value = value.replace('$', "$$");
        all.push(json!({"name": name, "value": value}));
    }
}
