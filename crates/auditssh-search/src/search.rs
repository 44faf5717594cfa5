//! Lines of many logs.

mod log;
mod many;
#[cfg(test)]
mod tests;

use crate::index::Stored;
use crate::place::{Listed, Place};
use crate::{Filter, Pattern};
use auditssh_view::survey::Kind;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use log::{Searched, Stream};

/// What is searched.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// What lines have; without it each connection is a hit.
    pub pattern: Option<Pattern>,
    /// Lines of these kinds; of all if there are none.
    pub kinds: Vec<Kind>,
    /// Lines of these channels; of all if there are none.
    pub channels: Vec<u64>,
    /// Lines from this Unix time in nanoseconds on.
    pub from: Option<i64>,
    /// Lines up to this Unix time in nanoseconds.
    pub to: Option<i64>,
    /// Connections in which something happened to a file whose line has this.
    pub file: Option<Pattern>,
    /// Connections that are so.
    pub filter: Filter,
}

/// How it is searched.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many threads search.
    pub threads: usize,
    /// Most hits in one log; of long lines there may be fewer.
    pub most: usize,
    /// Whether indexes are used. Without them each log is read.
    pub indexes: bool,
    /// Set from elsewhere when nobody wants more.
    pub stop: Arc<AtomicBool>,
}

impl Default for Options {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads: threads.min(8),
            most: 10_000,
            indexes: true,
            stop: Arc::default(),
        }
    }
}

impl Options {
    pub(crate) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// A connection or a line that is what was searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The line; `None` if connections are searched.
    pub line: Option<Stored>,
    /// The connection.
    pub connection: Arc<Connection>,
}

/// Of which connection a hit is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The name of its log in the place.
    pub name: String,
    /// The log as other commands take it.
    pub path: String,
    /// What the log says of it.
    pub head: crate::index::Head,
}

/// What a search comes to on its way.
#[derive(Debug)]
pub enum Found<'a> {
    /// A hit.
    Hit(&'a Hit),
    /// A log that could not be searched, and why.
    Problem(&'a Listed, &'a io::Error),
    /// A log in which there is nothing more.
    Done(&'a Listed),
}

/// What a search came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many hits were handed on.
    pub hits: u64,
    /// How many logs were searched.
    pub logs: u64,
    /// Of how many of these the log was read, since there was no index that could be used.
    pub read: u64,
    /// How many logs could not be searched.
    pub problems: u64,
    /// How many logs are damaged: what precedes that was searched.
    pub damaged: u64,
    /// Whether that is all there is: no log had more hits than were wanted of one, none was damaged
    /// or could not be read, and nobody ended the search.
    pub complete: bool,
}

/// Searches a place, the log that was changed last first. Hits of a log come in the order of time.
pub fn search(
    place: &dyn Place,
    query: &Query,
    options: &Options,
    to: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
) -> io::Result<Outcome> {
    let mut logs = place.list()?;
    logs.sort_by(|a, b| (b.modified, &b.name).cmp(&(a.modified, &a.name)));
    Ok(search_in(place, &logs, query, options, to))
}

/// Searches some logs of a place, in their order.
pub fn search_in(
    place: &dyn Place,
    logs: &[Listed],
    query: &Query,
    options: &Options,
    to: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
) -> Outcome {
    many::search(place, logs, query, options, to)
}
