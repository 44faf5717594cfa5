//! One log in the table, or the casts of a connection.

pub(super) mod casts;

use auditssh_archive::reader::LogReader;
use auditssh_archive::verify::{Checked, check_listed, verify_as};
use auditssh_log::codec::{Decoder, HEADER_LENGTH};
use auditssh_log::message::Text;
use auditssh_log::seal::{SEAL_LENGTH, Seal};
use auditssh_view::summary::{Exit, What};
use auditssh_view::{Summary, Visible};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How much content of a log is read, in bytes: of long ones the beginning and the end.
const FIRST: u64 = 8 << 20;
const LAST: u64 = 1 << 20;

/// How much is read of a log in which nothing can be passed over, since it has no members: so many
/// bytes of streams, where each message counts for some.
const MOST: u64 = 128 << 20;
const MESSAGE: u64 = 128;

/// What is shown of a log.
pub(super) struct Row {
    name: Vec<u8>,
    /// Whether it is made of casts: then there are no messages to count.
    is_cast: bool,
    summary: Summary,
    /// Whether messages in its middle were not read.
    partial: bool,
    messages: u64,
    size: u64,
    state: &'static str,
    /// Why the log was set aside, if it was.
    reason: Option<String>,
    /// What recovery set aside beside it.
    damaged: Vec<String>,
}

/// When a log begins, as its first member says or else its first message.
pub(super) fn start(path: &Path) -> Option<i64> {
    let status = path.metadata().ok()?;
    status.is_file().then_some(())?;
    let mut bytes = Vec::new();
    let length = HEADER_LENGTH + SEAL_LENGTH;
    let file = File::open(path).ok()?;
    file.take(length as u64).read_to_end(&mut bytes).ok()?;
    match Seal::read(bytes.get(HEADER_LENGTH..)?) {
        Some(seal) if seal.number == 0 && seal.count > 0 => Some(seal.span.first_wall),
        _ => {
            let reader = LogReader::open(path, false).ok()?;
            let first = Decoder::new(reader).next()?.ok()?;
            Some(first.timestamp)
        }
    }
}

impl Row {
    fn new(name: &[u8], size: u64) -> Self {
        Self {
            name: name.to_vec(),
            is_cast: false,
            summary: Summary::default(),
            partial: false,
            messages: 0,
            size,
            state: "unchecked",
            reason: None,
            damaged: Vec::new(),
        }
    }

    /// Checks a log, and reads it as far as it can be read and needs to be; `None` if it is gone.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let Checked {
            report, damaged, ..
        } = check_listed(path)?;
        let size = path.metadata().map_or(0, |status| status.len());
        let mut row = Self::new(path.file_name()?.as_encoded_bytes(), size);
        row.damaged = damaged;
        if let Ok(report) = report {
            row.state = report.verdict.word();
            if let Ok(reader) = LogReader::open(path, false) {
                let mut reader = reader.skim(FIRST, LAST);
                row.read(&mut reader);
                row.left_out(reader.left_out());
            }
        }
        Some(row)
    }

    /// The same of a log that comes from elsewhere: it is checked and read in one pass.
    pub(super) fn of_download(id: &str, size: u64, log: impl Read) -> io::Result<Self> {
        let mut row = Self::new(id.as_bytes(), size);
        let (mut reader, writer) = io::pipe()?;
        let report = thread::scope(|scope| {
            scope.spawn(|| {
                row.read(&mut reader);
                io::copy(&mut reader, &mut io::sink())
            });
            let log = Tee {
                from: log,
                to: writer,
            };
            verify_as(log, id)
        });
        row.state = report.map_or("unchecked", |report| report.verdict.word());
        Ok(row)
    }

    /// The same, with the names of what recovery set aside beside it.
    pub(super) fn beside(self, damaged: Vec<String>) -> Self {
        Self { damaged, ..self }
    }

    /// The same, set aside for a reason.
    pub(super) fn set_aside(self, reason: String) -> Self {
        Self {
            state: "quarantined",
            reason: Some(reason),
            ..self
        }
    }

    fn read(&mut self, reader: &mut impl Read) {
        let mut summary = Summary::default();
        for message in Decoder::new(reader).map_while(Result::ok) {
            summary.push(&message);
            let streams = summary.bytes_in.saturating_add(summary.bytes_out);
            if streams.saturating_add(summary.messages.saturating_mul(MESSAGE)) > MOST {
                self.partial = true;
                break;
            }
        }
        self.summary = summary.finish();
        self.messages = self.summary.messages;
    }

    fn left_out(&mut self, messages: u64) {
        self.partial |= messages > 0;
        self.messages = self.messages.saturating_add(messages);
    }

    /// Unix time in nanoseconds of its first message.
    pub(super) const fn begun(&self) -> Option<i64> {
        self.summary.start
    }

    /// The cells, in the order of the table's head.
    pub(super) fn cells(&self) -> [String; 10] {
        let summary = &self.summary;
        [
            summary.start.map_or_else(dash, |start| time(start, 0)),
            summary.duration().map_or_else(dash, duration),
            user(summary),
            text(summary.address.as_ref()),
            text(summary.client_version.as_ref())
                .trim_start_matches("SSH-2.0-")
                .to_owned(),
            self.ran().map_or_else(dash, |ran| without_tabs(&ran)),
            self.exit().map_or_else(dash, |exit| without_tabs(&exit)),
            size(self.size),
            self.state_and_more(),
            without_tabs(&Visible(&self.name).to_string()),
        ]
    }

    pub(super) fn json(&self) -> Value {
        let summary = &self.summary;
        let plain =
            |text: &Option<Text>| text.as_ref().map(|text| text.to_str_lossy().into_owned());
        let counted = |count: u64| (!self.is_cast).then_some(count);
        json!({
            "id": String::from_utf8_lossy(&self.name),
            "format": if self.is_cast { "asciinema" } else { "audit" },
            "start": summary.start.map(|start| time(start, 9)),
            "durationNanoseconds": summary.duration(),
            "user": plain(&summary.user),
            "authenticated": summary.authenticated,
            "address": plain(&summary.address),
            "client": plain(&summary.client_version),
            "ran": summary.programs.iter().map(|program| what(&program.what)).collect::<Vec<_>>(),
            "programs": summary.program_count,
            "forwarded": counted(summary.forwards),
            "exit": self.exit(),
            "messages": counted(self.messages),
            "bytesIn": counted(summary.bytes_in),
            "bytesOut": counted(summary.bytes_out),
            "partial": self.partial,
            "size": self.size,
            "state": self.state,
            "reason": self.reason,
            "setAside": self.damaged,
        })
    }

    /// The colour of the line on a terminal, if it deserves one.
    pub(super) fn colour(&self) -> Option<&'static str> {
        match self.state {
            _ if !self.damaged.is_empty() => Some("31"),
            "open" => Some("32"),
            "recovered" | "foreign" => Some("33"),
            "cut" | "altered" | "unchecked" | "quarantined" => Some("31"),
            _ => None,
        }
    }

    /// The state, and how much recovery set aside beside the log.
    fn state_and_more(&self) -> String {
        match self.damaged.len() {
            0 => self.state.to_owned(),
            files => format!("{} (+{files} aside)", self.state),
        }
    }

    fn ran(&self) -> Option<String> {
        let Some(first) = self.summary.programs.first() else {
            let forwards = self.summary.forwards;
            let least = if self.partial { "≥" } else { "" };
            return (forwards > 0).then(|| format!("({least}{forwards} forwarded)"));
        };
        let first = what(&first.what);
        let more = self.summary.program_count.saturating_sub(1);
        Some(match (more, self.partial) {
            (0, false) => first,
            (more, false) => format!("{first} (+{more})"),
            (more, true) => format!("{first} (+≥{more})"),
        })
    }

    /// How the last program ended whose end is known.
    fn exit(&self) -> Option<String> {
        let mut exits = self.summary.programs.iter().rev();
        exits.find_map(|program| match program.exit.as_ref()? {
            Exit::Status(status) => Some(status.to_string()),
            Exit::Signal(signal) => Some(Visible(signal.as_bytes()).to_string()),
        })
    }
}

/// Gives a second reader what the first one reads.
struct Tee<R> {
    from: R,
    to: io::PipeWriter,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(buffer)?;
        self.to
            .write_all(buffer.get(..length).unwrap_or_default())?;
        Ok(length)
    }
}

fn what(what: &What) -> String {
    match what {
        What::Shell => "(shell)".to_owned(),
        What::Exec(program) => Visible(program.as_bytes()).to_string(),
        What::Subsystem(name) => format!("({})", Visible(name.as_bytes())),
    }
}

/// A name that nobody proved to bear is in brackets.
fn user(summary: &Summary) -> String {
    let name = text(summary.user.as_ref());
    if summary.user.is_some() && !summary.authenticated {
        format!("[{name}]")
    } else {
        name
    }
}

fn text(text: Option<&Text>) -> String {
    text.map_or_else(dash, |text| {
        without_tabs(&Visible(text.as_bytes()).to_string())
    })
}

fn without_tabs(text: &str) -> String {
    text.replace('\t', "\\t")
}

fn dash() -> String {
    "-".to_owned()
}

fn time(nanoseconds: i64, digits: usize) -> String {
    Timestamp::from_nanosecond(nanoseconds.into()).map_or_else(
        |_| nanoseconds.to_string(),
        |time| format!("{time:.digits$}"),
    )
}

fn duration(nanoseconds: u64) -> String {
    let time = Duration::from_nanos(nanoseconds);
    match time.as_secs() {
        0..10 => format!("{:.2}s", time.as_secs_f64()),
        seconds @ 10..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        seconds => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes}"),
        10_240..10_485_760 => format!("{}K", bytes >> 10),
        10_485_760.. => format!("{}M", bytes >> 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        for (milliseconds, expected) in [
            (0, "0.00s"),
            (1_234, "1.23s"),
            (13_000, "13s"),
            (59_999, "59s"),
            (63_000, "1m03s"),
            (3_599_000, "59m59s"),
            (7_500_000, "2h05m"),
            (360_000_000, "100h00m"),
        ] {
            assert_eq!(duration(milliseconds * 1_000_000), expected);
        }
    }
}
