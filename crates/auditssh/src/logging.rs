//! The server's own log: lines of text or JSON.

mod connection;
mod line;
mod output;

use crate::config::raw::{Destination, Log, LogFormat};
use connection::Connections;
use line::{Form, Line};
use output::{Output, Style};
use std::io::{self, IsTerminal};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Overrides `log.level`.
const VARIABLE: &str = "AUDITSSH_LOG";
/// By this a service manager tells that a stream is the journal (systemd.exec(5)).
const JOURNAL: &str = "JOURNAL_STREAM";

/// The client of the Kubernetes API says of each failure what we say ourselves.
const KUBE: &str = "kube_client";

/// Begins to log. What others' code has to say is heard from the level warning on only: the SSH
/// library's finer levels show what clients send, passwords included.
pub(crate) fn start(log: &Log) -> anyhow::Result<()> {
    let directives = std::env::var(VARIABLE).unwrap_or_else(|_| log.level.name().to_owned());
    let wanted = EnvFilter::try_new(&directives)
        .map_err(|error| anyhow::anyhow!("{VARIABLE} is set to `{directives}`: {error}"))?;
    let ours = tracing_subscriber::filter::filter_fn(|metadata| {
        let target = metadata.target();
        // What a server behind the gateway does without end would fill the disk.
        let noise = target.starts_with(auditssh_gateway::NOISE) || target.starts_with(KUBE);
        target.starts_with("auditssh") || !noise && *metadata.level() <= tracing::Level::WARN
    });
    let stdout = log.destination.value == Destination::Stdout;
    let (form, style) = form(log.format, stdout);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(Output { style, stdout })
        .with_ansi(style == Style::Colour)
        .event_format(Line {
            form,
            journal: is_journal(stdout),
        });
    tracing_subscriber::registry()
        .with(Connections)
        .with(lines.with_filter(ours))
        .with(wanted)
        .try_init()?;
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("a part of the server failed: {panic}");
    }));
    Ok(())
}

fn form(format: LogFormat, stdout: bool) -> (Form, Style) {
    let terminal = || {
        if stdout {
            io::stdout().is_terminal()
        } else {
            io::stderr().is_terminal()
        }
    };
    let colour = || std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    match format {
        LogFormat::Json | LogFormat::Ljson => (Form::Json, Style::Json),
        LogFormat::Text if terminal() && colour() => (Form::Text, Style::Colour),
        LogFormat::Text => (Form::Text, Style::Plain),
    }
}

/// Whether lines go to the journal, rather than to something that a wrapper has put between.
fn is_journal(stdout: bool) -> bool {
    let Ok(told) = std::env::var(JOURNAL) else {
        return false;
    };
    let status = if stdout {
        rustix::fs::fstat(io::stdout())
    } else {
        rustix::fs::fstat(io::stderr())
    };
    status.is_ok_and(|status| told == format!("{}:{}", status.st_dev, status.st_ino))
}
