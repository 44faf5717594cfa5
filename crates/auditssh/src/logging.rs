//! The server's own log: lines of text or JSON on standard error.

use crate::config::raw::{Log, LogFormat};
use std::io::{self, IsTerminal, Write};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Overrides `log.level`.
const VARIABLE: &str = "AUDITSSH_LOG";

/// Begins to log. What others' code has to say is heard from the level warning on only: the SSH
/// library's finer levels show what clients send, passwords included.
pub(crate) fn start(log: Log) -> anyhow::Result<()> {
    let directives = std::env::var(VARIABLE).unwrap_or_else(|_| log.level.name().to_owned());
    let wanted = EnvFilter::try_new(&directives)
        .map_err(|error| anyhow::anyhow!("{VARIABLE} is set to `{directives}`: {error}"))?;
    let ours = tracing_subscriber::filter::filter_fn(|metadata| {
        metadata.target().starts_with("auditssh") || *metadata.level() <= tracing::Level::WARN
    });
    let colour = log.format == LogFormat::Text
        && io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(Stderr { colour })
        .with_ansi(colour);
    let lines = match log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(ours))
        .with(wanted)
        .try_init()?;
    Ok(())
}

/// Standard error, where one event is one line whatever the event holds.
#[derive(Clone, Copy)]
struct Stderr {
    colour: bool,
}

impl MakeWriter<'_> for Stderr {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

impl Write for Stderr {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(&one_line(event, self.colour))?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Shows control characters instead of obeying them, but for the line's end and for the escape of
/// our own colours (of values, the formatter shows it itself).
fn one_line(event: &[u8], colour: bool) -> Vec<u8> {
    let text = String::from_utf8_lossy(event);
    let body = text.strip_suffix('\n');
    let mut line = String::with_capacity(text.len() + 1);
    for letter in body.unwrap_or(&text).chars() {
        if letter.is_control() && !(colour && letter == '\u{1b}') {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
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
        assert_eq!(one_line(b"a b\n", false), b"a b\n");
        assert_eq!(
            one_line(b"a\nb\x1b[2J\x07\n", false),
            b"a\\nb\\u{1b}[2J\\u{7}\n"
        );
        assert_eq!(
            one_line("ä\u{9b}1m".as_bytes(), false),
            "ä\\u{9b}1m".as_bytes()
        );
        assert_eq!(one_line(b"\x1b[2ma\rb\n", true), b"\x1b[2ma\\rb\n");
    }
}
