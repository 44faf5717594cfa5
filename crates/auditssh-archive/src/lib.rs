//! Logs on disk that survive: recorder, spool, recovery, stores, verification.

mod recorder;

pub use recorder::{Archive, Commit, CreateError, Entry, RecordError, Recorder};
