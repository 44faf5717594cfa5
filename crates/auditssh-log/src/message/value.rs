use super::Text;

/// Named values beside the documented ones, in the order of the log.
pub type Extra = Vec<(Text, Value)>;

/// Any CBOR value (RFC 8949) that a log may hold and this version has no name for.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null` or `undefined`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer of major type 0 or 1: -2^64 to 2^64 - 1. What lies beyond does not exist in CBOR
    /// and is written as the nearest that does.
    Integer(i128),
    /// A floating point number of any width.
    Float(f64),
    /// A byte string.
    Bytes(Vec<u8>),
    /// A text string, valid or not.
    Text(Text),
    /// An array.
    Array(Vec<Value>),
    /// A map, in the order of the log.
    Map(Vec<(Value, Value)>),
    /// A simple value other than those above (RFC 8949, 3.3).
    Simple(u8),
    /// A tagged value.
    Tag(u64, Box<Value>),
}

impl Value {
    /// The number, if it is an integer from 0 to 2^64 - 1.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Integer(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The number, if it is an integer that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => i64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The text, if it is some.
    pub fn as_text(&self) -> Option<&Text> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements, if it is an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(values) => Some(values),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Integer(number.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number.into())
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Self {
        Self::Array(values)
    }
}
