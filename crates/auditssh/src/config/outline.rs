//! What a YAML file holds, without its values: which key stands where, and of which kind is what
//! stands there. So errors can name the key and say what they found, and no secret is kept.

use super::at::{At, Place};
use super::containerssh;
use super::error::{Fault, plain, unknown};
use super::schema::Wanted;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::fmt;

/// A file, and the schema that it is to follow.
#[derive(Debug)]
pub(crate) struct Outline {
    root: Node,
    schema: Value,
}

/// A node of the file.
#[derive(Debug)]
struct Node {
    place: Option<Place>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Nothing,
    /// A scalar, by its kind.
    Scalar(&'static str),
    List(Vec<Node>),
    Map(Vec<(At<String>, Node)>),
}

/// A value of the file, and what is wanted there.
struct Found<'a> {
    path: String,
    /// Where its key stands, if it has one.
    key: Option<Place>,
    node: &'a Node,
    schema: &'a Value,
}

impl Outline {
    pub(crate) fn new(text: &str, schema: Value) -> Result<Self, serde_saphyr::Error> {
        let options = serde_saphyr::options! {
            with_snippet: false,
            // Whether a number is wanted there is asked later.
            non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::PassThrough,
        };
        let root = serde_saphyr::from_str_with_options::<Option<Node>>(text, options)?;
        let root = root.unwrap_or(Node {
            place: None,
            content: Content::Map(Vec::new()),
        });
        Ok(Self { root, schema })
    }

    /// Unknown keys, and what is of another kind than wanted: a map in the place of a word, say.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.check(&self.root(), &mut faults);
        faults
    }

    fn root(&self) -> Found<'_> {
        Found {
            path: String::new(),
            key: None,
            node: &self.root,
            schema: &self.schema,
        }
    }

    fn wanted<'a>(&'a self, found: &Found<'a>) -> Wanted<'a> {
        Wanted::of(found.schema, &self.schema)
    }

    fn check(&self, found: &Found<'_>, faults: &mut Vec<Fault>) {
        let wanted = self.wanted(found);
        match &found.node.content {
            _ if wanted.is_anything() => {}
            Content::Nothing if wanted.is_optional() => {}
            Content::Scalar(_) if wanted.is_scalar() => {}
            Content::List(items) if wanted.is_list() => {
                for (index, node) in items.iter().enumerate() {
                    if let Some(item) = self.item(found, index, node) {
                        self.check(&item, faults);
                    }
                }
            }
            Content::Map(entries) if wanted.is_map() => {
                for (key, node) in entries {
                    if let Some(entry) = self.entry(found, key, node) {
                        self.check(&entry, faults);
                    } else {
                        faults.push(Fault::at(key, found.unknown(&key.value, &wanted)));
                    }
                }
            }
            _ => faults.push(found.other(&wanted)),
        }
    }

    fn item<'a>(&'a self, list: &Found<'a>, index: usize, node: &'a Node) -> Option<Found<'a>> {
        Some(Found {
            path: format!("{}[{}]", list.path, index + 1),
            key: None,
            node,
            schema: self.wanted(list).item()?,
        })
    }

    fn entry<'a>(
        &'a self,
        map: &Found<'a>,
        key: &'a At<String>,
        node: &'a Node,
    ) -> Option<Found<'a>> {
        Some(Found {
            path: below(&map.path, &key.value),
            key: key.place,
            node,
            schema: self.wanted(map).entry(&key.value)?,
        })
    }

    /// What begins, or has its key, at a place: the innermost first, then what it is the first
    /// part of.
    fn at(&self, place: Place) -> Vec<Found<'_>> {
        let mut all = Vec::new();
        let mut next = Some(self.root());
        while let Some(found) = next {
            next = self.part(&found, place);
            if found.node.place == Some(place) || found.key == Some(place) {
                all.push(found);
            }
        }
        all.reverse();
        all
    }

    /// The part of a list or a map in which a place is.
    fn part<'a>(&'a self, whole: &Found<'a>, place: Place) -> Option<Found<'a>> {
        match &whole.node.content {
            Content::Map(entries) => {
                let behind = entries.partition_point(|(key, _)| key.place <= Some(place));
                let (key, node) = entries.get(behind.checked_sub(1)?)?;
                self.entry(whole, key, node)
            }
            Content::List(items) => {
                let behind = items.partition_point(|node| node.place <= Some(place));
                let index = behind.checked_sub(1)?;
                self.item(whole, index, items.get(index)?)
            }
            _ => None,
        }
    }

    /// The keys of a block of the file that are given, in their order.
    pub(crate) fn keys(&self, block: &str) -> Vec<At<String>> {
        let Content::Map(entries) = &self.root.content else {
            return Vec::new();
        };
        let blocks = entries.iter().filter(|(key, _)| key.value == block);
        blocks
            .filter_map(|(_, node)| match &node.content {
                Content::Map(entries) => Some(entries.iter().map(|(key, _)| key.clone())),
                _ => None,
            })
            .flatten()
            .collect()
    }

    /// A message about what stands at a place, with the whole path of its key. A message that
    /// begins with a key is about that one.
    pub(crate) fn name(&self, place: Option<Place>, message: &str) -> String {
        let all = place.map(|place| self.at(place)).unwrap_or_default();
        let named = all.iter().find_map(|found| {
            let key = found.path.rsplit('.').next()?;
            let rest = message.strip_prefix(&format!("`{key}`"))?;
            Some(format!("`{}`{rest}", found.path))
        });
        match (named, all.first()) {
            (Some(named), _) => named,
            (None, Some(found)) => format!("{}{message}", found.subject()),
            (None, None) => message.to_owned(),
        }
    }

    /// The word of ours for a word of ContainerSSH's that stands at a place.
    pub(crate) fn remedy(&self, place: Place, word: &str) -> Option<&'static str> {
        let all = self.at(place);
        all.iter()
            .find_map(|found| containerssh::word(&found.path, word))
    }

    /// What is wrong with a value that is not of the type that is wanted, and where it stands.
    pub(crate) fn mismatch(&self, place: Place) -> Option<Fault> {
        let all = self.at(place);
        let found = all.first()?;
        Some(found.other(&self.wanted(found)))
    }
}

impl Found<'_> {
    fn unknown(&self, key: &str, wanted: &Wanted<'_>) -> String {
        let path = below(&self.path, key);
        match containerssh::key(&path) {
            Some(remedy) => format!("unknown key `{path}`: {remedy}"),
            None => unknown("key", key, &self.path, &wanted.keys()),
        }
    }

    fn other(&self, wanted: &Wanted<'_>) -> Fault {
        let found = self.node.content.kind();
        Fault {
            place: self.node.place,
            message: format!("{}{found} stands here where {wanted}", self.subject()),
        }
    }

    /// Its key, to stand before what is said of it.
    fn subject(&self) -> String {
        match self.path.as_str() {
            "" => String::new(),
            path => format!("`{path}`: "),
        }
    }
}

impl Content {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Scalar(kind) => kind,
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// The path of a key in a block.
pub(super) fn below(path: &str, key: &str) -> String {
    let key = if plain(key) { key } else { "…" };
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let At { value, place } = At::deserialize(deserializer)?;
        Ok(Self {
            place,
            content: value,
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Kinds)
    }
}

struct Kinds;

impl<'de> Visitor<'de> for Kinds {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E: Error>(self) -> Result<Content, E> {
        Ok(Content::Nothing)
    }

    fn visit_none<E: Error>(self) -> Result<Content, E> {
        Ok(Content::Nothing)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(if value { "true" } else { "false" }))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Content, E> {
        Ok(Content::Scalar("a number"))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Content, E> {
        let kind = if value < 0 {
            "a negative number"
        } else {
            "a number"
        };
        Ok(Content::Scalar(kind))
    }

    /// Also what has more than 64 bits.
    fn visit_f64<E: Error>(self, value: f64) -> Result<Content, E> {
        // 2^64: what is smaller and whole comes as such, unless it has a point or an exponent.
        const LARGE: f64 = 18_446_744_073_709_551_616.0;
        let kind = if value.fract() != 0.0 {
            "a fraction"
        } else if value.abs() < LARGE {
            "a number that is not written as a whole one"
        } else {
            "a very large number"
        };
        Ok(Content::Scalar(kind))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Content, E> {
        Ok(Content::Scalar("a text"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Content::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Content, A::Error> {
        let mut all = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            all.push(entry);
        }
        Ok(Content::Map(all))
    }
}
