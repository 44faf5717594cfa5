//! The specification of a pod, which is Kubernetes' own.

use super::secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt;

/// What stands in place of the value of a variable wherever something is shown.
const HIDDEN: &str = "(hidden)";

/// A specification as it is written. No form of it shows values of variables.
#[derive(Clone)]
pub(crate) struct PodSpec(pub(crate) Value);

impl Default for PodSpec {
    fn default() -> Self {
        Self(json!({
            "containers": [{"name": "shell", "image": "containerssh/containerssh-guest-image"}],
        }))
    }
}

impl PodSpec {
    fn shown(&self) -> Value {
        let mut shown = self.0.clone();
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
        shown
    }
}

impl fmt::Debug for PodSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PodSpec")
    }
}

impl<'de> Deserialize<'de> for PodSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self)
    }
}

impl Serialize for PodSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if secret::is_exposed() {
            return self.0.serialize(serializer);
        }
        self.shown().serialize(serializer)
    }
}

impl JsonSchema for PodSpec {
    fn schema_name() -> Cow<'static, str> {
        "PodSpec".into()
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
        let variable = json!({"name": "TOKEN", "value": "canary"});
        let containers = json!([{"name": "a", "env": [variable]}]);
        let spec = PodSpec(json!({"containers": containers, "initContainers": containers}));
        let shown = serde_json::to_string(&spec).unwrap();
        assert!(shown.contains("TOKEN") && !shown.contains("canary"));
        assert!(!format!("{spec:?}").contains("canary"));
    }
}
