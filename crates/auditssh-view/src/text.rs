//! A log as text for people: one line an event, output line by line as it appeared.

mod describe;
mod lines;
mod page;
#[cfg(test)]
mod tests;

use auditssh_log::message::{Event, Message, Stream};
pub use describe::describe;
use lines::Lines;
use page::Page;
pub(crate) use page::moment as time;
use std::io::{self, Write};

/// Writes a log as text: `time  channel  what`.
///
/// Bytes of a stream are gathered to lines, shown with the time of their first byte. Nothing in a
/// log can control the terminal, unless that is asked for ([`Text::raw`]).
#[derive(Debug)]
pub struct Text<W> {
    page: Page<W>,
    lines: Lines,
    raw: bool,
    /// In raw text: whether the last byte was a line end.
    at_start: bool,
}

impl<W: Write> Text<W> {
    /// Text that is safe to show.
    pub fn new(out: W) -> Self {
        Self {
            page: Page::new(out),
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

    /// Sets how many bytes of text may be written in all, at first without a limit: a few bytes of
    /// a log can expand to millions of lines. What goes beyond is counted, and said as soon as the
    /// limit allows for more, or at the end. Raw output is never more than was recorded, and is not
    /// limited.
    pub fn set_limit(&mut self, bytes: u64) {
        self.page.limit = bytes;
    }

    /// Shows a message.
    pub fn push(&mut self, message: &Message) -> io::Result<()> {
        match &message.event {
            Event::Io(io) if self.raw && io.stream == Stream::Stdin => Ok(()),
            Event::Io(io) if self.raw => {
                self.at_start = io.data.last().map_or(self.at_start, |last| *last == b'\n');
                self.page.out.write_all(&io.data)
            }
            Event::Io(io) if self.page.is_full() => {
                self.page.omit(io.data.len());
                Ok(())
            }
            Event::Io(io) => {
                let key = (message.channel_id, io.stream);
                let page = &mut self.page;
                self.lines.push(key, message.timestamp, &io.data, page)
            }
            _ => {
                self.lines.end(message.channel_id, &mut self.page)?;
                if !std::mem::replace(&mut self.at_start, true) {
                    self.page.out.write_all(b"\r\n")?;
                }
                let what = || describe(message);
                self.page.event(message.timestamp, message.channel_id, what)
            }
        }
    }

    /// Shows what is left of lines that did not end, and gives the output back.
    pub fn finish(mut self) -> io::Result<W> {
        self.lines.end(None, &mut self.page)?;
        self.page.tell_omitted()?;
        Ok(self.page.out)
    }

    /// What is written to, for flushing it.
    pub fn output(&mut self) -> &mut W {
        &mut self.page.out
    }
}
