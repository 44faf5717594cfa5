//! What there is to play: the programs of a log, how long they are, and where commands are.

use super::recording::Recording;
use crate::cmd::log::Read;
use auditssh_log::message::Text;
use auditssh_view::runs::{Did, Runs, Start, Step};
use auditssh_view::summary::What;
use std::collections::BTreeMap;
use std::fmt;

/// Most programs that are listed, and most commands that can be jumped to.
const MOST_PROGRAMS: usize = 1000;
const MOST_COMMANDS: usize = 100_000;
/// Most channels whose programs are counted.
const MOST_CHANNELS: usize = 100_000;

/// How a shell marks that a command runs.
const MARK: &[u8] = b"\x1b]133;C";

pub(super) struct Overview {
    pub(super) programs: Vec<Program>,
    /// How reading the log ended.
    pub(super) read: Read,
}

/// A program that can be played.
pub(super) struct Program {
    pub(super) channel: u64,
    /// Which of those on this channel it is, from 1.
    pub(super) nth: u64,
    pub(super) what: Name,
    /// Nanoseconds to its end.
    pub(super) length: u64,
    /// When commands were given.
    pub(super) commands: Vec<u64>,
    typed: Vec<u64>,
}

/// What a program is called.
#[derive(Debug)]
pub(super) struct Name(Option<Text>, bool);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(Some(command), _) => f.write_str(&command.to_str_lossy()),
            Self(None, true) => f.write_str("shell"),
            Self(None, false) => f.write_str("(begun in the log before)"),
        }
    }
}

impl Overview {
    pub(super) fn of(recording: &Recording) -> anyhow::Result<Self> {
        let mut runs = Runs::default();
        let mut found = Found::default();
        let read = recording.read(|message| {
            runs.push(message, |step| {
                found.step(&step);
                Ok(())
            })
        })?;
        runs.finish(|step| {
            found.step(&step);
            Ok::<_, anyhow::Error>(())
        })?;
        Ok(Self {
            programs: found.programs,
            read,
        })
    }

    /// Whether there is nothing to play, on this channel if one is named.
    pub(super) fn has_none(&self, channel: Option<u64>) -> bool {
        match channel {
            Some(channel) => self.on(channel).is_none(),
            None => self.programs.is_empty(),
        }
    }

    /// The first program on a channel.
    pub(super) fn on(&self, channel: u64) -> Option<&Program> {
        let mut programs = self.programs.iter();
        programs.find(|program| program.channel == channel)
    }
}

#[derive(Default)]
struct Found {
    programs: Vec<Program>,
    /// Those that run, by channel, and how many ran there.
    open: BTreeMap<u64, usize>,
    counts: BTreeMap<u64, u64>,
    /// How many commands were found.
    marks: usize,
}

impl Found {
    fn step(&mut self, step: &Step<'_>) {
        if let Did::Begin(start) = step.what {
            if self.programs.len() < MOST_PROGRAMS && self.counts.len() < MOST_CHANNELS {
                self.begin(step.channel, start);
            }
            return;
        }
        let Some(program) = self.open.get(&step.channel) else {
            return;
        };
        let Some(program) = self.programs.get_mut(*program) else {
            return;
        };
        program.length = step.at;
        match step.what {
            Did::Input(data) if data.contains(&b'\r') || data.contains(&b'\n') => {
                mark(&mut program.typed, step.at, &mut self.marks);
            }
            Did::Output(data) if contains(data, MARK) => {
                mark(&mut program.commands, step.at, &mut self.marks);
            }
            Did::End => {
                if program.commands.is_empty() {
                    program.commands = std::mem::take(&mut program.typed);
                }
                self.open.remove(&step.channel);
            }
            _ => {}
        }
    }

    fn begin(&mut self, channel: u64, start: &Start) {
        let nth = self.counts.entry(channel).or_default();
        *nth += 1;
        if start.is_sftp() {
            return;
        }
        self.open.insert(channel, self.programs.len());
        self.programs.push(Program {
            channel,
            nth: *nth,
            what: Name(start.command().cloned(), start.what == Some(What::Shell)),
            length: 0,
            commands: Vec::new(),
            typed: Vec::new(),
        });
    }
}

fn mark(times: &mut Vec<u64>, at: u64, all: &mut usize) {
    if *all < MOST_COMMANDS && times.last() != Some(&at) {
        *all += 1;
        times.push(at);
    }
}

fn contains(data: &[u8], part: &[u8]) -> bool {
    data.windows(part.len()).any(|window| window == part)
}
