//! What a log consists of: messages, or lines of text.

use auditssh_log::Message;
use auditssh_log::codec::Format;
use std::fmt;
use std::sync::Arc;

/// The form of the logs of an archive.
#[derive(Clone, Debug)]
pub enum Form {
    /// One file for each connection: messages, sealed into members of a hash chain.
    Messages(Format),
    /// A file of lines for each channel that has something to show (`<id>.<channel>.cast`), and none
    /// for a connection without. It is plain text and proves nothing.
    Lines(Arc<dyn Encoders>),
}

/// Makes an [`Encoder`] for each connection.
pub trait Encoders: Send + Sync + fmt::Debug {
    /// The encoder of a connection that begins.
    fn begin(&self, connection: &str) -> Box<dyn Encoder>;

    /// What stands in the place of lines that could not be written, at most a line or two. `before`
    /// is what this returned for those directly before them.
    fn missing(&self, before: &[u8], lost: &[u8]) -> Vec<u8>;
}

/// Makes lines of the events of one connection. It is told them in their order, when they are
/// recorded, and after the interception policy; so it must be quick, and hold a bounded amount.
pub trait Encoder: Send + fmt::Debug {
    /// What an event adds to which files. `mono` is its time on a clock that never jumps, in
    /// nanoseconds. No channel begins a second file.
    fn push(&mut self, message: &Message, mono: u64) -> Vec<Piece>;

    /// The session goes on in files of another name: what those begin with that are open. Files of
    /// the channels `ended` that are not are only to say, in a few lines, that something is missing.
    fn restart(&mut self, connection: &str, ended: &[u64]) -> Vec<Piece>;
}

/// Lines that an event adds to the file of a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The channel.
    pub channel: u64,
    /// The file begins with them.
    pub begins: bool,
    /// It ends with them.
    pub ends: bool,
    /// Whole lines, each with its end.
    pub lines: Vec<u8>,
}
