//! A block that is passed on as it is written.

use super::secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// What stands in the place of what may be secret.
const HIDDEN: &str = "(hidden)";

/// Keys and values that another program understands. Values of environment variables are never shown,
/// nor are the options of loggers, which may be tokens.
#[derive(Clone, Default)]
pub(crate) struct Passed(Map<String, Value>);

impl Passed {
    /// What is written.
    pub(crate) fn value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    fn shown(&self) -> Value {
        let entry = |(key, value): (&String, &Value)| {
            let shown = match key.to_ascii_lowercase().as_str() {
                "env" => variables(value),
                "logconfig" => Value::from(HIDDEN),
                _ => value.clone(),
            };
            (key.clone(), shown)
        };
        Value::Object(self.0.iter().map(entry).collect())
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

impl fmt::Debug for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Passed({})", self.0.len())
    }
}

impl<'de> Deserialize<'de> for Passed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(Self)
    }
}

impl Serialize for Passed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if secret::is_exposed() {
            return self.0.serialize(serializer);
        }
        self.shown().serialize(serializer)
    }
}

impl JsonSchema for Passed {
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
}
