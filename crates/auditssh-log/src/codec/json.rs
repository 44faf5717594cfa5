//! Messages as JSON: one object a message, in the shape of ContainerSSH's decoder.
//!
//! Keys: `connectionId`, `timestamp`, `type`, `typeId`, `typeName`, `payload`, `channelId`, in this
//! order. Payloads have the keys of the log. Bytes are base64; `<`, `>` and `&` are escaped as Go
//! does; what is not UTF-8 in a text is shown as `\ufffd`.
//!
//! [`Style::FULL`] adds what that decoder leaves out and is lossless: further keys, and beside each
//! text that is not UTF-8 its bytes (`programBytes`, base64). Values that JSON has no notation for
//! are objects of one key: `{"$bytes": base64}`, `{"$text": base64}` (not UTF-8),
//! `{"$integer": decimal}` (beyond 64 bits), `{"$float": decimal}`, `{"$simple": number}`,
//! `{"$tag": [number, value]}`, `{"$map": [[key, value], …]}` (keys that are not text, not unique
//! or begin with `$`). A further key that is not UTF-8 or begins with `$` has the value
//! `{"$entry": [base64 of the key, value]}`.

mod read;
mod string;
mod tree;
mod value;
mod write;

pub use read::{JsonError, read};
pub use string::error;
pub use write::{Style, write};

#[cfg(test)]
mod tests;
