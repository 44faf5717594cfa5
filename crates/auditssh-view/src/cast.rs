//! A program as an asciicast: what asciinema and its player show.
//!
//! Version 2 and 3 of the format (docs.asciinema.org/manual/asciicast). A cast is a view: bytes that
//! are not UTF-8 become U+FFFD, standard error stands among the output.

mod casts;
mod facts;
mod missing;
mod origin;
#[cfg(test)]
mod tests;

use crate::commands::Watch;
use crate::json::string;
use crate::runs::{Did, Start, Step};
use crate::summary::Exit;
use crate::utf8::{Lines, Utf8};
use crate::view::View;
use auditssh_log::message::Text;
pub use casts::{Casts, Piece};
pub use facts::Facts;
pub use missing::missing;
pub use origin::Origin;
use std::io::{self, Write};

/// How a cast is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// The version of the format.
    pub version: Version,
    /// Whether what was typed is written, as far as the log has it.
    pub input: bool,
}

/// Version of the format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// asciicast v2: times count from the beginning.
    #[default]
    Two,
    /// asciicast v3: times count from the event before, and the exit status is kept.
    Three,
}

/// The cast of a program.
#[derive(Debug)]
pub struct Cast {
    style: Style,
    /// Mends line ends, if the program has no terminal.
    lines: Option<Lines>,
    input: Utf8,
    output: Utf8,
    errors: Utf8,
    exit: Option<Exit>,
    commands: Watch,
    /// Microseconds since the beginning up to the last event.
    last: u64,
}

impl Cast {
    /// Begins a cast: writes its header.
    pub fn new(start: &Start, style: Style, out: &mut dyn Write) -> io::Result<Self> {
        Self::of(None, start, style, out)
    }

    /// The same, with a header that tells whose session it is (the key `auditssh`).
    pub fn of(
        origin: Option<(&Origin, u64)>,
        start: &Start,
        style: Style,
        out: &mut dyn Write,
    ) -> io::Result<Self> {
        header(origin, start, style.version, out)?;
        Ok(Self {
            style,
            lines: start.has_bare_lines().then(Lines::default),
            input: Utf8::default(),
            output: Utf8::default(),
            errors: Utf8::default(),
            exit: None,
            commands: Watch::new(start),
            last: 0,
        })
    }

    /// Writes a marker for each command that was given.
    fn marks(&mut self, step: &Step<'_>, out: &mut dyn Write) -> io::Result<()> {
        let mut given = Vec::new();
        self.commands.push(step, &mut |command| given.push(command));
        let mut given = given.iter();
        given.try_for_each(|command| self.write(command.at / 1000, 'm', &command.text, out))
    }

    /// Begins the cast once more, in another file, with a mark: what was begun of a character stays
    /// so, and times go on counting from the start of the program.
    fn again(
        &mut self,
        origin: Option<(&Origin, u64)>,
        start: &Start,
        label: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        header(origin, start, self.style.version, out)?;
        let at = std::mem::take(&mut self.last);
        self.event(at, 'm', label, out)
    }

    fn shown(&mut self, at: u64, text: &str, out: &mut dyn Write) -> io::Result<()> {
        match &mut self.lines {
            Some(lines) => {
                let text = lines.push(text);
                self.event(at, 'o', &text, out)
            }
            None => self.event(at, 'o', text, out),
        }
    }

    /// Writes what is left: characters that were begun, and at last how the program ended.
    fn end(&mut self, at: u64, out: &mut dyn Write) -> io::Result<()> {
        let (mut typed, mut text) = (String::new(), String::new());
        if self.style.input {
            self.input.finish(&mut typed);
        }
        self.event(at, 'i', &typed, out)?;
        self.output.finish(&mut text);
        self.errors.finish(&mut text);
        self.shown(at, &text, out)?;
        match self.exit.as_ref().and_then(status) {
            Some(status) if self.style.version == Version::Three => {
                self.event(at, 'x', &status.to_string(), out)
            }
            _ => Ok(()),
        }
    }

    fn event(&mut self, at: u64, code: char, text: &str, out: &mut dyn Write) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.write(at, code, text, out)
    }

    fn write(&mut self, at: u64, code: char, text: &str, out: &mut dyn Write) -> io::Result<()> {
        let at = at.max(self.last);
        let time = match self.style.version {
            Version::Two => at,
            Version::Three => at - self.last,
        };
        self.last = at;
        let (seconds, rest) = (time / 1_000_000, time % 1_000_000);
        write!(out, "[{seconds}.{rest:06},\"{code}\",")?;
        string(text, out)?;
        out.write_all(b"]\n")
    }
}

impl View for Cast {
    fn push(&mut self, step: &Step<'_>, out: &mut dyn Write) -> io::Result<()> {
        let at = step.at / 1000;
        let mut text = String::new();
        self.marks(step, out)?;
        match step.what {
            Did::Begin(_) => Ok(()),
            Did::Input(_) if !self.style.input => Ok(()),
            Did::Input(data) => {
                self.input.push(data, &mut text);
                self.event(at, 'i', &text, out)
            }
            Did::Output(data) => {
                self.output.push(data, &mut text);
                self.shown(at, &text, out)
            }
            Did::Errors(data) => {
                self.errors.push(data, &mut text);
                self.shown(at, &text, out)
            }
            Did::Resize(size) => {
                let size = format!("{}x{}", size.columns, size.rows);
                self.event(at, 'r', &size, out)
            }
            Did::Exit(exit) => {
                self.exit = Some(exit.clone());
                Ok(())
            }
            Did::End => self.end(at, out),
        }
    }
}

/// The status that a shell gives for an exit; `None` for a signal that has no number everywhere.
pub(crate) fn status(exit: &Exit) -> Option<u32> {
    let signal = match exit {
        Exit::Status(status) => return Some(*status),
        Exit::Signal(signal) => signal.as_str()?,
    };
    // The signals of RFC 4254, 6.10 that have the same number on all of Linux.
    let number = match signal {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ILL" => 4,
        "ABRT" => 6,
        "FPE" => 8,
        "KILL" => 9,
        "SEGV" => 11,
        "PIPE" => 13,
        "ALRM" => 14,
        "TERM" => 15,
        _ => return None,
    };
    Some(128 + number)
}

fn header(
    origin: Option<(&Origin, u64)>,
    start: &Start,
    version: Version,
    out: &mut dyn Write,
) -> io::Result<()> {
    let size = start.size();
    let term = start.terminal.as_ref().map(|terminal| &terminal.term);
    let (columns, rows) = (size.columns, size.rows);
    match version {
        Version::Two => write!(out, "{{\"version\":2,\"width\":{columns},\"height\":{rows}")?,
        Version::Three => {
            write!(
                out,
                "{{\"version\":3,\"term\":{{\"cols\":{columns},\"rows\":{rows}"
            )?;
            if let Some(term) = term {
                out.write_all(b",\"type\":")?;
                string(&term.to_str_lossy(), out)?;
            }
            out.write_all(b"}")?;
        }
    }
    // The year 1970 is no time for a recording, but it is one for a test.
    write!(out, ",\"timestamp\":{}", start.time.max(0) / 1_000_000_000)?;
    if let Some(command) = start.command() {
        out.write_all(b",\"command\":")?;
        string(&command.to_str_lossy(), out)?;
    }
    let environment = start.environment.iter().map(|(name, value)| (name, value));
    let name = Text::from("TERM");
    let environment = environment.filter(|(other, _)| term.is_none() || **other != name);
    let term = term.map(|term| (&name, term));
    let mut between = &b",\"env\":{"[..];
    for (name, value) in term.into_iter().chain(environment) {
        out.write_all(std::mem::replace(&mut between, b","))?;
        string(&name.to_str_lossy(), out)?;
        out.write_all(b":")?;
        string(&value.to_str_lossy(), out)?;
    }
    if between == b"," {
        out.write_all(b"}")?;
    }
    if let Some((origin, channel)) = origin {
        origin.write(channel, out)?;
    }
    out.write_all(b"}\n")
}
