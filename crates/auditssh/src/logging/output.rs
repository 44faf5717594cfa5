//! Where lines go.

use std::fmt::Write as _;
use std::io::{self, Write};
use tracing_subscriber::fmt::MakeWriter;

/// What may stand in a line besides text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    /// The escapes of our own colours; of values, the formatter shows escapes itself.
    Colour,
    Json,
}

/// Where lines go: one event is one line, whatever the event holds.
#[derive(Clone, Copy)]
pub(super) struct Output {
    pub(super) style: Style,
    /// To standard output instead of standard error.
    pub(super) stdout: bool,
}

impl MakeWriter<'_> for Output {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

impl Write for Output {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = one_line(event, self.style);
        if self.stdout {
            let mut out = io::stdout().lock();
            out.write_all(&line)?;
            out.flush()?;
        } else {
            io::stderr().write_all(&line)?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Shows control characters instead of obeying them, but for the line's end.
fn one_line(event: &[u8], style: Style) -> Vec<u8> {
    let text = String::from_utf8_lossy(event);
    let body = text.strip_suffix('\n');
    let mut line = String::with_capacity(text.len() + 1);
    for letter in body.unwrap_or(&text).chars() {
        match style {
            _ if !letter.is_control() => line.push(letter),
            Style::Colour if letter == '\u{1b}' => line.push(letter),
            Style::Json => {
                let _ = write!(line, "\\u{:04x}", u32::from(letter));
            }
            _ => line.extend(letter.escape_default()),
        }
    }
    if body.is_some() {
        line.push('\n');
    }
    line.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_without_commands_for_the_terminal() {
        let plain = |text: &str| one_line(text.as_bytes(), Style::Plain);
        assert_eq!(plain("a b\n"), b"a b\n");
        assert_eq!(plain("a\nb\x1b[2J\x07\n"), b"a\\nb\\u{1b}[2J\\u{7}\n");
        assert_eq!(plain("ä\u{9b}1m"), "ä\\u{9b}1m".as_bytes());
        let coloured = one_line(b"\x1b[2ma\rb\n", Style::Colour);
        assert_eq!(coloured, b"\x1b[2ma\\rb\n");
    }

    #[test]
    fn json_stays_json() {
        let text = "{\"a\":\"\u{7f}\u{9b}x\"}\n";
        let line = one_line(text.as_bytes(), Style::Json);
        assert_eq!(line, b"{\"a\":\"\\u007f\\u009bx\"}\n");
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["a"], "\u{7f}\u{9b}x");
    }
}
