//! One log in the table.

use auditssh_archive::reader::LogReader;
use auditssh_log::codec::{Decoder, End};
use auditssh_log::message::Text;
use auditssh_view::summary::{Exit, What};
use auditssh_view::{Summary, Visible};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// How many characters of a text fit into a cell.
const WIDTH: usize = 40;

/// What is shown of a log.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) start: Option<i64>,
    summary: Summary,
    size: u64,
    state: &'static str,
}

impl Row {
    /// Reads a log, as far as it can be read.
    pub(super) fn of(id: &str, path: &Path) -> Self {
        let mut summary = Summary::default();
        let mut state = "unreadable";
        if let Ok(reader) = LogReader::open(path, false) {
            let mut decoder = Decoder::new(reader);
            for message in decoder.by_ref().map_while(Result::ok) {
                summary.push(&message);
            }
            state = word(decoder.end());
        }
        let summary = summary.finish();
        Self {
            id: id.to_owned(),
            start: summary.start,
            size: path.metadata().map_or(0, |status| status.len()),
            state,
            summary,
        }
    }

    /// The cells, in the order of the table's head.
    pub(super) fn cells(&self) -> [String; 10] {
        let summary = &self.summary;
        [
            self.start.map_or_else(dash, |start| time(start, 0)),
            summary.duration().map_or_else(dash, duration),
            user(summary),
            text(summary.address.as_ref()),
            text(summary.client_version.as_ref())
                .trim_start_matches("SSH-2.0-")
                .to_owned(),
            self.ran().map_or_else(dash, |ran| short(&ran)),
            self.exit().unwrap_or_else(dash),
            size(self.size),
            self.state.to_owned(),
            self.id.clone(),
        ]
    }

    pub(super) fn json(&self) -> Value {
        let summary = &self.summary;
        let plain =
            |text: &Option<Text>| text.as_ref().map(|text| text.to_str_lossy().into_owned());
        json!({
            "id": self.id,
            "start": self.start.map(|start| time(start, 9)),
            "durationNanoseconds": summary.duration(),
            "user": plain(&summary.user),
            "authenticated": summary.authenticated,
            "address": plain(&summary.address),
            "client": plain(&summary.client_version),
            "ran": summary.programs.iter().map(|program| what(&program.what)).collect::<Vec<_>>(),
            "programs": summary.program_count,
            "exit": self.exit(),
            "messages": summary.messages,
            "bytesIn": summary.bytes_in,
            "bytesOut": summary.bytes_out,
            "size": self.size,
            "state": self.state,
        })
    }

    /// The colour of the line on a terminal, if it deserves one.
    pub(super) fn colour(&self) -> Option<&'static str> {
        match self.state {
            "open" => Some("32"),
            "recovered" => Some("33"),
            "cut" | "damaged" | "unreadable" => Some("31"),
            _ => None,
        }
    }

    fn ran(&self) -> Option<String> {
        let first = what(&self.summary.programs.first()?.what);
        Some(match self.summary.program_count {
            0 | 1 => first,
            count => format!("{first} (+{})", count - 1),
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

fn word(end: Option<End>) -> &'static str {
    match end {
        Some(End::Complete) => "complete",
        Some(End::Recovered) => "recovered",
        Some(End::Open) => "open",
        Some(End::Cut) => "cut",
        Some(End::Damaged) | None => "damaged",
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
    text.map_or_else(dash, |text| short(&Visible(text.as_bytes()).to_string()))
}

fn short(text: &str) -> String {
    let text = text.replace('\t', "\\t");
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
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
        seconds @ 10..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
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
