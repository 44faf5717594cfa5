//! The page as text.

use super::channel::{Channel, Program};
use super::{Connection, Lines};
use crate::Visible;
use crate::summary::{Exit, What};
use crate::text::time;
use auditssh_log::message::Text;
use std::io::{self, Write};

impl Connection {
    /// Writes the page. Nothing of it can control a terminal.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let id = Visible(self.summary.connection_id.as_bytes());
        writeln!(out, "Connection {id}")?;
        self.who(out)?;
        self.algorithms(out)?;
        let summary = &self.summary;
        row(
            out,
            "recorded",
            &format!(
                "{} messages; {} bytes from the client, {} to it",
                summary.messages, summary.bytes_in, summary.bytes_out
            ),
        )?;
        for (id, channel) in &self.channels {
            writeln!(out, "\nChannel #{id}")?;
            channel.write(out)?;
        }
        let more = self
            .channel_count
            .saturating_sub(self.channels.len() as u64);
        if more > 0 {
            writeln!(out, "\n… and {more} more channels")?;
        }
        self.logins.write("Logins", out)?;
        self.forwards.write("Forwarding", out)?;
        let (up, down) = (self.transfers.up, self.transfers.down);
        let title = format!(
            "Files ({} up, {} bytes; {} down, {} bytes)",
            up.0, up.1, down.0, down.1
        );
        self.files.write(&title, out)?;
        self.odd.write("Odd", out)?;
        if self.masked > 0 {
            let bytes = self.masked;
            if self.odd.kept.is_empty() {
                writeln!(out, "\nOdd")?;
            }
            writeln!(
                out,
                "  {bytes} bytes were typed without echo, and are not in the log"
            )?;
        }
        Ok(())
    }

    fn who(&self, out: &mut dyn Write) -> io::Result<()> {
        let summary = &self.summary;
        if let Some(address) = &summary.address {
            let country = self.country.as_ref().filter(|country| **country != "XX");
            let country =
                country.map_or_else(String::new, |country| format!(" ({})", shown(country)));
            row(out, "from", &format!("{}{country}", shown(address)))?;
        }
        if let Some(start) = summary.start {
            row(out, "began", &time(start))?;
        }
        let ended = match (summary.end, summary.disconnected) {
            (Some(end), true) => {
                let duration = summary.duration().unwrap_or(0);
                format!("{}, after {}", time(end), lasted(duration))
            }
            _ => "not in the log".to_owned(),
        };
        row(out, "ended", &ended)?;
        if let Some(user) = &summary.user {
            let proven = if summary.authenticated {
                ""
            } else {
                " (not proven)"
            };
            row(out, "user", &format!("{}{proven}", shown(user)))?;
        }
        if let Some(failure) = &summary.failure {
            row(out, "login", &format!("failed: {}", shown(failure)))?;
        }
        let Some(handshake) = &self.handshake else {
            return Ok(());
        };
        if let Some(method) = &handshake.auth_method {
            let key = handshake.key_fingerprint.as_ref();
            let key = key.map_or_else(String::new, |key| format!(", key {}", shown(key)));
            row(out, "login", &format!("by {}{key}", shown(method)))?;
        }
        if let Some(certificate) = &handshake.certificate {
            let text = format!(
                "{} (serial {}) of {}",
                shown(&certificate.key_id),
                certificate.serial,
                shown(&certificate.authority)
            );
            row(out, "certificate", &text)?;
        }
        Ok(())
    }

    fn algorithms(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(client) = &self.summary.client_version {
            row(out, "client", &shown(client))?;
        }
        if let Some(server) = &self.server_version {
            row(out, "server", &shown(server))?;
        }
        let Some(handshake) = &self.handshake else {
            return Ok(());
        };
        let both = |one: &Option<Text>, other: &Option<Text>| match (one, other) {
            (Some(one), Some(other)) if one == other => Some(shown(one)),
            (None, None) => None,
            (one, other) => {
                let name = |text: &Option<Text>| text.as_ref().map_or_else(|| "none".into(), shown);
                Some(format!("{} in, {} out", name(one), name(other)))
            }
        };
        let named = [
            ("key exchange", handshake.kex.as_ref().map(shown)),
            ("host key", handshake.host_key.as_ref().map(shown)),
            (
                "cipher",
                both(
                    &handshake.cipher_client_to_server,
                    &handshake.cipher_server_to_client,
                ),
            ),
            (
                "mac",
                both(
                    &handshake.mac_client_to_server,
                    &handshake.mac_server_to_client,
                ),
            ),
            (
                "compression",
                both(
                    &handshake.compression_client_to_server,
                    &handshake.compression_server_to_client,
                ),
            ),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                row(out, name, &value)?;
            }
        }
        Ok(())
    }
}

impl Channel {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(kind) = &self.kind {
            let refused = if self.refused { ", refused" } else { "" };
            row(out, "kind", &format!("{}{refused}", shown(kind)))?;
        }
        if let Some(purpose) = &self.purpose {
            row(out, "purpose", purpose)?;
        }
        for program in &self.programs {
            program.write(out)?;
        }
        if self.programs.is_empty() {
            row(out, "began", &time(self.begun))?;
        }
        if self.resizes > 0 {
            row(out, "resized", &format!("{} times", self.resizes))?;
        }
        let Self {
            bytes_in,
            bytes_out,
            bytes_err,
            ..
        } = self;
        let bytes = format!("{bytes_in} in, {bytes_out} out, {bytes_err} err");
        row(out, "bytes", &bytes)?;
        let closed = self.ended.map_or_else(|| "not in the log".into(), time);
        row(out, "closed", &closed)
    }
}

impl Program {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let start = &self.start;
        row(out, "ran", &asked(start.what.as_ref()))?;
        if let Some(forced) = &start.forced {
            let text = format!("{}, by the {}", shown(&forced.command), shown(&forced.by));
            row(out, "instead", &text)?;
        }
        if let Some(terminal) = &start.terminal {
            let size = terminal.size;
            let text = format!("{} {}x{}", shown(&terminal.term), size.columns, size.rows);
            row(out, "terminal", &text)?;
        }
        row(out, "began", &time(start.time))?;
        let ended = match &self.exit {
            Some(Exit::Status(status)) => format!("with status {status}"),
            Some(Exit::Signal(signal)) => format!("by signal {}", shown(signal)),
            None => "without a status in the log".to_owned(),
        };
        row(
            out,
            "ended",
            &format!("{ended}, after {}", lasted(self.lasted)),
        )
    }
}

impl Lines {
    fn write(&self, title: &str, out: &mut dyn Write) -> io::Result<()> {
        if self.kept.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n{title}")?;
        for line in &self.kept {
            let channel = line
                .channel
                .map_or_else(|| "-".to_owned(), |id| format!("#{id}"));
            writeln!(out, "  {}  {channel:<3}  {}", time(line.time), line.what)?;
        }
        if self.more > 0 {
            writeln!(out, "  … and {} more", self.more)?;
        }
        Ok(())
    }
}

pub(super) fn asked(what: Option<&What>) -> String {
    match what {
        Some(What::Shell) => "shell".to_owned(),
        Some(What::Exec(command)) => shown(command),
        Some(What::Subsystem(name)) => format!("subsystem {}", shown(name)),
        None => "what the log before this one says".to_owned(),
    }
}

fn row(out: &mut dyn Write, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "  {name:<13}{value}")
}

fn shown(text: &Text) -> String {
    Visible(text.as_bytes()).to_string()
}

/// A duration, as precise as is of use.
fn lasted(nanoseconds: u64) -> String {
    let seconds = nanoseconds / 1_000_000_000;
    match seconds {
        0..60 => format!("{seconds}.{:03} s", nanoseconds / 1_000_000 % 1000),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}
