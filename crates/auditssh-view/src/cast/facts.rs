//! What a cast tells of its program. However long it is, no more is held than its header and the
//! beginning of a line.

#[cfg(test)]
mod tests;

use super::Origin;
use crate::summary::LONGEST_TEXT;
use auditssh_log::message::Text;
use serde_json::Value;
use std::io::{self, BufRead, Read as _};
use std::time::Duration;

/// The longest header that is read, in bytes.
const LONGEST_HEADER: u64 = 1 << 20;

/// How much is read of an event: its time, its code and, of an exit status, all.
const EVENT: u64 = 64;

/// What a cast tells. Casts of other programs are read as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whose session it is, if it says so.
    pub origin: Option<Origin>,
    /// When the program began: Unix time in nanoseconds, of whole seconds.
    pub start: Option<i64>,
    /// From then to the last event.
    pub length: Duration,
    /// The command line; `None` if it says none, as for a shell.
    pub command: Option<Text>,
    /// The exit status, which version 3 has.
    pub exit: Option<u32>,
}

impl Facts {
    /// Reads a cast to its end; `None` if it does not begin as one. The last line may be cut.
    pub fn read(cast: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some((mut facts, version)) = header(cast)? else {
            return Ok(None);
        };
        let mut line = Vec::new();
        while next(cast, &mut line)? {
            if let Some(event) = Event::of(&String::from_utf8_lossy(&line)) {
                facts.push(&event, version);
            }
        }
        Ok(Some(facts))
    }

    /// Reads its header only.
    pub fn of_header(cast: &mut impl BufRead) -> io::Result<Option<Self>> {
        Ok(header(cast)?.map(|(facts, _)| facts))
    }

    /// When its last event was: Unix time in nanoseconds.
    pub fn end(&self) -> Option<i64> {
        let length = i64::try_from(self.length.as_nanos()).ok()?;
        self.start?.checked_add(length)
    }

    fn push(&mut self, event: &Event, version: u64) {
        self.length = match version {
            2 => self.length.max(event.time),
            _ => self.length.saturating_add(event.time),
        };
        self.exit = event.exit.or(self.exit);
    }
}

/// Reads the header: what it tells, and the version.
fn header(cast: &mut impl BufRead) -> io::Result<Option<(Facts, u64)>> {
    let mut line = Vec::new();
    let mut start = cast.by_ref().take(LONGEST_HEADER);
    start.read_until(b'\n', &mut line)?;
    let header: Value = serde_json::from_slice(&line).unwrap_or_default();
    let version = header.get("version").and_then(Value::as_u64);
    let Some(version @ (2 | 3)) = version else {
        return Ok(None);
    };
    let facts = Facts {
        origin: header.get("auditssh").map(origin),
        start: nanoseconds(header.get("timestamp")),
        command: text(header.get("command")),
        ..Facts::default()
    };
    Ok(Some((facts, version)))
}

fn origin(said: &Value) -> Origin {
    let text = |key: &str| text(said.get(key));
    Origin {
        connection: text("connectionId").map_or_else(String::new, |id| id.to_str_lossy().into()),
        begun: nanoseconds(said.get("connected")).unwrap_or_default(),
        address: text("remoteAddr").unwrap_or_default(),
        country: text("country").unwrap_or_default(),
        user: text("username"),
    }
}

fn text(value: Option<&Value>) -> Option<Text> {
    let bytes = value?.as_str()?.as_bytes();
    Some(bytes.get(..LONGEST_TEXT).unwrap_or(bytes).into())
}

fn nanoseconds(seconds: Option<&Value>) -> Option<i64> {
    seconds?.as_i64()?.checked_mul(1_000_000_000)
}

/// Reads the beginning of the next line; false at the end.
fn next(cast: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    cast.by_ref().take(EVENT).read_until(b'\n', line)?;
    if !line.is_empty() && !line.ends_with(b"\n") {
        cast.skip_until(b'\n')?;
    }
    Ok(!line.is_empty())
}

/// What is needed of an event.
struct Event {
    time: Duration,
    exit: Option<u32>,
}

impl Event {
    /// Reads `[1.5, "x", "0"]`, as far as it is there.
    fn of(line: &str) -> Option<Self> {
        let (time, rest) = line.trim_start().strip_prefix('[')?.split_once(',')?;
        let time = Duration::try_from_secs_f64(time.trim().parse().ok()?).ok()?;
        let mut quoted = rest.split('"').skip(1).step_by(2);
        let exit = (quoted.next() == Some("x")).then(|| quoted.next()?.parse().ok());
        Some(Self {
            time,
            exit: exit.flatten(),
        })
    }
}
