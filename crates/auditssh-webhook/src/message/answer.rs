//! The body of an answer. It is read strictly: a key that is not known may be one that was to
//! forbid something.

use auditssh_gateway::auth::service::Answer;
use auditssh_gateway::auth::{FACTS, Fact, Facts};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of the longest name of a key that an error repeats.
const SHOWN_BYTES: usize = 40;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Body {
    success: bool,
    #[serde(default)]
    authenticated_username: Option<String>,
    #[serde(default)]
    metadata: Entries<Text>,
    #[serde(default)]
    environment: Entries<Text>,
    #[serde(default)]
    files: Entries<Base64>,
    /// What a server may repeat of the question; it is not looked at.
    #[serde(default, rename = "username")]
    _username: IgnoredAny,
    #[serde(default, rename = "remoteAddress")]
    _remote_address: IgnoredAny,
    #[serde(default, rename = "connectionId")]
    _connection_id: IgnoredAny,
    #[serde(default, rename = "clientVersion")]
    _client_version: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound = "T: Deserialize<'de> + Default")]
struct Entry<T> {
    /// Empty if it is left out: servers written in Go may leave out what is empty.
    #[serde(default)]
    value: T,
    #[serde(default)]
    sensitive: bool,
}

/// What an answer says under `metadata`, `environment` or `files`.
pub(super) struct Entries<T>(BTreeMap<String, Entry<T>>);

#[derive(Default)]
pub(super) struct Text(Zeroizing<String>);

#[derive(Default)]
pub(super) struct Base64(Zeroizing<Vec<u8>>);

/// The three of them.
pub(super) fn facts(
    metadata: Entries<Text>,
    environment: Entries<Text>,
    files: Entries<Base64>,
) -> Facts {
    Facts {
        authenticated_username: None,
        metadata: metadata.facts(|Text(text)| text),
        environment: environment.facts(|Text(text)| text),
        files: files.facts(|Base64(bytes)| bytes),
    }
}

/// Reads an answer. What is wrong with one is told without repeating any of its values.
pub(crate) fn read(json: &[u8]) -> Result<Answer, String> {
    let body: Body = object(json)?;
    Ok(Answer {
        success: body.success,
        facts: Facts {
            authenticated_username: body.authenticated_username.filter(|name| !name.is_empty()),
            ..facts(body.metadata, body.environment, body.files)
        },
    })
}

/// Reads what is written as an object, and nothing else: a list would do for a struct.
pub(super) fn object<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err("no JSON object".to_owned());
    }
    serde_json::from_slice(json).map_err(|error| told(&error))
}

/// The library's own words repeat values: only where and what kind of error it is, and the name of
/// a key if it looks like one.
fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let named = |what: &str| {
        let name = text.strip_prefix(what)?.strip_prefix(" field `")?;
        let (name, _) = name.split_once('`')?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let shown = name.len() <= SHOWN_BYTES && name.bytes().all(plain);
        Some(format!("{what} key `{}`", if shown { name } else { "…" }))
    };
    let what = named("unknown")
        .or_else(|| named("missing"))
        .or_else(|| named("duplicate"))
        .unwrap_or_else(|| {
            let kind = match error.classify() {
                serde_json::error::Category::Data => "a value of another kind than is wanted",
                serde_json::error::Category::Eof => "it is cut off",
                _ => "no JSON",
            };
            kind.to_owned()
        });
    format!("{what}, line {} column {}", error.line(), error.column())
}

impl<T> Entries<T> {
    fn facts<V: Zeroize>(self, value: impl Fn(T) -> Zeroizing<V>) -> BTreeMap<String, Fact<V>> {
        let fact = |(name, entry): (String, Entry<T>)| {
            let fact = Fact {
                value: value(entry.value),
                sensitive: entry.sensitive,
            };
            (name, fact)
        };
        self.0.into_iter().map(fact).collect()
    }
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for Map<T> {
            type Value = Entries<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of values")
            }
            fn visit_unit<E: Error>(self) -> Result<Entries<T>, E> {
                Ok(Entries::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((name, entry)) = map.next_entry::<String, Entry<T>>()? {
                    if entries.len() >= FACTS {
                        return Err(A::Error::custom("too many"));
                    }
                    if entries.insert(name, entry).is_some() {
                        return Err(A::Error::custom("one name twice"));
                    }
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_any(Map(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text: Option<Text> = Option::deserialize(deserializer)?;
        let text = text.map(|Text(text)| text).unwrap_or_default();
        let bytes = STANDARD.decode(text.as_bytes());
        let bytes = bytes.map_err(|_| D::Error::custom("not base64"))?;
        Ok(Self(Zeroizing::new(bytes)))
    }
}
