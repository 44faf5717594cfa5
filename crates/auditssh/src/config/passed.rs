//! Blocks that are passed on as they are written.

use super::secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// What stands in the place of what may be secret.
const HIDDEN: &str = "(hidden)";

/// Keys and values that another program understands. No form of it shows what its kind hides.
pub(crate) struct Passed<K = Plain>(Value, PhantomData<K>);

/// The specification of a pod, as it is written.
pub(crate) type PodSpec = Passed<OfPod>;

/// Of what kind a block is.
pub(crate) trait Kind {
    /// What is taken where nothing is written.
    fn default() -> Value {
        json!({})
    }

    /// The block as it may be shown.
    fn shown(written: &Map<String, Value>) -> Value;
}

/// A block of a container engine. Values of environment variables are hidden, and the options of
/// loggers, which may be tokens.
#[derive(Clone, Copy)]
pub(crate) enum Plain {}

/// The specification of a pod, which is Kubernetes' own. Values of variables are hidden.
#[derive(Clone, Copy)]
pub(crate) enum OfPod {}

impl Kind for Plain {
    fn shown(written: &Map<String, Value>) -> Value {
        let entry = |(key, value): (&String, &Value)| {
            let shown = match key.to_ascii_lowercase().as_str() {
                "env" => variables(value),
                "logconfig" => Value::from(HIDDEN),
                _ => value.clone(),
            };
            (key.clone(), shown)
        };
        Value::Object(written.iter().map(entry).collect())
    }
}

fn variables(written: &Value) -> Value {
    let Some(list) = written.as_array() else {
        return Value::from(HIDDEN);
    };
    let name = |one: &Value| match one.as_str().and_then(|one| one.split_once('=')) {
        Some((name, _)) => Value::from(format!("{name}={HIDDEN}")),
        None => Value::from(HIDDEN),
    };
    list.iter().map(name).collect()
}

impl Kind for OfPod {
    fn default() -> Value {
        json!({
            "containers": [{"name": "shell", "image": "containerssh/containerssh-guest-image"}],
        })
    }

    fn shown(written: &Map<String, Value>) -> Value {
        let mut shown = written.clone();
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            let containers = shown.get_mut(list).and_then(Value::as_array_mut);
            let variables = containers.into_iter().flatten();
            let variables = variables.filter_map(|one| one.get_mut("env")?.as_array_mut());
            for variable in variables.flatten() {
                if let Some(value) = variable.get_mut("value") {
                    *value = HIDDEN.into();
                }
            }
        }
        Value::Object(shown)
    }
}

impl<K> Passed<K> {
    /// What is written.
    pub(crate) fn value(&self) -> &Value {
        &self.0
    }
}

impl<K> Clone for Passed<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<K: Kind> Default for Passed<K> {
    fn default() -> Self {
        Self(K::default(), PhantomData)
    }
}

impl<K> fmt::Debug for Passed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passed")
    }
}

impl<'de, K> Deserialize<'de> for Passed<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(|written| Self(Value::Object(written), PhantomData))
    }
}

impl<K: Kind> Serialize for Passed<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_object() {
            Some(written) if !secret::is_exposed() => K::shown(written).serialize(serializer),
            _ => self.0.serialize(serializer),
        }
    }
}

impl<K> JsonSchema for Passed<K> {
    fn schema_name() -> Cow<'static, str> {
        "Passed".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "additionalProperties": {}})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_variables_are_not_shown() {
        let text = r#"{"image": "x", "Env": ["A=hunter2", "hunter2", 7], "logconfig": {"config": {"token": "hunter2"}}}"#;
        let passed: Passed = serde_json::from_str(text).unwrap();
        let shown = serde_json::to_string(&passed).unwrap() + &format!("{passed:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("A=(hidden)") && shown.contains(r#""image":"x""#));
        let odd: Passed = serde_json::from_str(r#"{"env": {"A": "hunter2"}}"#).unwrap();
        assert!(!serde_json::to_string(&odd).unwrap().contains("hunter2"));
    }

    #[test]
    fn values_of_variables_of_pods_are_not_shown() {
        let variable = json!({"name": "TOKEN", "value": "canary"});
        let containers = json!([{"name": "a", "env": [variable]}]);
        let written = json!({"containers": containers, "initContainers": containers});
        let spec: PodSpec = serde_json::from_value(written).unwrap();
        let shown = serde_json::to_string(&spec).unwrap();
        assert!(shown.contains("TOKEN") && !shown.contains("canary"));
        assert!(!format!("{spec:?}").contains("canary"));
        assert!(spec.value().to_string().contains("canary"));
    }
}
