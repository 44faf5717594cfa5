//! `docs/configuration.md`: the schema as a page for people.

use super::wanted::resolve;
use serde_json::Value;
use std::fmt::Write as _;

/// What stands above the keys.
const INTRODUCTION: &str = "\
<!-- Made by `auditssh config schema --markdown`: change the descriptions in the source instead. -->

# Configuration

";

/// A configuration to begin with.
const EXAMPLE: &str = include_str!("example.yaml");

/// The whole page.
pub(crate) fn page() -> String {
    let schema = super::schema().to_value();
    let mut page = Page {
        schema: &schema,
        text: INTRODUCTION.to_owned(),
    };
    page.paragraph(text(&schema, "description"));
    page.paragraph(
        "`auditssh config check FILE` reads a configuration, names what is wrong in it, and prints \
         what is in force. `auditssh config schema` prints this page as a JSON Schema, for editors.",
    );
    let _ = write!(
        page.text,
        "For example:\n\n```yaml\n{EXAMPLE}```\n\n## Keys\n\n"
    );
    page.block("", &schema);
    page.text
}

struct Page<'a> {
    schema: &'a Value,
    text: String,
}

impl Page<'_> {
    /// The keys of a block, then the blocks in it.
    fn block(&mut self, path: &str, schema: &Value) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return;
        };
        let mut blocks = Vec::new();
        let mut rows = String::new();
        for (key, property) in properties {
            let full = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            let target = resolve(property, self.schema).clone();
            let entry = target
                .get("additionalProperties")
                .filter(|entry| entry.is_object());
            let entry = entry.map(|entry| resolve(entry, self.schema).clone());
            if target.get("properties").is_some() {
                blocks.push((full, text(property, "description").to_owned(), target));
            } else if let Some(entry) = entry.filter(|entry| entry.get("properties").is_some()) {
                let description = text(property, "description").to_owned();
                blocks.push((format!("{full}.NAME"), description, entry));
            } else {
                let _ = writeln!(rows, "{}", row(key, property, &target));
            }
        }
        if !rows.is_empty() {
            self.text
                .push_str("| key | default | meaning |\n|---|---|---|\n");
            self.text.push_str(&rows);
            self.text.push('\n');
        }
        for (path, description, schema) in blocks {
            let _ = write!(self.text, "### `{path}`\n\n");
            self.paragraph(&description);
            self.block(&path, &schema);
        }
    }

    fn paragraph(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push_str("\n\n");
    }
}

fn row(key: &str, property: &Value, target: &Value) -> String {
    let mut meaning = text(property, "description").to_owned();
    for word in target
        .get("oneOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let name = Some(text(word, "const")).filter(|name| !name.is_empty());
        let _ = write!(
            meaning,
            "<br>`{}`: {}",
            name.unwrap_or("\"\""),
            text(word, "description")
        );
    }
    format!("| `{key}` | {} | {meaning} |", default(property))
}

/// The default as one would write it; nothing for what is not there by default.
fn default(property: &Value) -> String {
    match property.get("default") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) if text.is_empty() => "`\"\"`".into(),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(other) => format!("`{other}`"),
    }
}

fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema.get(key).and_then(Value::as_str).unwrap_or_default()
}
