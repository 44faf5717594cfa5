//! The sealed form of a log: a chain of gzip members, the last of which says that it is the last.
//!
//! A log is a 40-byte header, then members without anything between them. Each member is a gzip
//! member (RFC 1952) whose extra field holds one subfield, `AS`, with what the member says of
//! itself ([`Seal`]). Numbers are little endian; offsets count from the member's first byte:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 10 | `1f 8b 08 04 00 00 00 00 00 ff`: deflate, extra field, no time, unknown system |
//! | 10 | 2 | length of the extra field: 128, or 224 with a signature |
//! | 12 | 4 | `A` `S`, length of the subfield's data: 124, or 220 with a signature |
//! | 16 | 1 | version of the seal: 1 |
//! | 17 | 1 | [`Flags`] |
//! | 18 | 2 | algorithm: 1 SHA-256; 2 SHA-256 and an Ed25519 signature |
//! | 20 | 4 | number of the member, from 0 |
//! | 24 | 4 | length of the member: every byte of it, from `1f` to the end of its trailer |
//! | 28 | 4 | length of the content, inflated |
//! | 32 | 4 | messages in this member |
//! | 36 | 8 | messages in all members before |
//! | 44 | 8 + 8 | wall clock of its first and last message, Unix time in nanoseconds, signed |
//! | 60 | 8 + 8 | monotonic clock of its first and last message, nanoseconds |
//! | 76 | 32 | previous: `this` of the member before |
//! | 108 | 32 | this |
//! | 140 | 32 | with a signature: Ed25519 public key (RFC 8032) |
//! | 172 | 64 | with a signature: the signature |
//! | 140 or 236 | | deflate data, then CRC-32 and length of the content, four bytes each |
//!
//! - `this` = SHA-256 of `"auditssh member 1\0"` and all bytes of the member, `this` and the
//!   signature taken as zeros. So the hash covers the key, the previous hash and the trailer.
//! - `previous` of member 0 = SHA-256 of `"auditssh log 1\0"` and the 40-byte header.
//! - The signature is over `"auditssh seal 1\0"` and `this`. Only a final member bears one.
//! - A member holds whole messages. The opening `9f` of a version 1 array is the first byte of
//!   member 0's content.
//! - The final member holds no messages and is the same bytes but for its seal ([`Ending`]): in
//!   version 1 a stored block with `ff` (`9f ff` if it is member 0), closed as gzip demands; in
//!   version 2 `00 00 00 ff ff`, an empty block after which the stream stays open, without a
//!   trailer (ContainerSSH's decoder takes a closed version 2 stream for an error).
//!   Its times are those of the last message. Nothing follows it.
//!
//! Stock readers skip the extra field.

mod alone;
mod chain;
mod deflate;
mod fields;
mod members;
mod source;
mod stock;
#[cfg(test)]
mod tests;

pub use alone::{Inflated, MEMBER_START, SEAL_LENGTH};
pub use chain::{Chain, Chunk, Ending, SealError};
pub use deflate::Deflate;
pub use ed25519_dalek::{SigningKey, VerifyingKey};
pub use fields::{Flags, Hash, MAX_CONTENT, MAX_MEMBER, Seal, Signed, Span};
pub use members::{Damage, End, Kind, Member, Members, Step};
