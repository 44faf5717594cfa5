//! CBOR (RFC 8949), as far as messages need it.

use crate::message::{Extra, Text, Value};

/// Tag of a byte string that was received as text and is not UTF-8.
pub const RAW_TEXT: u64 = 0x4153_5348_5458;

/// Tag of the array of key and value of an entry whose key, received as text, is not UTF-8.
pub const RAW_ENTRY: u64 = 0x4153_5348_454e;

pub(super) const UINT: u8 = 0;
pub(super) const NEGATIVE: u8 = 1;
pub(super) const BYTES: u8 = 2;
pub(super) const TEXT: u8 = 3;
pub(super) const ARRAY: u8 = 4;
pub(super) const MAP: u8 = 5;
pub(super) const TAG: u8 = 6;
pub(super) const SIMPLE: u8 = 7;

pub(super) const FALSE: u8 = 0xf4;
pub(super) const TRUE: u8 = 0xf5;
pub(super) const NULL: u8 = 0xf6;
const DOUBLE: u8 = 0xfb;

/// Writes the head of an item in its shortest form.
#[expect(
    clippy::cast_possible_truncation,
    reason = "each cast is to the width that the value was compared with"
)]
pub(super) fn head(out: &mut Vec<u8>, major: u8, value: u64) {
    let major = major << 5;
    if value < 24 {
        out.push(major | value as u8);
    } else if value <= 0xff {
        out.extend_from_slice(&[major | 0x18, value as u8]);
    } else if value <= 0xffff {
        out.push(major | 0x19);
        out.extend_from_slice(&(value as u16).to_be_bytes());
    } else if value <= 0xffff_ffff {
        out.push(major | 0x1a);
        out.extend_from_slice(&(value as u32).to_be_bytes());
    } else {
        out.push(major | 0x1b);
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Writes the head of an item of that many parts.
pub(super) fn length(out: &mut Vec<u8>, major: u8, length: usize) {
    head(out, major, length as u64);
}

/// Writes text that is UTF-8.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    length(out, TEXT, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Writes a byte string.
pub(super) fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    length(out, BYTES, bytes.len());
    out.extend_from_slice(bytes);
}

/// Writes an integer; what CBOR has not becomes the nearest that it has.
pub(super) fn integer(out: &mut Vec<u8>, number: i128) {
    if number >= 0 {
        head(out, UINT, u64::try_from(number).unwrap_or(u64::MAX));
    } else {
        head(
            out,
            NEGATIVE,
            u64::try_from(-1 - number).unwrap_or(u64::MAX),
        );
    }
}

/// Writes entries of a map, whose head is the caller's.
pub(super) fn entries(out: &mut Vec<u8>, extra: &Extra) {
    for (key, entry) in extra {
        if let Some(key) = key.as_str() {
            text(out, key);
            value(out, entry);
        } else {
            text(out, &key.to_str_lossy());
            head(out, TAG, RAW_ENTRY);
            length(out, ARRAY, 2);
            bytes(out, key.as_bytes());
            value(out, entry);
        }
    }
}

/// Writes any value.
pub(super) fn value(out: &mut Vec<u8>, item: &Value) {
    match item {
        Value::Null => out.push(NULL),
        Value::Bool(false) => out.push(FALSE),
        Value::Bool(true) => out.push(TRUE),
        Value::Integer(number) => integer(out, *number),
        Value::Float(number) => {
            out.push(DOUBLE);
            out.extend_from_slice(&number.to_bits().to_be_bytes());
        }
        Value::Bytes(data) => bytes(out, data),
        Value::Text(raw) => raw_text(out, raw),
        Value::Array(items) => {
            length(out, ARRAY, items.len());
            for item in items {
                value(out, item);
            }
        }
        Value::Map(items) => {
            length(out, MAP, items.len());
            for (key, item) in items {
                value(out, key);
                value(out, item);
            }
        }
        Value::Simple(number) => head(out, SIMPLE, u64::from(*number)),
        Value::Tag(tag, item) => {
            head(out, TAG, *tag);
            value(out, item);
        }
    }
}

fn raw_text(out: &mut Vec<u8>, raw: &Text) {
    if let Some(valid) = raw.as_str() {
        text(out, valid);
    } else {
        head(out, TAG, RAW_TEXT);
        bytes(out, raw.as_bytes());
    }
}
