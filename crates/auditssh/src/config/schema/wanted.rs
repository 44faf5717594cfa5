//! What a schema wants, in words.

use crate::config::error::written;
use serde_json::Value;
use std::fmt;

/// What is wanted at a place of the configuration.
pub(crate) struct Wanted<'a> {
    schema: &'a Value,
    optional: bool,
}

impl<'a> Wanted<'a> {
    /// What a part of the schema `root` wants.
    pub(crate) fn of(schema: &'a Value, root: &'a Value) -> Self {
        let target = resolve(schema, root);
        let alternatives = schema.get("anyOf").and_then(Value::as_array);
        let may_be_null =
            |alternatives: &Vec<Value>| alternatives.iter().any(|one| has_type(one, "null"));
        Self {
            schema: target,
            optional: has_type(target, "null") || alternatives.is_some_and(may_be_null),
        }
    }

    /// Whether nothing may stand there.
    pub(crate) const fn is_optional(&self) -> bool {
        self.optional
    }

    pub(crate) fn is_map(&self) -> bool {
        has_type(self.schema, "object")
    }

    pub(crate) fn is_list(&self) -> bool {
        has_type(self.schema, "array")
    }

    /// Whether a text, a number or the like may stand there.
    pub(crate) fn is_scalar(&self) -> bool {
        let either = ["string", "boolean"].map(|kind| has_type(self.schema, kind));
        !self.is_map() && !self.is_list() || either.contains(&true)
    }

    /// Whether it does not matter what stands there.
    pub(crate) fn is_anything(&self) -> bool {
        self.schema
            .as_object()
            .is_some_and(serde_json::Map::is_empty)
    }

    /// The keys of a block.
    pub(crate) fn keys(&self) -> Vec<&'a str> {
        let properties = self.schema.get("properties").and_then(Value::as_object);
        let keys = properties.into_iter().flat_map(|keys| keys.keys());
        keys.map(String::as_str).collect()
    }

    /// What is wanted of a key.
    pub(crate) fn entry(&self, key: &str) -> Option<&'a Value> {
        let properties = self.schema.get("properties");
        let known = properties.and_then(|keys| keys.get(key));
        known.or_else(|| {
            let any = self.schema.get("additionalProperties");
            any.filter(|schema| schema.is_object())
        })
    }

    /// What is wanted of the items of a list.
    pub(crate) fn item(&self) -> Option<&'a Value> {
        self.schema.get("items")
    }

    fn words(&self) -> Vec<String> {
        let listed = |key| self.schema.get(key).and_then(Value::as_array);
        let described = listed("oneOf").into_iter().flatten();
        let described = described.filter_map(|word| word.get("const"));
        let bare = listed("enum").into_iter().flatten();
        let words = described.chain(bare).map(|word| match word {
            Value::String(word) => written(word).to_owned(),
            other => other.to_string(),
        });
        words.collect()
    }

    fn is_form(&self, name: &str) -> bool {
        self.schema.get("format").and_then(Value::as_str) == Some(name)
    }

    fn number(&self) -> String {
        let bound = |key| self.schema.get(key).and_then(Value::as_i64);
        match (bound("minimum"), bound("maximum")) {
            (Some(least), Some(most)) => format!("a whole number from {least} to {most} is wanted"),
            _ => "a whole number, not negative, is wanted".to_owned(),
        }
    }
}

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is = |kind| has_type(self.schema, kind);
        let words = self.words();
        let text = match words.as_slice() {
            [only] => return write!(f, "`{only}` is wanted"),
            [_, ..] => return write!(f, "one of {} is wanted", words.join(", ")),
            [] if self.is_map() && is("boolean") => "a map, or true or false, is wanted",
            [] if self.is_map() => "a map of keys and values is wanted; an empty one is {}",
            [] if self.is_list() && is("string") => "a text or a list of texts is wanted",
            [] if self.is_list() => "a list is wanted; an empty one is []",
            [] if self.is_form("span") => "a duration such as 60s or 1m30s is wanted",
            [] if self.is_form("size") => "a size such as 8MiB is wanted",
            [] if is("number") => "a text is wanted; an empty one is \"\"",
            [] if is("boolean") => "true or false is wanted",
            [] => return f.write_str(&self.number()),
        };
        f.write_str(text)
    }
}

/// The definition that a schema refers to, or the schema itself.
pub(super) fn resolve<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let alternatives = schema.get("anyOf");
    let alternative = alternatives.and_then(|all| all.get(0)).unwrap_or(schema);
    let reference = alternative.get("$ref").and_then(Value::as_str);
    let name = reference.and_then(|path| path.strip_prefix("#/$defs/"));
    let definition = name.and_then(|name| root.get("$defs")?.get(name));
    definition.unwrap_or(alternative)
}

pub(super) fn has_type(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::Array(types)) => types.iter().any(|one| one == kind),
        Some(one) => one == kind,
        None => false,
    }
}
