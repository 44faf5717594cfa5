//! The server's own log: lines of text or JSON on standard error.

use crate::config::raw::{Log, LogFormat};
use std::fmt::Write as _;
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
        let target = metadata.target();
        // What a server behind the gateway does without end would fill the disk.
        let noise = target.starts_with(auditssh_gateway::NOISE);
        target.starts_with("auditssh") || !noise && *metadata.level() <= tracing::Level::WARN
    });
    let colour = log.format == LogFormat::Text
        && io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let style = match log.format {
        LogFormat::Json => Style::Json,
        LogFormat::Text if colour => Style::Colour,
        LogFormat::Text => Style::Plain,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(Stderr(style))
        .with_ansi(colour);
    let lines = match log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(ours))
        .with(wanted)
        .try_init()?;
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("a part of the server failed: {panic}");
    }));
    Ok(())
}

/// What may stand in a line besides text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    /// The escapes of our own colours; of values, the formatter shows escapes itself.
    Colour,
    Json,
}

/// Standard error, where one event is one line whatever the event holds.
#[derive(Clone, Copy)]
struct Stderr(Style);

impl MakeWriter<'_> for Stderr {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

impl Write for Stderr {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(&one_line(event, self.0))?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
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
