//! A value, or a list of such.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::StrDeserializer;
use serde::de::{Error, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};

/// One text or a list of texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Texts<T> {
            type Value = OneOrMany<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMany<T>, E> {
                let text: StrDeserializer<'_, E> = text.into_deserializer();
                Ok(OneOrMany(vec![T::deserialize(text)?]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = texts.next_element()? {
                    all.push(one);
                }
                Ok(OneOrMany(all))
            }
        }
        deserializer.deserialize_any(Texts(PhantomData))
    }
}

impl<T: Serialize> Serialize for OneOrMany<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [only] => only.serialize(serializer),
            all => all.serialize(serializer),
        }
    }
}

impl<T> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        "OneOrMany".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "array"], "items": {"type": "string"}})
    }
}

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Address(pub(crate) SocketAddr);

impl TryFrom<String> for Address {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::parse(&text)
    }
}

impl Address {
    /// Reads `127.0.0.1:2222`. Names are not looked up: what they mean may change, and a server is
    /// to listen where it was told.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        text.parse().map(Self).map_err(|_| refusal(text))
    }
}

/// What is wrong with a text that is no address and port; it does not repeat the text.
fn refusal(text: &str) -> &'static str {
    let is_port = |text: &str| text.parse::<u16>().is_ok();
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if bare.parse::<IpAddr>().is_ok() {
        return "the port is missing: write 127.0.0.1:2222 or [::1]:2222";
    }
    if is_port(text) || matches!(host, "" | "*") && is_port(port) {
        return "the address is missing: write 0.0.0.0:2222 for every IPv4 address of this \
                machine, or [::]:2222 for every address";
    }
    if host.parse::<IpAddr>().is_ok() {
        return "an IPv6 address stands in brackets: [::1]:2222, and a port is at most 65535";
    }
    let letter = |letter: u8| letter.is_ascii_alphanumeric() || b"-._".contains(&letter);
    if is_port(port) && host.bytes().all(letter) {
        return "a host name stands where an address is wanted: write 127.0.0.1:2222 or [::1]:2222 \
                for localhost, else an address of this machine";
    }
    "not an address and a port such as 0.0.0.0:2222 or [::]:2222"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_told_apart() {
        for (text, expected) in [
            ("localhost:2222", "a host name stands"),
            ("ssh.example.com:22", "a host name stands"),
            ("127.0.0.1", "the port is missing"),
            ("::1", "the port is missing"),
            ("[::1]", "the port is missing"),
            ("2222", "the address is missing"),
            (":2222", "the address is missing"),
            ("*:22", "the address is missing"),
            ("127.0.0.1:99999", "a port is at most 65535"),
            ("fe80::1:x:22", "not an address"),
            ("", "not an address"),
            ("localhost", "not an address"),
        ] {
            let said = Address::parse(text).unwrap_err();
            assert!(said.contains(expected), "{text}: {said}");
        }
        assert!(Address::parse("[::]:0").is_ok());
    }
}
