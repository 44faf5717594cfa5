//! The JSON Schema of the configuration, and the page for people that is made of it.

mod page;
mod wanted;

pub(crate) use page::page;
pub(crate) use wanted::Wanted;
use wanted::has_type;

use super::raw::Raw;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

/// Texts that are taken for true or false, in any case.
const TRUTHS: &str =
    "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Yy]([Ee][Ss])?|[Nn][Oo]?|[Oo][Nn]|[Oo][Ff][Ff])$";
/// Texts that are taken for a whole number.
const NUMBERS: &str = "^[+]?(0|[1-9][0-9]*(_[0-9]+)*|0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+)$";

/// Describes every key.
pub(crate) fn schema() -> Schema {
    of::<Raw>()
}

/// Describes a part of the configuration.
pub(crate) fn of<T: JsonSchema>() -> Schema {
    let mut schema = schemars::schema_for!(T);
    RecursiveTransform(join_lines).transform(&mut schema);
    RecursiveTransform(as_read).transform(&mut schema);
    schema
}

/// Descriptions are written in lines, as all source is, but are one paragraph.
fn join_lines(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}

/// A value of YAML has no type but the one that is wanted: a number may stand for a text, and the
/// text "5" for a number.
fn as_read(schema: &mut Schema) {
    if schema.get("const").is_some() || schema.get("enum").is_some() {
        return;
    }
    let is = |kind| has_type(schema.as_value(), kind);
    if is("array") {
        return;
    }
    let more: &[&str] = match (is("string"), is("boolean"), is("integer")) {
        (true, false, false) => &["number", "boolean"],
        (false, true, false) => {
            schema.insert("pattern".into(), TRUTHS.into());
            &["string"]
        }
        (false, false, true) => {
            // Only how many bits the program has for it.
            schema.remove("format");
            schema.insert("pattern".into(), NUMBERS.into());
            &["string"]
        }
        _ => return,
    };
    let mut types = match schema.remove("type") {
        Some(Value::Array(types)) => types,
        Some(one) => vec![one],
        None => return,
    };
    types.extend(more.iter().map(|kind| json!(kind)));
    schema.insert("type".into(), types.into());
}

#[cfg(test)]
mod tests;
