//! A log as text for people: one line an event, output line by line as it appeared.

mod describe;
mod lines;
#[cfg(test)]
mod tests;

use auditssh_log::message::{Event, Message, Stream};
use lines::{Line, Lines};
use std::io::{self, Write};

/// Writes a log as text: `time  channel  what`.
///
/// Bytes of a stream are gathered to lines, shown with the time of their first byte. Nothing in a
/// log can control the terminal, unless that is asked for ([`Text::raw`]).
#[derive(Debug)]
pub struct Text<W> {
    out: W,
    lines: Lines,
    raw: bool,
    /// In raw text: whether the last byte was a line end.
    at_start: bool,
}

impl<W: Write> Text<W> {
    /// Text that is safe to show.
    pub fn new(out: W) -> Self {
        Self {
            out,
            lines: Lines::default(),
            raw: false,
            at_start: true,
        }
    }

    /// Text with the output as the program wrote it, control sequences included; input is left
    /// out. Whoever was recorded can then do to the terminal whatever a terminal can be made do.
    pub fn raw(out: W) -> Self {
        Self {
            raw: true,
            ..Self::new(out)
        }
    }

    /// Shows a message.
    pub fn push(&mut self, message: &Message) -> io::Result<()> {
        match &message.event {
            Event::Io(io) if self.raw && io.stream == Stream::Stdin => Ok(()),
            Event::Io(io) if self.raw => {
                self.at_start = io.data.last().map_or(self.at_start, |last| *last == b'\n');
                self.out.write_all(&io.data)
            }
            Event::Io(io) => {
                let key = (message.channel_id, io.stream);
                self.lines.push(key, message.timestamp, &io.data);
                self.show_lines()
            }
            _ => {
                self.lines.end(message.channel_id);
                self.show_lines()?;
                if !std::mem::replace(&mut self.at_start, true) {
                    self.out.write_all(b"\r\n")?;
                }
                let what = describe::describe(message);
                line(&mut self.out, message.timestamp, message.channel_id, &what)
            }
        }
    }

    /// Shows what is left of lines that did not end, and gives the output back.
    pub fn finish(mut self) -> io::Result<W> {
        self.lines.end(None);
        self.show_lines()?;
        Ok(self.out)
    }

    /// What is written to, for flushing it.
    pub fn output(&mut self) -> &mut W {
        &mut self.out
    }

    fn show_lines(&mut self) -> io::Result<()> {
        while let Some(ended) = self.lines.pop() {
            let Line { key, time, bytes } = ended;
            let name = match key.1 {
                Stream::Stdin => "in ".to_owned(),
                Stream::Stdout => "out".to_owned(),
                Stream::Stderr => "err".to_owned(),
                Stream::Other(number) => format!("stream {number}"),
            };
            let what = format!("{name} | {}", crate::Visible(&bytes));
            line(&mut self.out, time, key.0, &what)?;
        }
        Ok(())
    }
}

fn line(out: &mut impl Write, time: i64, channel: Option<u64>, what: &str) -> io::Result<()> {
    let channel = channel.map_or_else(|| "-".to_owned(), |id| format!("#{id}"));
    writeln!(out, "{}  {channel:<3} {what}", moment(time))
}

/// A time in UTC to the millisecond.
fn moment(nanoseconds: i64) -> String {
    match jiff::Timestamp::from_nanosecond(nanoseconds.into()) {
        Ok(time) => format!("{time:.3}").replace('T', " "),
        Err(_) => nanoseconds.to_string(),
    }
}
