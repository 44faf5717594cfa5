//! What JSON is made of.

use crate::is_visible;
use auditssh_log::message::Text;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

/// The same JSON with everything escaped that could control a terminal or deceive the eye: JSON leaves
/// control characters beyond ASCII as they are.
pub fn visible_json(json: &str) -> Cow<'_, str> {
    if json.chars().all(is_visible) {
        return Cow::Borrowed(json);
    }
    let mut visible = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if is_visible(character) {
            visible.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string never fails.
            let _ = write!(visible, "\\u{unit:04x}");
        }
    }
    Cow::Owned(visible)
}

/// Writes a text in quotes.
pub(crate) fn string(text: &str, out: &mut dyn Write) -> io::Result<()> {
    let json = serde_json::to_string(text)?;
    out.write_all(visible_json(&json).as_bytes())
}

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
