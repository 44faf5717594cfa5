use super::string::unbase64;
use super::tree::Tree;
use super::value::{from_entry, from_tree, is_special};
use crate::codec::record::{Reader, Record, is_raw_key};
use crate::message::{Event, Extra, Message, Text, Value};

/// Why a line is no message.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON.
    #[error("not JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// It is JSON, but no object with a `type`.
    #[error("not a message: an object with `type` is expected")]
    NotAMessage,
}

/// Reads a message as [`write`](super::write()) writes it. Missing keys have their zero value; what
/// has no place is kept among the further keys.
pub fn read(line: &[u8]) -> Result<Message, JsonError> {
    let Tree::Object(entries) = serde_json::from_slice(line)? else {
        return Err(JsonError::NotAMessage);
    };
    let mut envelope = Object { entries };
    let connection_id = envelope.text("connectionId");
    let timestamp = envelope.take("timestamp", time).unwrap_or_default();
    let id = envelope.take("type", |tree| match tree {
        Tree::Integer(id) => u64::try_from(*id).ok(),
        _ => None,
    });
    let id = id.ok_or(JsonError::NotAMessage)?;
    envelope.text("typeId");
    envelope.text("typeName");
    let payload = envelope.take("payload", |tree| Some(tree.clone()));
    let (event, extra) = event(id, payload.unwrap_or(Tree::Null));
    let channel_id = envelope.take("channelId", |tree| match tree {
        Tree::Integer(id) => u64::try_from(*id).ok().map(Some),
        Tree::Null => Some(None),
        _ => None,
    });
    Ok(Message {
        connection_id,
        timestamp,
        channel_id: channel_id.flatten(),
        event,
        extra,
        envelope_extra: envelope.rest(),
    })
}

fn time(tree: &Tree) -> Option<i64> {
    match tree {
        Tree::Integer(number) => i64::try_from(*number).ok(),
        Tree::String(text) => {
            let time: jiff::Timestamp = text.parse().ok()?;
            i64::try_from(time.as_nanosecond()).ok()
        }
        _ => None,
    }
}

fn event(id: u64, payload: Tree) -> (Event, Extra) {
    let is_known = Event::types().iter().any(|(known, ..)| *known == id);
    let mut fields = match payload {
        Tree::Object(entries) if is_known && !is_special(&entries) => Object { entries },
        Tree::Null if is_known => Object { entries: vec![] },
        payload => {
            let payload = from_tree(payload);
            return (Event::Unknown { id, payload }, Extra::new());
        }
    };
    let event = Event::read_payload(id, &mut fields);
    let event = event.unwrap_or(Event::Unknown {
        id,
        payload: Value::Null,
    });
    (event, fields.rest())
}

/// The members of an object, from which fields are taken.
struct Object {
    entries: Vec<(String, Tree)>,
}

impl Object {
    /// Takes the member of that name if its value is fit.
    fn take<T>(&mut self, key: &str, fit: impl FnOnce(&Tree) -> Option<T>) -> Option<T> {
        let at = self.entries.iter().position(|(name, _)| name == key)?;
        let taken = fit(&self.entries.get(at)?.1)?;
        self.entries.remove(at);
        Some(taken)
    }

    fn take_raw(&mut self, key: &str, shown: &str) -> Option<Text> {
        let alike = |(name, _): &(String, Tree)| is_raw_key(name.as_bytes(), key);
        let at = self.entries.iter().position(alike)?;
        let Some((_, Tree::String(encoded))) = self.entries.get(at) else {
            return None;
        };
        let raw = unbase64(encoded).filter(|raw| String::from_utf8_lossy(raw) == shown)?;
        self.entries.remove(at);
        Some(raw.into())
    }

    fn rest(self) -> Extra {
        let entries = self.entries.into_iter();
        entries.map(|(key, tree)| from_entry(key, tree)).collect()
    }
}

impl Reader for Object {
    fn text(&mut self, key: &'static str) -> Text {
        let shown = self.take(key, |tree| match tree {
            Tree::String(text) => Some(text.clone()),
            Tree::Null => Some(String::new()),
            _ => None,
        });
        let shown = shown.unwrap_or_default();
        self.take_raw(key, &shown).unwrap_or_else(|| shown.into())
    }

    fn bytes(&mut self, key: &'static str) -> Option<Vec<u8>> {
        let bytes = self.take(key, |tree| match tree {
            Tree::String(text) => unbase64(text).map(Some),
            Tree::Null => Some(None),
            _ => None,
        });
        bytes.flatten()
    }

    fn uint(&mut self, key: &'static str, max: u64) -> u64 {
        let number = self.take(key, |tree| match tree {
            Tree::Integer(number) => u64::try_from(*number).ok().filter(|number| *number <= max),
            Tree::Null => Some(0),
            _ => None,
        });
        number.unwrap_or_default()
    }

    fn boolean(&mut self, key: &'static str) -> bool {
        let truth = self.take(key, |tree| match tree {
            Tree::Bool(truth) => Some(*truth),
            Tree::Null => Some(false),
            _ => None,
        });
        truth.unwrap_or_default()
    }

    fn records<T: Record>(&mut self, key: &'static str) -> Option<Vec<T>> {
        let items = self.take(key, |tree| match tree {
            Tree::Array(items) if items.iter().all(|item| matches!(item, Tree::Object(_))) => {
                Some(Some(items.clone()))
            }
            Tree::Null => Some(None),
            _ => None,
        });
        let records = items.flatten()?.into_iter().map(|item| match item {
            Tree::Object(entries) => T::read(&mut Object { entries }),
            _ => T::read(&mut Object { entries: vec![] }),
        });
        Some(records.collect())
    }
}
