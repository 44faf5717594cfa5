//! Messages out of CBOR values: what a decoder written in Go would take, and some more.
//!
//! Keys are matched exactly, else without regard to case; of equal keys the first counts. A value
//! of another kind than its key's leaves the key at its zero value. Nothing is thrown away: what
//! finds no place is kept among the further keys.

use super::cbor::RAW_ENTRY;
use super::error::Damage;
use super::record::{Reader, Record, is_raw_key};
use crate::message::{Event, Extra, Message, Text, Value};

/// Makes a message of an item. Null is a message of zero values, as in Go.
pub(super) fn message(item: Value) -> Result<Message, Damage> {
    let mut envelope = match item {
        Value::Map(entries) => Map { entries },
        Value::Null => Map::default(),
        _ => return Err(Damage::NotAMessage),
    };
    let connection_id = envelope.text("connectionId");
    let timestamp = envelope.int("timestamp");
    let id = envelope.uint("type", u64::MAX);
    let payload = envelope.payload();
    let channel_id = envelope.channel_id();
    let (event, extra) = event(id, payload);
    Ok(Message {
        connection_id,
        timestamp,
        channel_id,
        event,
        extra,
        envelope_extra: envelope.rest(),
    })
}

fn event(id: u64, payload: Value) -> (Event, Extra) {
    let is_known = Event::types().iter().any(|(known, ..)| *known == id);
    let is_fit = matches!(untagged(&payload), Value::Map(_) | Value::Null);
    if !(is_known && is_fit) {
        return (Event::Unknown { id, payload }, Extra::new());
    }
    let mut fields = match into_untagged(payload) {
        Value::Map(entries) => Map { entries },
        _ => Map::default(),
    };
    let event = Event::read_payload(id, &mut fields);
    // Every known number has an event; were there none, the fields would still be kept.
    let event = event.unwrap_or(Event::Unknown {
        id,
        payload: Value::Null,
    });
    (event, fields.rest())
}

/// The entries of a map, from which fields are taken.
#[derive(Default)]
struct Map {
    entries: Vec<(Value, Value)>,
}

impl Map {
    /// Takes the entry of that name if its value is fit.
    fn take(&mut self, key: &str, fit: impl Fn(&Value) -> bool) -> Option<Value> {
        let at = self.position(key)?;
        let (_, value) = self.entries.get(at)?;
        if !fit(untagged(value)) {
            return None;
        }
        Some(into_untagged(self.entries.remove(at).1))
    }

    fn position(&self, key: &str) -> Option<usize> {
        let exact = |(name, _): &(Value, Value)| matches!(name, Value::Text(name) if name == key);
        let alike = |(name, _): &(Value, Value)| match name {
            Value::Text(name) => name.as_bytes().eq_ignore_ascii_case(key.as_bytes()),
            _ => false,
        };
        let position = self.entries.iter().position(exact);
        position.or_else(|| self.entries.iter().position(alike))
    }

    /// The bytes that stand beside a text which is not UTF-8.
    fn take_raw(&mut self, key: &str, repaired: &Text) -> Option<Text> {
        let alike = |(name, _): &(Value, Value)| match name {
            Value::Text(name) => is_raw_key(name.as_bytes(), key),
            _ => false,
        };
        let at = self.entries.iter().position(alike)?;
        match self.entries.get(at) {
            Some((_, Value::Bytes(bytes))) if is_repaired(bytes, repaired) => {}
            _ => return None,
        }
        match self.entries.remove(at).1 {
            Value::Bytes(bytes) => Some(bytes.into()),
            _ => None,
        }
    }

    fn payload(&mut self) -> Value {
        let at = self.position("payload");
        at.map_or(Value::Null, |at| self.entries.remove(at).1)
    }

    fn int(&mut self, key: &str) -> i64 {
        let fit = |value: &Value| matches!(value, Value::Null) || value.as_i64().is_some();
        let value = self.take(key, fit);
        value.and_then(|value| value.as_i64()).unwrap_or_default()
    }

    /// Null, missing and -1 (the first preview release) all say that there is no channel.
    fn channel_id(&mut self) -> Option<u64> {
        let fit = |value: &Value| match value {
            Value::Integer(id) => *id >= -1,
            value => matches!(value, Value::Null),
        };
        self.take("channelId", fit)?.as_u64()
    }

    fn rest(self) -> Extra {
        self.entries.into_iter().map(further).collect()
    }
}

impl Reader for Map {
    fn text(&mut self, key: &'static str) -> Text {
        let fit = |value: &Value| matches!(value, Value::Null | Value::Text(_) | Value::Bytes(_));
        let text = match self.take(key, fit) {
            Some(Value::Text(text)) => text,
            Some(Value::Bytes(bytes)) => bytes.into(),
            _ => return Text::default(),
        };
        self.take_raw(key, &text).unwrap_or(text)
    }

    fn bytes(&mut self, key: &'static str) -> Option<Vec<u8>> {
        let fit = |value: &Value| matches!(value, Value::Null | Value::Text(_) | Value::Bytes(_));
        match self.take(key, fit)? {
            Value::Bytes(bytes) => Some(bytes),
            Value::Text(text) => Some(text.into_bytes()),
            _ => None,
        }
    }

    fn uint(&mut self, key: &'static str, max: u64) -> u64 {
        let fit = |value: &Value| match value {
            Value::Null => true,
            value => value.as_u64().is_some_and(|number| number <= max),
        };
        let value = self.take(key, fit);
        value.and_then(|value| value.as_u64()).unwrap_or_default()
    }

    fn boolean(&mut self, key: &'static str) -> bool {
        let fit = |value: &Value| matches!(value, Value::Null | Value::Bool(_));
        self.take(key, fit) == Some(Value::Bool(true))
    }

    fn records<T: Record>(&mut self, key: &'static str) -> Option<Vec<T>> {
        let fit = |value: &Value| match value {
            Value::Array(items) => items
                .iter()
                .all(|item| matches!(untagged(item), Value::Null | Value::Map(_))),
            value => matches!(value, Value::Null),
        };
        let Value::Array(items) = self.take(key, fit)? else {
            return None;
        };
        Some(items.into_iter().map(record).collect())
    }
}

fn record<T: Record>(item: Value) -> T {
    let mut fields = match into_untagged(item) {
        Value::Map(entries) => Map { entries },
        _ => Map::default(),
    };
    T::read(&mut fields)
}

fn untagged(mut value: &Value) -> &Value {
    while let Value::Tag(_, item) = value {
        value = item;
    }
    value
}

fn into_untagged(mut value: Value) -> Value {
    while let Value::Tag(_, item) = value {
        value = *item;
    }
    value
}

/// Whether these bytes become that text when what is not UTF-8 in them is replaced.
fn is_repaired(bytes: &[u8], repaired: &Text) -> bool {
    let mut rest = repaired.as_bytes();
    let mut take = |part: &[u8]| {
        let found = rest.strip_prefix(part);
        rest = found.unwrap_or_default();
        found.is_some()
    };
    let all = bytes.utf8_chunks().all(|chunk| {
        let replaced: &[u8] = match chunk.invalid() {
            [] => &[],
            _ => "\u{fffd}".as_bytes(),
        };
        take(chunk.valid().as_bytes()) && take(replaced)
    });
    all && rest.is_empty()
}

/// An entry among the further keys. One whose key is no text is kept under a text as a map of one
/// entry.
fn further((key, value): (Value, Value)) -> (Text, Value) {
    match key {
        Value::Text(key) => raw_entry(key, value),
        Value::Bytes(key) => (key.into(), value),
        Value::Integer(key) => (key.to_string().into(), value),
        key => ("entry".into(), Value::Map(vec![(key, value)])),
    }
}

fn raw_entry(key: Text, value: Value) -> (Text, Value) {
    match value {
        Value::Tag(RAW_ENTRY, item) => match *item {
            Value::Array(parts) => match <[Value; 2]>::try_from(parts) {
                Ok([Value::Bytes(raw), value]) if is_repaired(&raw, &key) => (raw.into(), value),
                Ok(parts) => tagged(key, Value::Array(parts.into())),
                Err(parts) => tagged(key, Value::Array(parts)),
            },
            item => tagged(key, item),
        },
        value => (key, value),
    }
}

fn tagged(key: Text, item: Value) -> (Text, Value) {
    (key, Value::Tag(RAW_ENTRY, Box::new(item)))
}
