//! Logs on disk that survive: recorder, spool, recovery, stores, verification.
//!
//! # Writing
//! [`Archive::create`] begins a log and hands out its [`Recorder`]. [`Recorder::append`] fixes an
//! event's order and time and returns a [`Commit`]. Few threads serve all logs: writers append
//! frames to tails (the commit point), sealers turn full chunks into members, syncers force both
//! to the disk, many at a time, and a ticker does what is to be done once a while. A log belongs
//! to one writer and one sealer, so each does its things in order; no thread but a syncer ever
//! waits for the disk on behalf of others.
//!
//! # Reading
//! [`verify`] proves logs, [`reader`] reads them while they are written.

mod archive;
mod clock;
mod directory;
pub mod disk;
mod entry;
mod error;
mod form;
mod frames;
pub mod key;
mod latency;
mod lines;
mod log;
mod missing;
mod observer;
mod progress;
pub mod reader;
mod recorder;
mod recovery;
pub mod salvage;
mod sealer;
mod settings;
mod shared;
mod span;
mod spool;
mod status;
mod sync;
mod syncer;
mod tap;
pub mod testing;
mod ticker;
pub mod verify;

pub use archive::Archive;
pub use clock::{Clock, SystemClock};
pub use directory::{
    DirectoryError, cast_name, cast_owner, closed_logs, damaged_names, damaged_owner, inspect,
    is_id, is_live, is_log, tail_owner,
};
pub use entry::Entry;
pub use error::{CreateError, OpenError, RecordError, Refusal};
pub use form::{Encoder, Encoders, Form, Piece};
pub use latency::Latency;
pub use observer::Observer;
pub use recorder::{Commit, Recorder};
pub use recovery::{Recovered, RecoveryError, recover};
pub use settings::{OnFailure, Settings, Sync};
pub use status::{Counters, Status};
pub use tap::{Tap, Taps};
