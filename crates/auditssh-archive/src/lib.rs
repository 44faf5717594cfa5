//! Logs on disk that survive: recorder, spool, recovery, stores, verification.

pub mod key;
mod recorder;
pub mod verify;

pub use recorder::{Archive, Commit, CreateError, Entry, RecordError, Recorder};
