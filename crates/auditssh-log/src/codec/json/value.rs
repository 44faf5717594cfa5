//! Values that have no name in the format, in JSON and back.

use super::string::{base64, string, unbase64, unquoted};
use super::tree::Tree;
use crate::message::{Text, Value};
use std::collections::HashSet;
use std::io::{self, Write};

pub(super) fn write(value: &Value, out: &mut impl Write) -> io::Result<()> {
    match value {
        Value::Null => out.write_all(b"null"),
        Value::Bool(truth) => write!(out, "{truth}"),
        Value::Integer(number) if is_plain(*number) => write!(out, "{number}"),
        Value::Integer(number) => write!(out, "{{\"$integer\":\"{number}\"}}"),
        Value::Float(number) => write!(out, "{{\"$float\":\"{number}\"}}"),
        Value::Simple(number) => write!(out, "{{\"$simple\":{number}}}"),
        Value::Bytes(bytes) => wrapped("$bytes", out, |out| base64(bytes, out)),
        Value::Text(text) if text.as_str().is_some() => string(text.as_bytes(), out),
        Value::Text(text) => wrapped("$text", out, |out| base64(text.as_bytes(), out)),
        Value::Array(items) => list(items, out, write),
        Value::Map(entries) if is_object(entries) => object(entries, out),
        Value::Map(entries) => wrapped("$map", out, |out| {
            list(entries, out, |(key, value), out| pair(out, key, value))
        }),
        Value::Tag(tag, item) => wrapped("$tag", out, |out| {
            write!(out, "[{tag},")?;
            write(item, out)?;
            out.write_all(b"]")
        }),
    }
}

/// Writes an entry among the further keys of a message.
pub(super) fn entry(key: &Text, value: &Value, out: &mut impl Write) -> io::Result<()> {
    let special = key.as_bytes().strip_prefix(b"$");
    if special.is_none() && key.as_str().is_some() {
        string(key.as_bytes(), out)?;
        out.write_all(b":")?;
        return write(value, out);
    }
    if let Some(rest) = special {
        out.write_all(b"\"_")?;
        unquoted(rest, out)?;
        out.write_all(b"\":")?;
    } else {
        string(key.as_bytes(), out)?;
        out.write_all(b":")?;
    }
    wrapped("$entry", out, |out| {
        out.write_all(b"[")?;
        base64(key.as_bytes(), out)?;
        out.write_all(b",")?;
        write(value, out)?;
        out.write_all(b"]")
    })
}

fn wrapped<W: Write>(
    name: &str,
    out: &mut W,
    inner: impl FnOnce(&mut W) -> io::Result<()>,
) -> io::Result<()> {
    write!(out, "{{\"{name}\":")?;
    inner(out)?;
    out.write_all(b"}")
}

fn list<W: Write, T>(
    items: &[T],
    out: &mut W,
    each: impl Fn(&T, &mut W) -> io::Result<()>,
) -> io::Result<()> {
    out.write_all(b"[")?;
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        each(item, out)?;
    }
    out.write_all(b"]")
}

fn pair(out: &mut impl Write, key: &Value, value: &Value) -> io::Result<()> {
    out.write_all(b"[")?;
    write(key, out)?;
    out.write_all(b",")?;
    write(value, out)?;
    out.write_all(b"]")
}

fn object(entries: &[(Value, Value)], out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"{")?;
    for (at, (key, value)) in entries.iter().enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        write(key, out)?;
        out.write_all(b":")?;
        write(value, out)?;
    }
    out.write_all(b"}")
}

/// Whether JSON numbers hold it for every reader that knows 64 bits.
fn is_plain(number: i128) -> bool {
    i64::try_from(number).is_ok() || u64::try_from(number).is_ok()
}

fn is_object(entries: &[(Value, Value)]) -> bool {
    let mut seen = HashSet::new();
    entries.iter().all(|(key, _)| match key {
        Value::Text(key) => key
            .as_str()
            .is_some_and(|key| !key.starts_with('$') && seen.insert(key)),
        _ => false,
    })
}

/// The value that a tree stands for.
pub(super) fn from_tree(tree: Tree) -> Value {
    match tree {
        Tree::Null => Value::Null,
        Tree::Bool(truth) => Value::Bool(truth),
        Tree::Integer(number) => Value::Integer(number),
        Tree::Float(number) => Value::Float(number),
        Tree::String(text) => Value::Text(text.into()),
        Tree::Array(items) => Value::Array(items.into_iter().map(from_tree).collect()),
        Tree::Object(entries) => match special(&entries) {
            Some(value) => value,
            None => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| (Value::Text(key.into()), from_tree(value)))
                    .collect(),
            ),
        },
    }
}

/// The entry that a member of an object stands for.
pub(super) fn from_entry(key: String, tree: Tree) -> (Text, Value) {
    if let Tree::Object(entries) = &tree
        && let [(name, Tree::Array(parts))] = entries.as_slice()
        && name == "$entry"
        && let [Tree::String(raw), value] = parts.as_slice()
        && let Some(raw) = unbase64(raw)
    {
        return (raw.into(), from_tree(value.clone()));
    }
    (key.into(), from_tree(tree))
}

/// Whether an object is one of the notations for what JSON has not.
pub(super) fn is_special(entries: &[(String, Tree)]) -> bool {
    matches!(entries, [(name, _)] if name.starts_with('$'))
}

fn special(entries: &[(String, Tree)]) -> Option<Value> {
    let [(name, tree)] = entries else {
        return None;
    };
    match (name.as_str(), tree) {
        ("$bytes", Tree::String(text)) => Some(Value::Bytes(unbase64(text)?)),
        ("$text", Tree::String(text)) => Some(Value::Text(unbase64(text)?.into())),
        ("$integer", Tree::String(text)) => Some(Value::Integer(text.parse().ok()?)),
        ("$float", Tree::String(text)) => Some(Value::Float(text.parse().ok()?)),
        ("$simple", Tree::Integer(number)) => Some(Value::Simple(u8::try_from(*number).ok()?)),
        ("$tag", Tree::Array(parts)) => match parts.as_slice() {
            [Tree::Integer(tag), item] => Some(Value::Tag(
                u64::try_from(*tag).ok()?,
                Box::new(from_tree(item.clone())),
            )),
            _ => None,
        },
        ("$map", Tree::Array(pairs)) => {
            let pairs = pairs.iter().map(|pair| match pair {
                Tree::Array(parts) => match parts.as_slice() {
                    [key, value] => Some((from_tree(key.clone()), from_tree(value.clone()))),
                    _ => None,
                },
                _ => None,
            });
            Some(Value::Map(pairs.collect::<Option<_>>()?))
        }
        _ => None,
    }
}
