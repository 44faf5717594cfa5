use super::*;
use crate::config::read::parse;
use std::path::Path;

/// Set to write the page anew instead of comparing it.
const UPDATE: &str = "UPDATE_DOCS";

#[test]
fn the_documentation_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, page()).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == page(),
        "docs/configuration.md is stale: run `{UPDATE}=1 cargo test -p auditssh documentation`"
    );
}

#[test]
fn every_key_and_word_is_described() {
    fn check(path: &str, value: &Value) {
        let Some(map) = value.as_object() else {
            return;
        };
        for (name, property) in map
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let described = property.get("description").and_then(Value::as_str);
            assert!(
                described.is_some_and(|text| text.ends_with(['.', ')'])),
                "{path}.{name}"
            );
        }
        for word in map
            .get("oneOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            assert!(word.get("description").is_some(), "{path}: {word}");
        }
        for (name, child) in map {
            check(&format!("{path}/{name}"), child);
        }
    }
    check("", schema().as_value());
}

/// A configuration with every key of the schema, each with its default or a plain value.
fn everything(schema: &Value, definitions: &Value) -> Value {
    let target = |schema: &Value| {
        let schema = schema.pointer("/anyOf/0").unwrap_or(schema).clone();
        match schema.get("$ref").and_then(Value::as_str) {
            Some(name) => definitions[name.trim_start_matches("#/$defs/")].clone(),
            None => schema,
        }
    };
    let schema = target(schema);
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let filled = properties.iter().map(|(name, property)| {
            let value = match property.get("default") {
                Some(value) if !value.is_null() && !value.is_object() => value.clone(),
                _ => everything(property, definitions),
            };
            (name.clone(), value)
        });
        return filled.collect();
    }
    if let Some(entry) = schema
        .get("additionalProperties")
        .filter(|entry| entry.is_object())
    {
        return serde_json::json!({"name": everything(entry, definitions)});
    }
    if let Some(word) = schema.pointer("/oneOf/0/const") {
        return word.clone();
    }
    let kinds = schema.get("type").cloned().unwrap_or_default();
    let is = |kind: &str| {
        let several = kinds.as_array();
        kinds == kind || several.is_some_and(|kinds| kinds.contains(&kind.into()))
    };
    if is("boolean") {
        return true.into();
    }
    if is("array") {
        return match schema
            .get("items")
            .filter(|item| item.get("$ref").is_some())
        {
            Some(item) => serde_json::json!([everything(item, definitions)]),
            None => serde_json::json!(["x"]),
        };
    }
    Value::from("x")
}

#[test]
fn every_documented_key_is_accepted() {
    let schema = schema().to_value();
    let everything = everything(&schema, &schema["$defs"]);
    assert!(everything.pointer("/audit/s3/metadata/ip").is_some());
    assert!(everything.pointer("/users/name/principals").is_some());
    parse::<Raw>(&everything.to_string()).unwrap();
}

#[test]
fn the_example_is_accepted() {
    parse::<Raw>(include_str!("example.yaml")).unwrap();
}
