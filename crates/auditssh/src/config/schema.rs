//! The JSON Schema of the configuration, and the page for people that is made of it.

mod page;

pub(crate) use page::page;

use super::raw::Raw;
use schemars::Schema;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::Value;

/// Describes every key.
pub(crate) fn schema() -> Schema {
    let mut schema = schemars::schema_for!(Raw);
    RecursiveTransform(join_lines).transform(&mut schema);
    schema
}

/// Descriptions are written in lines, as all source is, but are one paragraph.
fn join_lines(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}

#[cfg(test)]
mod tests;
