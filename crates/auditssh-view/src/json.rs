//! What JSON is made of.

use auditssh_log::message::Text;
use serde_json::Value;

/// A text; what is not UTF-8 becomes U+FFFD.
pub(crate) fn text(text: &Text) -> Value {
    Value::String(text.to_str_lossy().into_owned())
}

/// A time in UTC (RFC 3339), or the number if it is none.
pub(crate) fn time(nanoseconds: i64) -> Value {
    match jiff::Timestamp::from_nanosecond(nanoseconds.into()) {
        Ok(time) => Value::String(format!("{time:.9}")),
        Err(_) => nanoseconds.into(),
    }
}
