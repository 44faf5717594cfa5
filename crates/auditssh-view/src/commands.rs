//! The commands that were given to programs, as far as they can be told: what one wants to jump to.
//!
//! A program that was started by a command line begins with it. In a shell a command is a line at a
//! prompt, as it stood on the screen when it was entered: corrections are made, and what was typed
//! without being shown is no command. Shells that mark their prompts and commands (OSC 133, and
//! OSC 633 likewise) say themselves where they are. Where neither marks nor input are in the log, a
//! line is taken for a command that goes on, after a pause, behind what looks like a prompt. All but
//! marks is a guess, and may be wrong.

mod line;
mod marks;
#[cfg(test)]
mod tests;
mod watch;

use crate::runs::{Did, Runs, Step};
use auditssh_log::Message;
use std::collections::BTreeMap;
use std::convert::Infallible;
pub use watch::Watch;

/// Longest text of a command, in bytes; of longer ones the first.
pub const LONGEST: usize = 1024;
/// Most programs that are looked at at once, and most channels whose programs are counted.
const MOST_OPEN: usize = 64;
const MOST_CHANNELS: usize = 100_000;

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// When it was given: nanoseconds since the program began.
    pub at: u64,
    /// How it was shown; empty where that is not known. Safe to show.
    pub text: String,
    /// How it is known.
    pub how: How,
}

/// How a command is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The program was started with it.
    Started,
    /// The shell marked it.
    Marked,
    /// It was typed.
    Typed,
    /// It was shown where a prompt seems to be.
    Shown,
}

/// A command of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The channel.
    pub channel: u64,
    /// Which of the programs on this channel it was given to, from 0.
    pub program: u64,
    /// What it is.
    pub command: Command,
}

/// Finds the commands of a connection.
#[derive(Debug, Default)]
pub struct Commands {
    runs: Runs,
    found: Found,
}

#[derive(Debug, Default)]
struct Found {
    open: BTreeMap<u64, (u64, Watch)>,
    /// How many programs began on a channel.
    counts: BTreeMap<u64, u64>,
}

impl Commands {
    /// Takes a message, and tells the commands that are known with it. On a channel they come in the
    /// order in which they were given.
    pub fn push(&mut self, message: &Message, mut to: impl FnMut(Given)) {
        let found = &mut self.found;
        let Ok(()) = self.runs.push(message, |step| {
            found.step(&step, &mut to);
            Ok::<_, Infallible>(())
        });
    }

    /// Tells the commands that are known only at the end.
    pub fn finish(mut self, mut to: impl FnMut(Given)) {
        let found = &mut self.found;
        let Ok(()) = self.runs.finish(|step| {
            found.step(&step, &mut to);
            Ok::<_, Infallible>(())
        });
    }
}

impl Found {
    fn step(&mut self, step: &Step<'_>, to: &mut impl FnMut(Given)) {
        let channel = step.channel;
        if let Did::Begin(start) = step.what {
            if self.counts.len() >= MOST_CHANNELS && !self.counts.contains_key(&channel) {
                return;
            }
            let count = self.counts.entry(channel).or_default();
            let program = std::mem::replace(count, count.saturating_add(1));
            if self.open.len() < MOST_OPEN {
                self.open.insert(channel, (program, Watch::new(start)));
            }
        }
        let Some((program, watch)) = self.open.get_mut(&channel) else {
            return;
        };
        let program = *program;
        watch.push(step, &mut |command| {
            to(Given {
                channel,
                program,
                command,
            });
        });
        if matches!(step.what, Did::End) {
            self.open.remove(&channel);
        }
    }
}
