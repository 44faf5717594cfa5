//! Where logs are.

use crate::index::{Head, Reading, of_log};
use std::fmt::Debug;
use std::io::{self, Read};
use std::ops::ControlFlow;

/// How much of the end of a log an index is bound to, in bytes. The last member of a log is there,
/// whose hash depends on every byte before.
pub const END: u64 = 4096;

/// A directory of logs, a bucket, or whatever has logs.
///
/// All calls may block. They may come from several threads at once.
pub trait Place: Debug + Send + Sync {
    /// The logs that are there now, in no order.
    fn list(&self) -> io::Result<Vec<Listed>>;

    /// The bytes of a log up to its last message, what stands in its tails included.
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>>;

    /// What is known of a log without its lines: as much as can be told in a short time.
    fn facts(&self, log: &Listed) -> io::Result<Head> {
        of_log(self.open(&log.name)?, Reading::Facts, log.writer, |_| {
            ControlFlow::Continue(())
        })
    }

    /// The last bytes of a log whose length is this, at most [`END`] of them.
    fn end(&self, name: &str, length: u64) -> io::Result<Vec<u8>>;

    /// The index beside a log; `None` if there is none, or one that somebody else put there.
    fn index(&self, name: &str) -> io::Result<Option<Box<dyn Read + Send>>>;

    /// Puts an index beside a log, in place of one that is there: as a whole or not at all.
    fn keep(&self, name: &str, index: &[u8]) -> io::Result<()>;

    /// Removes what is left of indexes that were not finished, and indexes whose log is gone.
    fn tidy(&self) -> io::Result<()> {
        Ok(())
    }

    /// How many logs are best read at once: more where each has a long way.
    fn at_once(&self) -> usize {
        1
    }

    /// The log as other commands take it: a path, or `s3://BUCKET/KEY`.
    fn path(&self, name: &str) -> String;
}

/// A log of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name in this place: in a directory that of the file, in a bucket the key.
    pub name: String,
    /// How long it is, in bytes.
    pub size: u64,
    /// When it was changed last: Unix time in nanoseconds.
    pub modified: i64,
    /// Who writes it.
    pub writer: Writer,
}

/// Who writes a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// Nobody: it does not change any more.
    None,
    /// A server that runs.
    Live,
    /// A server that died; the next start, or `auditssh recover`, completes it.
    Gone,
}
