//! Messages of every kind for property tests.

use super::cbor::{RAW_ENTRY, RAW_TEXT};
use super::record::{Reader, Record};
use crate::message::{Event, Extra, Message, Text, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

pub(crate) fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        ".{0,12}".prop_map(Text::from),
        "[<>&\"\\\\\u{0}-\u{1f}\u{7f}\u{2028}\u{2029}\u{fffd}]{0,6}".prop_map(Text::from),
        vec(any::<u8>(), 0..12).prop_map(Text::from),
    ]
}

fn key() -> impl Strategy<Value = Text> {
    const TRICKY: [&str; 14] = [
        "programBytes",
        "PROGRAMBYTES",
        "username",
        "Username",
        "usernameBytes",
        "connectionId",
        "connectionIdBytes",
        "timestamp",
        "type",
        "payload",
        "channelId",
        "data",
        "$bytes",
        "",
    ];
    prop_oneof![
        text(),
        proptest::sample::select(&TRICKY[..]).prop_map(Text::from)
    ]
}

fn integer() -> impl Strategy<Value = i128> {
    prop_oneof![
        any::<i64>().prop_map(i128::from),
        any::<u64>().prop_map(i128::from),
        any::<u64>().prop_map(|number| -1 - i128::from(number)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let float = any::<f64>().prop_filter("NaN differs from itself", |number| !number.is_nan());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        integer().prop_map(Value::Integer),
        float.prop_map(Value::Float),
        vec(any::<u8>(), 0..8).prop_map(Value::Bytes),
        text().prop_map(Value::Text),
        prop_oneof![0u8..20, 32u8..].prop_map(Value::Simple),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        let entry = prop_oneof![
            (key().prop_map(Value::Text), inner.clone()),
            (inner.clone(), inner.clone())
        ];
        let tag = any::<u64>().prop_filter("tags that reading resolves", |tag| {
            ![55_799, RAW_TEXT, RAW_ENTRY].contains(tag)
        });
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            vec(entry, 0..4).prop_map(Value::Map),
            (tag, inner).prop_map(|(tag, item)| Value::Tag(tag, Box::new(item))),
        ]
    })
}

fn extra() -> impl Strategy<Value = Extra> {
    prop_oneof![3 => Just(Extra::new()), 1 => vec((key(), value()), 0..4)]
}

/// Draws every field at random.
struct Random<'a>(&'a mut TestRunner);

impl Random<'_> {
    fn draw<T>(&mut self, strategy: impl Strategy<Value = T>) -> T {
        strategy.new_tree(self.0).expect("a value").current()
    }
}

impl Reader for Random<'_> {
    fn text(&mut self, _: &'static str) -> Text {
        self.draw(text())
    }
    fn bytes(&mut self, key: &'static str) -> Option<Vec<u8>> {
        let bytes = self.draw(proptest::option::of(vec(any::<u8>(), 0..64)));
        // These two are never null in the model.
        if ["data", "modelist"].contains(&key) {
            Some(bytes.unwrap_or_default())
        } else {
            bytes
        }
    }
    fn uint(&mut self, _: &'static str, max: u64) -> u64 {
        self.draw(prop_oneof![0..=max, 0..=3u64, Just(max)])
    }
    fn boolean(&mut self, _: &'static str) -> bool {
        self.draw(any::<bool>())
    }
    fn records<T: Record>(&mut self, _: &'static str) -> Option<Vec<T>> {
        let count = self.draw(proptest::option::of(0..3));
        count.map(|count| (0..count).map(|_| T::read(self)).collect())
    }
}

/// An event of any known type, or of one that is not.
fn event() -> impl Strategy<Value = Event> {
    let ids: Vec<u64> = Event::types().iter().map(|(id, ..)| *id).collect();
    let known = (proptest::sample::select(ids), any::<[u8; 32]>()).prop_map(|(id, seed)| {
        let rng = proptest::test_runner::TestRng::from_seed(
            proptest::test_runner::RngAlgorithm::ChaCha,
            &seed,
        );
        let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
        Event::read_payload(id, &mut Random(&mut runner)).expect("a known type")
    });
    let unknown = (600..u64::MAX, value()).prop_map(|(id, payload)| Event::Unknown { id, payload });
    prop_oneof![9 => known, 1 => unknown]
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    let envelope = (text(), any::<i64>(), any::<Option<u64>>(), extra());
    (envelope, event(), extra()).prop_map(
        |((connection_id, timestamp, channel_id, further), event, extra)| {
            let extra = if matches!(event, Event::Unknown { .. }) {
                Extra::new()
            } else {
                extra
            };
            Message {
                connection_id,
                timestamp,
                channel_id,
                event,
                extra,
                envelope_extra: further,
            }
        },
    )
}
