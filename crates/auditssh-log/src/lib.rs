//! Messages, codecs, interception policy and seal of an AuditSSH log.
//!
//! This crate is pure: it does no I/O, reads no clock and spawns nothing, so third parties can read
//! logs with it alone. A log is made of [`Message`]s; [`codec`] turns them into bytes and JSON and
//! back, [`policy`] decides what of an event may be kept, [`seal`] and [`tail`] are the two forms
//! in which messages lie on disk (`docs/format.md`).

pub mod codec;
pub mod extension;
pub mod message;
pub mod policy;
pub mod seal;
pub mod tail;

pub use message::{Event, Message};
