//! Reads values of which the keys of structs may be written in whatever letters.

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor, value::StrDeserializer,
};
use serde::forward_to_deserialize_any;
use serde_json::Value;
use std::fmt;
use std::vec;

/// Where something is wrong, and what. No value is repeated, since it may be a secret.
#[derive(Debug)]
pub(super) struct Error {
    /// Keys and numbers, the innermost first.
    path: Vec<String>,
    message: String,
}

impl Error {
    /// In words, with the block that it is in.
    pub(super) fn below(&self, block: &str) -> String {
        let mut path = block.to_owned();
        for key in self.path.iter().rev() {
            path.push('.');
            path.extend(key.escape_debug().take(60));
        }
        format!("`{path}`: {}", self.message)
    }

    fn within(mut self, key: impl Into<String>) -> Self {
        self.path.push(key.into());
        self
    }
}

pub(super) fn read<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Loose(value))
}

struct Loose(Value);

impl<'de> Deserializer<'de> for Loose {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(Items(items.into_iter(), 0)),
            Value::Object(map) => {
                let entry = |(key, value): (String, Value)| Entry {
                    known: key.clone(),
                    written: key,
                    value,
                };
                visitor.visit_map(Entries::new(map.into_iter().map(entry).collect()))
            }
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::String(text) => visitor.visit_string(text),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(value), ..) => visitor.visit_i64(value),
                (_, Some(value), _) => visitor.visit_u64(value),
                (.., value) => visitor.visit_f64(value.unwrap_or_default()),
            },
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text = match &self.0 {
            Value::String(text) => text.as_str(),
            // YAML reads these words so.
            Value::Bool(false) => "no",
            Value::Bool(true) => "yes",
            _ => return Err(serde::de::Error::custom("one word is wanted")),
        };
        let word: StrDeserializer<'_, Error> = text.into_deserializer();
        visitor.visit_enum(word)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Value::Object(map) = self.0 else {
            return Err(serde::de::Error::custom("keys are wanted here"));
        };
        let mut entries = Vec::new();
        for (key, value) in map {
            let known = fields.iter().find(|field| field.eq_ignore_ascii_case(&key));
            let known = known.ok_or_else(|| Error {
                message: unknown(fields),
                path: vec![key.clone()],
            })?;
            let known = (*known).to_owned();
            entries.push(Entry {
                known,
                written: key,
                value,
            });
        }
        visitor.visit_map(Entries::new(entries))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

fn unknown(fields: &[&str]) -> String {
    if fields.len() > 12 {
        return "the engine's API has no such key".to_owned();
    }
    format!(
        "the engine's API has no such key here, but {}",
        fields.join(", ")
    )
}

struct Items(vec::IntoIter<Value>, usize);

impl<'de> SeqAccess<'de> for Items {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(value) = self.0.next() else {
            return Ok(None);
        };
        self.1 += 1;
        let item = seed.deserialize(Loose(value));
        item.map(Some)
            .map_err(|error| error.within(self.1.to_string()))
    }
}

/// A key as the engine has it and as it is written, with its value.
struct Entry {
    known: String,
    written: String,
    value: Value,
}

struct Entries {
    left: vec::IntoIter<Entry>,
    value: Option<(String, Value)>,
}

impl Entries {
    fn new(entries: Vec<Entry>) -> Self {
        Self {
            left: entries.into_iter(),
            value: None,
        }
    }
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some(entry) = self.left.next() else {
            return Ok(None);
        };
        self.value = Some((entry.written, entry.value));
        seed.deserialize(Loose(Value::String(entry.known)))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (key, value) = self.value.take().unwrap_or_default();
        let read = seed.deserialize(Loose(value));
        read.map_err(|error| error.within(key))
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            path: Vec::new(),
            message: message.to_string(),
        }
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("{expected} is wanted"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("{expected} is wanted"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!(
            "one of these is wanted: {}",
            expected.join(", ")
        ))
    }
}
