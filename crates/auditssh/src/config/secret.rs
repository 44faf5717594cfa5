//! Text that is never shown.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use zeroize::Zeroizing;

/// What stands in its place wherever something is shown.
const HIDDEN: &str = "(hidden)";

/// Text that no Debug, no error and no dump shows, and that is wiped when it is dropped.
#[derive(Clone, Default)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself, for what checks it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = if is_exposed() { &*self.0 } else { HIDDEN };
        serializer.serialize_str(text)
    }
}

thread_local! {
    static EXPOSED: Cell<bool> = const { Cell::new(false) };
}

/// Whether secrets are serialized as they are, see [`exposed`].
pub(crate) fn is_exposed() -> bool {
    EXPOSED.get()
}

/// Runs what serializes secrets as they are, on this thread and until it returns: to read them
/// again, not to show them.
pub(crate) fn exposed<T>(serialize: impl FnOnce() -> T) -> T {
    struct Hide;
    impl Drop for Hide {
        fn drop(&mut self) {
            EXPOSED.set(false);
        }
    }
    EXPOSED.set(true);
    let _hide = Hide;
    serialize()
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "writeOnly": true})
    }
}
