//! What can be searched of a connection: its facts, and every line that was typed, stood on a screen,
//! ran as a command or named a file.
//!
//! Nothing is there that the log has not: what a policy kept out is in no line.

mod facts;
mod line;
mod shown;
#[cfg(test)]
mod tests;
mod typed;

use crate::Visible;
use crate::files::{Action, Entry, Ledger, Note};
use crate::runs::{Did, Protocol, Runs, Step};
use crate::summary::Summary;
use auditssh_log::Message;
pub use facts::{Bytes, Exit, Facts, Kind as Ran, LONGEST_TEXT, MOST_PROGRAMS, Program};
pub use line::{Kind, LONGEST_LINE, Line, OVERLAP};
use shown::Shown;
use std::collections::BTreeMap;
use std::convert::Infallible;
use typed::Typed;

/// Most programs whose screens are followed at once. More are counted.
const MOST_SCREENS: usize = 8;
/// Most channels of which it is known how many programs ran on them.
const MOST_NUMBERS: usize = 4096;

/// Where lines go.
type To<'a> = dyn FnMut(Line<'_>) + 'a;

/// Goes through a connection.
#[derive(Debug)]
pub struct Survey {
    /// Whether lines are wanted.
    lines: bool,
    summary: Summary,
    facts: Facts,
    runs: Runs,
    ledger: Ledger,
    channels: Channels,
}

/// What a survey came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surveyed {
    /// The facts.
    pub facts: Facts,
    /// Whether there may be more on screens than the lines say: too many programs ran at once, or the
    /// screen changed far more often than bytes were written.
    pub incomplete: bool,
}

/// The programs that run.
#[derive(Debug, Default)]
struct Channels {
    /// How many programs began on a channel so far.
    numbers: BTreeMap<u64, u32>,
    open: BTreeMap<u64, Open>,
    /// Whether screens are left out.
    blind: bool,
    incomplete: bool,
}

/// A program of which lines are told.
#[derive(Debug)]
struct Open {
    number: u32,
    start: i64,
    shown: Shown,
    typed: Typed,
}

impl Survey {
    /// A survey of facts and lines.
    pub fn new() -> Self {
        Self {
            lines: true,
            summary: Summary::default(),
            facts: Facts::default(),
            runs: Runs::default(),
            ledger: Ledger::default(),
            channels: Channels::default(),
        }
    }

    /// A survey of facts alone, which is quicker.
    pub fn of_facts() -> Self {
        Self {
            lines: false,
            ..Self::new()
        }
    }

    /// A survey of facts and of lines that did not stand on a screen, which is as quick.
    pub fn without_screens() -> Self {
        let channels = Channels {
            blind: true,
            ..Channels::default()
        };
        Self {
            channels,
            ..Self::new()
        }
    }

    /// Takes a message, and tells the lines that it completes.
    pub fn push(&mut self, message: &Message, mut to: impl FnMut(Line<'_>)) {
        self.summary.push(message);
        self.facts.push(message);
        let (facts, channels, lines) = (&mut self.facts, &mut self.channels, self.lines);
        let Ok(()) = self.runs.push(message, |step| {
            channels.step(&step, facts, lines, &mut to);
            Ok::<_, Infallible>(())
        });
        let numbers = &channels.numbers;
        self.ledger
            .push(message, |note| moved(note, numbers, facts, lines, &mut to));
    }

    /// What everything that was taken came to; what still stands on screens is told.
    #[must_use]
    pub fn finish(self, mut to: impl FnMut(Line<'_>)) -> Surveyed {
        let (mut facts, mut channels, lines) = (self.facts, self.channels, self.lines);
        channels.incomplete |= self.runs.left_out() > 0;
        let Ok(()) = self.runs.finish(|step| {
            channels.step(&step, &mut facts, lines, &mut to);
            Ok::<_, Infallible>(())
        });
        let numbers = &channels.numbers;
        self.ledger
            .finish(|note| moved(note, numbers, &mut facts, lines, &mut to));
        Surveyed {
            facts: facts.with(&self.summary.finish()),
            incomplete: channels.incomplete,
        }
    }
}

impl Default for Survey {
    fn default() -> Self {
        Self::new()
    }
}

impl Channels {
    fn step(&mut self, step: &Step<'_>, facts: &mut Facts, lines: bool, to: &mut To<'_>) {
        let number = self.number(step);
        facts.ran(number, step);
        if !lines {
            return;
        }
        if let Did::Begin(start) = step.what {
            if let Some(command) = start.command() {
                let line = Line {
                    channel: step.channel,
                    program: number,
                    kind: Kind::Command,
                    at: 0,
                    time: start.time,
                    text: &Visible(command.as_bytes()).to_string(),
                };
                line.in_pieces(to);
            }
            // What passes is no text, and the ledger says what it is.
            if start.protocol() != Protocol::None {
                return;
            }
            if self.open.len() >= MOST_SCREENS {
                self.incomplete = true;
                return;
            }
            let open = Open {
                number,
                start: start.time,
                shown: Shown::new(start),
                typed: Typed::new(start),
            };
            self.open.insert(step.channel, open);
            return;
        }
        let Some(open) = self.open.get_mut(&step.channel) else {
            return;
        };
        let is_end = matches!(step.what, Did::End);
        let (number, start) = (open.number, open.start);
        let mut tell = |kind: Kind, at: u64, text: &str| {
            let passed = i64::try_from(at).unwrap_or(i64::MAX);
            let line = Line {
                channel: step.channel,
                program: number,
                kind,
                at,
                time: start.saturating_add(passed),
                text,
            };
            line.in_pieces(to);
        };
        open.typed
            .push(step, &mut |at, text| tell(Kind::Typed, at, text));
        if !self.blind {
            open.shown
                .push(step, &mut |at, text| tell(Kind::Shown, at, text));
        }
        if is_end && let Some(open) = self.open.remove(&step.channel) {
            self.incomplete |= open.shown.is_incomplete();
        }
    }

    /// Which of the programs of its channel a step belongs to.
    fn number(&mut self, step: &Step<'_>) -> u32 {
        if !matches!(step.what, Did::Begin(_)) {
            return number(&self.numbers, step.channel);
        }
        let is_full = self.numbers.len() >= MOST_NUMBERS;
        match self.numbers.get_mut(&step.channel) {
            Some(count) => {
                *count = count.saturating_add(1);
                count.saturating_sub(1)
            }
            None if is_full => 0,
            None => {
                self.numbers.insert(step.channel, 1);
                0
            }
        }
    }
}

/// The number of the last program on a channel.
fn number(numbers: &BTreeMap<u64, u32>, channel: u64) -> u32 {
    let count = numbers.get(&channel).copied().unwrap_or(0);
    count.saturating_sub(1)
}

fn moved(
    note: Note<'_>,
    numbers: &BTreeMap<u64, u32>,
    facts: &mut Facts,
    lines: bool,
    to: &mut To<'_>,
) {
    let Note::Entry(entry) = note else { return };
    facts.moved(entry);
    if !lines || matches!(entry.action, Action::Lost) {
        return;
    }
    let line = Line {
        channel: entry.channel,
        program: number(numbers, entry.channel),
        kind: Kind::File,
        at: passed(entry, facts),
        time: entry.begun,
        text: &entry.to_string(),
    };
    line.in_pieces(to);
}

/// Nanoseconds from the start of the program to a transfer, as far as the program is known.
fn passed(entry: &Entry, facts: &Facts) -> u64 {
    let mut programs = facts.programs.iter().rev();
    let program = programs.find(|program| program.channel == entry.channel);
    program.map_or(0, |program| {
        u64::try_from(entry.begun.saturating_sub(program.start)).unwrap_or(0)
    })
}
