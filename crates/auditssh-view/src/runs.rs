//! The programs of a connection, one after the other on each channel: what was started on which
//! terminal, every byte that passed, how it ended.
//!
//! A log says first what is asked for, and then perhaps that it was refused. Here a program begins
//! when it shows that it runs.

mod start;
#[cfg(test)]
mod tests;
mod words;

use crate::summary::{Exit, What};
use auditssh_log::extension::{ClockStep, Continued, Forced};
use auditssh_log::message::{Event, Message, Stream, Text};
pub use start::{Protocol, Size, Start, Terminal};
use std::collections::BTreeMap;
pub(crate) use words::words;

/// Most channels that are followed at once. A server of ours lets a connection have fewer.
pub const MOST_CHANNELS: usize = 1024;

/// Variables of the environment that are kept: what a terminal needs to know. Others may be secret.
const ENVIRONMENT: [&str; 5] = ["COLORTERM", "LANG", "LANGUAGE", "SHELL", "TERM"];
const LOCALE: &[u8] = b"LC_";
/// Most variables, and the longest value in bytes.
const MOST_VARIABLES: usize = 32;
const LONGEST_VALUE: usize = 256;
/// How much of a command line is kept, in bytes.
const LONGEST_COMMAND: usize = 8 << 10;
/// Bytes that passed at once are told in pieces of this size.
const PIECE: usize = 64 << 10;

/// Follows the programs of a connection.
#[derive(Debug, Default)]
pub struct Runs {
    channels: BTreeMap<u64, Channel>,
    clock: Clock,
    begun: bool,
    /// Whether the session began in another log, and so did channels.
    continued: bool,
    left_out: u64,
}

/// What a program did.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The channel it runs on.
    pub channel: u64,
    /// Nanoseconds since it began; never less than in the step before, and without the jumps of the
    /// clock that the log tells of.
    pub at: u64,
    /// What it is.
    pub what: Did<'a>,
}

/// What happened to a program.
#[derive(Clone, Copy, Debug)]
pub enum Did<'a> {
    /// It began.
    Begin(&'a Start),
    /// Bytes came from the client.
    Input(&'a [u8]),
    /// It wrote to its standard output.
    Output(&'a [u8]),
    /// It wrote to its standard error.
    Errors(&'a [u8]),
    /// Its terminal has another size.
    Resize(Size),
    /// It ended.
    Exit(&'a Exit),
    /// Nothing follows.
    End,
}

/// What is known of a channel.
#[derive(Debug, Default)]
struct Channel {
    /// The terminal and the request that asked for it.
    terminal: Option<(u64, Terminal)>,
    environment: Vec<(Text, Text)>,
    state: State,
    /// Corrected time of its last step.
    time: i64,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    /// A program was asked for by this request.
    Asked(u64, Box<Start>),
    /// It runs since this corrected time.
    Runs(i64),
}

impl Runs {
    /// Takes a message, and says what of it concerns programs.
    pub fn push<E>(
        &mut self,
        message: &Message,
        each: impl FnMut(Step<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if !std::mem::replace(&mut self.begun, true) {
            self.continued = Continued::read(message).is_some();
        }
        if let Some(step) = ClockStep::read(message) {
            self.clock.jumped(step.nanoseconds);
        }
        let time = self.clock.time(message.timestamp);
        self.step(message, time, each)
    }

    /// The same while the session runs, at a time (in nanoseconds) of a clock that never jumps. All
    /// messages are to be pushed so, or none.
    pub fn push_at<E>(
        &mut self,
        message: &Message,
        time: i64,
        each: impl FnMut(Step<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.begun = true;
        self.clock.last = time;
        self.step(message, time, each)
    }

    fn step<E>(
        &mut self,
        message: &Message,
        time: i64,
        mut each: impl FnMut(Step<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if message.event == Event::Disconnect {
            return self.end(time, each);
        }
        let Some(id) = message.channel_id else {
            return Ok(());
        };
        if !self.knows(id, &message.event) {
            return Ok(());
        }
        let Some(channel) = self.channels.get_mut(&id) else {
            return Ok(());
        };
        channel.ask(message, time);
        if channel.begin(id, time, &message.event, &mut each)? {
            channel.tell(id, time, &message.event, &mut each)?;
        }
        if message.event == Event::Close {
            self.channels.remove(&id);
        }
        Ok(())
    }

    /// Ends what still runs: the log has no more.
    pub fn finish<E>(mut self, each: impl FnMut(Step<'_>) -> Result<(), E>) -> Result<(), E> {
        let time = self.clock.last;
        self.end(time, each)
    }

    /// How many channels were left out since too many were open at once.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    fn end<E>(
        &mut self,
        time: i64,
        mut each: impl FnMut(Step<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for (id, mut channel) in std::mem::take(&mut self.channels) {
            if channel.begin(id, time, &Event::Close, &mut each)? {
                each(channel.step(id, time, Did::End))?;
            }
        }
        Ok(())
    }

    /// Whether a channel is followed; those are that ask for something a program needs, or go on
    /// from the log before.
    fn knows(&mut self, id: u64, event: &Event) -> bool {
        if self.channels.contains_key(&id) {
            return true;
        }
        let asks = matches!(
            event,
            Event::Pty(_)
                | Event::SetEnv(_)
                | Event::Exec(_)
                | Event::Shell(_)
                | Event::Subsystem(_)
        );
        let goes_on = self.continued && matches!(event, Event::Io(_) | Event::ExitStatus(_));
        if !asks && !goes_on {
            return false;
        }
        if self.channels.len() >= MOST_CHANNELS {
            self.left_out += 1;
            return false;
        }
        self.channels.insert(id, Channel::default());
        true
    }
}

impl Channel {
    fn step<'a>(&mut self, id: u64, time: i64, what: Did<'a>) -> Step<'a> {
        self.time = self.time.max(time);
        let begun = match self.state {
            State::Runs(begun) => begun,
            _ => self.time,
        };
        Step {
            channel: id,
            at: u64::try_from(self.time.saturating_sub(begun)).unwrap_or(0),
            what,
        }
    }

    /// Learns what a program will have, and what is to be started.
    fn ask(&mut self, message: &Message, time: i64) {
        if matches!(self.state, State::Runs(_)) {
            return;
        }
        match &message.event {
            Event::Pty(pty) => {
                let terminal = Terminal {
                    term: short(&pty.term),
                    size: Size::of(pty.columns, pty.rows),
                };
                self.terminal = Some((pty.request_id, terminal));
            }
            Event::Window(window) if matches!(self.state, State::Idle) => {
                if let Some((_, terminal)) = &mut self.terminal {
                    terminal.size = Size::of(window.columns, window.rows);
                }
            }
            Event::SetEnv(env) if is_shown(&env.name) => {
                self.environment.retain(|(name, _)| *name != env.name);
                if self.environment.len() < MOST_VARIABLES
                    && env.value.as_bytes().len() <= LONGEST_VALUE
                {
                    self.environment.push((env.name.clone(), env.value.clone()));
                }
            }
            Event::Exec(exec) => {
                let what = What::Exec(short(&exec.program));
                self.asked(exec.request_id, what, message, time);
            }
            Event::Shell(shell) => self.asked(shell.request_id, What::Shell, message, time),
            Event::Subsystem(subsystem) => {
                let what = What::Subsystem(short(&subsystem.subsystem));
                self.asked(subsystem.request_id, what, message, time);
            }
            Event::RequestFailed(failed) => self.refused(failed.request_id),
            _ => {}
        }
    }

    fn asked(&mut self, request: u64, what: What, message: &Message, time: i64) {
        if !matches!(self.state, State::Idle) {
            return;
        }
        self.time = time;
        let start = Start {
            time: message.timestamp,
            what: Some(what),
            forced: Forced::from_extra(&message.extra).map(|forced| Forced {
                command: short(&forced.command),
                by: short(&forced.by),
            }),
            terminal: self.terminal.as_ref().map(|(_, terminal)| terminal.clone()),
            environment: self.environment.clone(),
        };
        self.state = State::Asked(request, Box::new(start));
    }

    fn refused(&mut self, request: u64) {
        if matches!(self.state, State::Asked(asked, _) if asked == request) {
            self.state = State::Idle;
        }
        if self
            .terminal
            .as_ref()
            .is_some_and(|(asked, _)| *asked == request)
        {
            self.terminal = None;
        }
    }

    /// Whether the program runs, which begins it if an event shows so.
    fn begin<E>(
        &mut self,
        id: u64,
        time: i64,
        event: &Event,
        each: &mut impl FnMut(Step<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        let shows = matches!(
            event,
            Event::Io(_)
                | Event::Window(_)
                | Event::ExitStatus(_)
                | Event::ExitSignal(_)
                | Event::CloseWrite
                | Event::Close
        );
        let start = match std::mem::take(&mut self.state) {
            State::Runs(begun) => {
                self.state = State::Runs(begun);
                return Ok(true);
            }
            State::Asked(_, start) if shows => *start,
            State::Idle if self.goes_on() && matches!(event, Event::Io(_)) => {
                self.time = time;
                Start::unknown(time)
            }
            other => {
                self.state = other;
                return Ok(false);
            }
        };
        self.state = State::Runs(self.time);
        each(self.step(id, self.time, Did::Begin(&start)))?;
        Ok(true)
    }

    /// Says what an event means to the program that runs.
    fn tell<E>(
        &mut self,
        id: u64,
        time: i64,
        event: &Event,
        each: &mut impl FnMut(Step<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let exit;
        let what = match event {
            Event::Io(io) => {
                for piece in io.data.chunks(PIECE) {
                    let what = match io.stream {
                        Stream::Stdin => Did::Input(piece),
                        Stream::Stderr => Did::Errors(piece),
                        Stream::Stdout | Stream::Other(_) => Did::Output(piece),
                    };
                    each(self.step(id, time, what))?;
                }
                return Ok(());
            }
            Event::Window(window) => Did::Resize(Size::of(window.columns, window.rows)),
            Event::ExitStatus(status) => {
                exit = Exit::Status(status.exit_status);
                Did::Exit(&exit)
            }
            Event::ExitSignal(signal) => {
                exit = Exit::Signal(short(&signal.signal));
                Did::Exit(&exit)
            }
            Event::Close => Did::End,
            _ => return Ok(()),
        };
        each(self.step(id, time, what))
    }

    /// Nothing was ever asked for on it: its program began in the log before.
    fn goes_on(&self) -> bool {
        self.time == 0 && self.terminal.is_none() && self.environment.is_empty()
    }
}

fn short(text: &Text) -> Text {
    let bytes = text.as_bytes();
    Text::from(bytes.get(..LONGEST_COMMAND).unwrap_or(bytes))
}

/// Whether a variable is kept.
fn is_shown(name: &Text) -> bool {
    name.as_bytes().starts_with(LOCALE) && name.as_bytes().len() <= 32
        || ENVIRONMENT.iter().any(|shown| *name == **shown)
}

/// Time without the jumps that the log tells of.
#[derive(Debug, Default)]
struct Clock {
    /// By how much the log's times are ahead of the wall clock after jumps back, as its writer has it.
    ahead: i64,
    /// What was jumped over.
    skipped: i64,
    last: i64,
}

impl Clock {
    fn jumped(&mut self, by: i64) {
        let ahead = self.ahead.saturating_sub(by).max(0);
        let seen = by.saturating_add(ahead.saturating_sub(self.ahead));
        self.skipped = self.skipped.saturating_add(seen);
        self.ahead = ahead;
    }

    fn time(&mut self, recorded: i64) -> i64 {
        self.last = recorded.saturating_sub(self.skipped);
        self.last
    }
}
