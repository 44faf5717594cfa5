//! What a log of ours says beyond the documented messages, so that every part writes and reads it
//! alike.
//!
//! Two ways are open that no stock decoder stops at. Where a documented type fits, its payload
//! gets further keys, which others ignore: [`Handshake`] in 199, [`FailedHandshake`] in 198,
//! [`Forced`] in 403, 405 and 407.
//! Where none fits, the message is a 400 (unknown channel request) whose request type ends in
//! `@auditssh` and whose values are further keys again: [`MaskedInput`], [`Gap`], [`ClockStep`],
//! [`ForwardAnswer`], [`FileEvent`], and in the log of the viewer [`Access`].
//!
//! | message | key | value |
//! |---|---|---|
//! | 198, 199 | `clientVersion`, `serverVersion` | identification strings (RFC 4253, 4.2), text |
//! | 199 | `kex`, `hostKey` | negotiated names, text |
//! | 199 | `cipherClientToServer`, `cipherServerToClient`, `macClientToServer`, `macServerToClient`, `compressionClientToServer`, `compressionServerToClient` | negotiated names, text |
//! | 199 | `authenticatedUsername`, `authMethod` | who was proven, and how (`password`, `publickey`, `keyboard-interactive`), text |
//! | 199 | `keyFingerprint` | `SHA256:…` of the key that was proven, text |
//! | 199 | `certificateSerial` | uint |
//! | 199 | `certificateKeyId`, `certificateAuthority` | text; the authority as `SHA256:…` |
//! | 199 | `certificatePrincipals` | array of text |
//! | 198 | `clientOffer`, `serverOffer` | map of the ten name-lists of a KEXINIT (RFC 4253, 7.1), each an array of text: see [`Offer`] |
//! | 403, 405, 407 | `forcedCommand` | what ran in place of what was asked for, text |
//! | 403, 405, 407 | `forcedBy` | who forced it (`configuration`, `key`), text |
//! | 400 `masked-input@auditssh` | `bytes` | uint: how many bytes stood here |
//! | 400 `gap@auditssh` | `messages`, `bytes` | uint: how much was not recorded |
//! | 400 `gap@auditssh` | `reason` | text |
//! | 400 `gap@auditssh` | `from`, `to` | Unix time in nanoseconds, int |
//! | 400 `gap@auditssh` | `continues` | text: the log before this one, if the gap is the first message and the session began there: see [`Continued`] |
//! | 400 `gap@auditssh` | `connected` | with `continues`: Unix time in nanoseconds at which the connection began, int |
//! | 400 `gap@auditssh` | `remoteAddr`, `country`, `username` | with `continues`: as in 0, and as in 199 if someone is logged in; text |
//! | 400 `forward-answer@auditssh` | `accepted` | bool: what the request before it (202 to 205) was answered |
//! | 400 `forward-answer@auditssh` | `port` | uint: the port that is listened to, if the request left it open |
//! | 400 `forward-answer@auditssh` | `reason` | text: why it was refused |
//! | 400 `access@auditssh` | `user`, `role`, `address`, `action`, `detail` | who looked at what, text |
//! | 400 `access@auditssh` | `connection` | the recording concerned, text |
//! | 400 `access@auditssh` | `allowed` | bool |
//! | 400 `clock-step@auditssh` | `nanoseconds` | int: by how much wall time jumped, negative for back |
//! | 400 `file@auditssh` | `protocol`, `action`, `path`, `target`, `direction`, `result`, `reason`, `incomplete` | text: what happened to a file, see [`FileEvent`] |
//! | 400 `file@auditssh` | `start` | Unix time in nanoseconds, int |
//! | 400 `file@auditssh` | `bytes`, `mode`, `size`, `bytesIn`, `bytesOut` | uint |
//! | 400 `file@auditssh` | `sha256` | 64 hexadecimal digits, text |
//!
//! Text that is not UTF-8 is a matter of the codec: see [`codec`](crate::codec).

mod access;
mod continued;
mod file;
mod forced;
mod forward;
mod handshake;
mod notice;

pub use access::Access;
pub use continued::Continued;
pub use file::FileEvent;
pub use forced::Forced;
pub use forward::ForwardAnswer;
pub use handshake::{Certificate, FailedHandshake, Handshake, Offer};
pub use notice::{ClockStep, Gap, MaskedInput};

use crate::message::{Extra, Text, Value};

/// The value of a further key.
pub fn find<'a>(extra: &'a Extra, key: &str) -> Option<&'a Value> {
    extra
        .iter()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value)
}

fn text(extra: &Extra, key: &str) -> Option<Text> {
    find(extra, key)?.as_text().cloned()
}

fn texts(extra: &Extra, key: &str) -> Option<Vec<Text>> {
    let values = find(extra, key)?.as_array()?;
    Some(values.iter().filter_map(Value::as_text).cloned().collect())
}

fn array(texts: &[Text]) -> Value {
    Value::Array(texts.iter().cloned().map(Value::Text).collect())
}

#[cfg(test)]
mod tests;
