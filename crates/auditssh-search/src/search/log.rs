//! One log.

use super::{Connection, Hit, Options, Query};
use crate::index::{Head, Index, Reading, State, Stored, of_log};
use crate::place::{Listed, Place};
use auditssh_log::Message;
use auditssh_view::survey::{Kind, Line, Survey};
use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

/// How long the hits of one log may be together, in bytes.
const MOST_HELD: usize = 8 << 20;

/// What was found in one log.
#[derive(Debug, Default)]
pub struct Searched {
    /// The hits, in the order of time.
    pub hits: Vec<Hit>,
    /// Whether there may be more.
    pub more: bool,
    /// Whether the log was read.
    pub read: bool,
    /// Whether the log is damaged: what precedes that was searched.
    pub damaged: bool,
}

/// Searches a log whose messages come from elsewhere.
pub struct Stream<'a> {
    gather: Gather<'a>,
    survey: Survey,
}

impl<'a> Stream<'a> {
    /// Begins a search.
    pub fn new(query: &'a Query, options: &'a Options) -> Self {
        let survey = if query.has_lines() {
            Survey::new()
        } else {
            Survey::of_facts()
        };
        Self {
            gather: Gather::new(query, options),
            survey,
        }
    }

    /// Takes a message.
    pub fn push(&mut self, message: &Message) {
        let gather = &mut self.gather;
        self.survey.push(message, |line| {
            let _ = gather.line(&line);
        });
    }

    /// What was found in the log of this name, of which as a whole that is known.
    pub fn finish(self, name: &str, state: State) -> Searched {
        let Self { mut gather, survey } = self;
        let surveyed = survey.finish(|line| {
            let _ = gather.line(&line);
        });
        let head = Head::unbound(state, surveyed);
        Searched {
            read: true,
            ..gather.finish(name, name, head)
        }
    }
}

pub(super) fn search(
    place: &dyn Place,
    log: &Listed,
    query: &Query,
    options: &Options,
) -> io::Result<Searched> {
    if options.indexes
        && let Some(found) = by_index(place, log, query, options)
    {
        return Ok(found);
    }
    let mut gather = Gather::new(query, options);
    let head = if query.has_lines() {
        let stream = place.open(&log.name)?;
        of_log(stream, Reading::Whole, log.writer, |line| gather.line(line))?
    } else {
        place.facts(log)?
    };
    let head = Head {
        size: log.size,
        ..head
    };
    let searched = gather.finish(&log.name, &place.path(&log.name), head);
    Ok(Searched {
        read: true,
        ..searched
    })
}

/// Searches the index; `None` if there is none that can be used.
fn by_index(place: &dyn Place, log: &Listed, query: &Query, options: &Options) -> Option<Searched> {
    let index = Index::of(place, log).ok()??;
    let head = index.head().clone();
    if !query.filter.passes(&head.facts, head.state) {
        return Some(Searched::default());
    }
    let mut gather = Gather::new(query, options);
    if query.has_lines() {
        if head.cut {
            return None;
        }
        // All lines count for the files that are asked for.
        let pattern = query.pattern.as_ref().filter(|_| query.file.is_none());
        let lines = index.lines(pattern, |line| gather.line(&line.line()));
        lines.ok()?;
    }
    Some(gather.finish(&log.name, &place.path(&log.name), head))
}

impl Query {
    /// Whether lines are asked for, and not facts alone.
    fn has_lines(&self) -> bool {
        self.pattern.is_some() || self.file.is_some()
    }

    fn wants(&self, line: &Line<'_>) -> bool {
        let is_of_kind = self.kinds.is_empty() || self.kinds.contains(&line.kind);
        let is_of_channel = self.channels.is_empty() || self.channels.contains(&line.channel);
        is_of_kind
            && is_of_channel
            && self.from.is_none_or(|from| line.time >= from)
            && self.to.is_none_or(|to| line.time <= to)
            && (self.pattern.as_ref()).is_some_and(|pattern| pattern.is_in(line.text))
    }

    fn names_file(&self, line: &Line<'_>) -> bool {
        let file = self.file.as_ref();
        line.kind == Kind::File && file.is_some_and(|file| file.is_in(line.text))
    }
}

/// Gathers the lines of a log that are wanted.
struct Gather<'a> {
    query: &'a Query,
    options: &'a Options,
    lines: Vec<Stored>,
    /// How long they are together.
    held: usize,
    /// Whether a file is there that was asked for.
    file: bool,
    more: bool,
}

impl<'a> Gather<'a> {
    fn new(query: &'a Query, options: &'a Options) -> Self {
        Self {
            query,
            options,
            lines: Vec::new(),
            held: 0,
            file: query.file.is_none(),
            more: false,
        }
    }

    fn line(&mut self, line: &Line<'_>) -> ControlFlow<()> {
        if self.options.is_over() {
            self.more = true;
            return ControlFlow::Break(());
        }
        self.file = self.file || self.query.names_file(line);
        if self.query.wants(line) {
            let held = self.held.saturating_add(line.text.len());
            if self.lines.len() < self.options.most && held <= MOST_HELD {
                self.held = held;
                self.lines.push(Stored::from(line));
            } else {
                self.more = true;
            }
        }
        ControlFlow::Continue(())
    }

    fn finish(mut self, name: &str, path: &str, head: Head) -> Searched {
        if !self.file || !self.query.filter.passes(&head.facts, head.state) {
            return Searched {
                more: self.options.is_over(),
                damaged: head.state == State::Damaged,
                ..Searched::default()
            };
        }
        let is_whole = !head.incomplete && !head.partial;
        let damaged = head.state == State::Damaged;
        self.lines.sort_by_key(|line| line.time);
        let connection = Arc::new(Connection {
            name: name.to_owned(),
            path: path.to_owned(),
            head,
        });
        let hit = |line| Hit {
            line,
            connection: Arc::clone(&connection),
        };
        let hits = match &self.query.pattern {
            Some(_) => self.lines.into_iter().map(Some).map(hit).collect(),
            None => vec![hit(None)],
        };
        Searched {
            hits,
            more: self.more || self.query.has_lines() && !is_whole,
            read: false,
            damaged,
        }
    }
}

impl fmt::Debug for Stream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}
