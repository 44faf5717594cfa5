//! Messages as bytes and as JSON, lossless both ways.
//!
//! # A message
//! One CBOR map (RFC 8949) of definite length with these keys in this order:
//!
//! | key | value |
//! |---|---|
//! | `connectionId` | text |
//! | `timestamp` | int: Unix time in nanoseconds |
//! | `type` | int: the numbers of [`Event`](crate::Event) |
//! | `payload` | map, or null for types without one |
//! | `channelId` | uint, or null where no channel is concerned |
//!
//! Integers are in their shortest form. The keys of each payload stand in `codec/fields.rs`, in
//! the order in which they are written; all of them are always there. Further keys follow the
//! documented ones ([`extension`](crate::extension)).
//!
//! # Text
//! SSH does not enforce UTF-8 and stock decoders give up on text that is none. So each invalid
//! sequence is written as U+FFFD, and the bytes as received follow under the same key with `Bytes`
//! appended (`program`, `programBytes`), as a byte string. A reader that finds such a pair takes
//! the bytes if they repair to the text. In values that have no name in the format (further keys),
//! text that is not UTF-8 is a byte string tagged [`RAW_TEXT`], and an entry whose key is not
//! UTF-8 has the repaired key and, tagged [`RAW_ENTRY`], the array of the key's bytes and the
//! value.
//!
//! # A log
//! 40 bytes of header: `ContainerSSH-Auditlog`, zeros up to 32 bytes, the version as 64 bits
//! little endian. Then gzip (RFC 1952), one member or several, whose content is for version 1
//! ([`Format::Audit`]) one CBOR array of indefinite length, `9f` messages `ff`, and for version 2
//! ([`Format::Binary`]) a CBOR sequence (RFC 8742) of messages.

mod body;
mod cbor;
mod decode;
mod decoder;
mod encode;
mod error;
mod events;
mod fields;
mod format;
mod gzip;
pub mod json;
mod parse;
mod raw;
mod record;

pub use body::{Budget, Messages, decode_message};
pub use cbor::{RAW_ENTRY, RAW_TEXT};
pub use decoder::{Decoder, End};
pub use encode::encode;
pub use error::{Damage, DecodeError};
pub use format::{Format, HEADER_LENGTH, HeaderError};
pub use parse::{MAX_MESSAGE, MAX_NESTING, MAX_VALUES};

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod tests;
