//! Strings as Go's `encoding/json` writes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::{self, Write};

/// Multiple of three, so that base64 pads only at the end.
const CHUNK: usize = 3 * 1024;

/// Writes the line by which a decoder reports an error: `{"error":"…"}`.
pub fn error(text: &str, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"{\"error\":")?;
    string(text.as_bytes(), out)?;
    out.write_all(b"}")
}

/// Writes text in quotes; what is not UTF-8 becomes `\ufffd`.
pub(super) fn string(text: &[u8], out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"\"")?;
    unquoted(text, out)?;
    out.write_all(b"\"")
}

/// The same without the quotes.
pub(super) fn unquoted(text: &[u8], out: &mut impl Write) -> io::Result<()> {
    for chunk in text.utf8_chunks() {
        valid(chunk.valid(), out)?;
        if !chunk.invalid().is_empty() {
            out.write_all(b"\\ufffd")?;
        }
    }
    Ok(())
}

fn valid(text: &str, out: &mut impl Write) -> io::Result<()> {
    let mut rest = text;
    while let Some(at) = rest.find(is_escaped) {
        let (plain, escaped) = rest.split_at(at);
        out.write_all(plain.as_bytes())?;
        let mut characters = escaped.chars();
        if let Some(character) = characters.next() {
            escape(character, out)?;
        }
        rest = characters.as_str();
    }
    out.write_all(rest.as_bytes())
}

fn is_escaped(character: char) -> bool {
    matches!(
        character,
        '\0'..='\x1f' | '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}'
    )
}

fn escape(character: char, out: &mut impl Write) -> io::Result<()> {
    match character {
        '"' => out.write_all(b"\\\""),
        '\\' => out.write_all(b"\\\\"),
        '\n' => out.write_all(b"\\n"),
        '\r' => out.write_all(b"\\r"),
        '\t' => out.write_all(b"\\t"),
        '\x08' => out.write_all(b"\\b"),
        '\x0c' => out.write_all(b"\\f"),
        '\u{2028}' => out.write_all(b"\\u2028"),
        '\u{2029}' => out.write_all(b"\\u2029"),
        // A control character or one of `<>&`. Not `write!`: a log may hold millions of them.
        other => {
            let code = u32::from(other);
            let digit = |value| char::from_digit(value, 16).unwrap_or('0') as u8;
            let digits = [digit(code >> 4 & 15), digit(code & 15)];
            out.write_all(b"\\u00")?;
            out.write_all(&digits)
        }
    }
}

/// Writes bytes as base64 in quotes.
pub(super) fn base64(bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"\"")?;
    let mut text = [0; CHUNK / 3 * 4];
    for chunk in bytes.chunks(CHUNK) {
        // There is room for it.
        let length = STANDARD.encode_slice(chunk, &mut text).unwrap_or_default();
        out.write_all(text.get(..length).unwrap_or_default())?;
    }
    out.write_all(b"\"")
}

/// Reads base64.
pub(super) fn unbase64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
