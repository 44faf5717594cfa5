use auditssh_search::search::Hit;
use auditssh_view::survey::{Exit, Facts, Program, Ran};
use auditssh_view::visible_json;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write as _};

/// Prints hits as they come.
pub(super) struct Printer {
    out: BufWriter<StdoutLock<'static>>,
    json: bool,
    colour: bool,
    is_terminal: bool,
}

impl Printer {
    pub(super) fn new(json: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_terminal = io::stdout().is_terminal();
        Self {
            out: BufWriter::new(io::stdout().lock()),
            json,
            colour: is_terminal && !plain,
            is_terminal,
        }
    }

    pub(super) fn hit(&mut self, hit: &Hit) -> io::Result<()> {
        if self.json {
            writeln!(self.out, "{}", visible_json(&object(hit).to_string()))?;
        } else {
            self.line(hit)?;
        }
        // Whoever watches sees them as they are found.
        if self.is_terminal {
            self.out.flush()?;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn line(&mut self, hit: &Hit) -> io::Result<()> {
        let facts = &hit.connection.head.facts;
        let (grey, end) = if self.colour {
            ("\x1b[2m", "\x1b[0m")
        } else {
            ("", "")
        };
        let time = hit.line.as_ref().map(|line| line.time).or(facts.start);
        let time = time.map_or_else(|| "-".to_owned(), |time| instant(time, 0));
        let user = facts.user.as_deref().unwrap_or("-");
        let id = &facts.id;
        let Some(line) = &hit.line else {
            let ran = ran(facts);
            let address = facts.address.as_deref().unwrap_or("-");
            return writeln!(
                self.out,
                "{grey}{time}{end}  {user}  {id}  {grey}{address}{end}  {ran}"
            );
        };
        let (kind, at, channel) = (line.kind.word(), position(line.at), line.channel);
        writeln!(
            self.out,
            "{grey}{time}{end}  {user}  {id}  {grey}#{channel} {at} {kind}{end}  {}",
            line.text
        )
    }
}

fn object(hit: &Hit) -> Value {
    let connection = &hit.connection;
    let facts = &connection.head.facts;
    let mut object = json!({
        "connectionId": facts.id,
        "log": connection.path,
        "user": facts.user,
        "address": facts.address,
        "start": facts.start.map(|start| instant(start, 9)),
        "kind": hit.line.as_ref().map_or("connection", |line| line.kind.word()),
    });
    let more = match &hit.line {
        Some(line) => json!({
            "channel": line.channel,
            "program": line.program,
            "at": seconds(line.at),
            "time": instant(line.time, 9),
            "line": line.text,
        }),
        None => json!({
            "end": facts.end.map(|end| instant(end, 9)),
            "state": connection.head.state.word(),
            "programs": facts.programs.iter().map(program).collect::<Vec<_>>(),
        }),
    };
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}

fn program(program: &Program) -> Value {
    let exit = program.exit.as_ref().map(|exit| match exit {
        Exit::Status(status) => json!({"status": status}),
        Exit::Signal(signal) => json!({"signal": signal}),
    });
    json!({"channel": program.channel, "command": program.command, "exit": exit})
}

/// What ran, in short.
pub(crate) fn ran(facts: &Facts) -> String {
    let Some(first) = facts.programs.first() else {
        return "-".to_owned();
    };
    let name = match (first.what, &first.command) {
        (Ran::Subsystem, Some(name)) => format!("({name})"),
        (_, Some(command)) => command.clone(),
        (_, None) => "(shell)".to_owned(),
    };
    match facts.program_count.saturating_sub(1) {
        0 => name,
        more => format!("{name} (+{more})"),
    }
}

fn instant(nanoseconds: i64, digits: usize) -> String {
    Timestamp::from_nanosecond(nanoseconds.into()).map_or_else(
        |_| nanoseconds.to_string(),
        |time| format!("{time:.digits$}"),
    )
}

/// Milliseconds: at that time a replay shows the line.
const fn milliseconds(at: u64) -> u64 {
    at.div_ceil(1_000_000)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of 285,000 years are exact"
)]
fn seconds(at: u64) -> f64 {
    milliseconds(at) as f64 / 1e3
}

/// A time of a program as `replay --at` takes it.
fn position(at: u64) -> String {
    let all = milliseconds(at);
    let (seconds, rest) = (all / 1000, all % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}.{rest:03}"),
        hours => format!("{hours}:{minutes:02}:{seconds:02}.{rest:03}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_not_before_what_it_shows() {
        for (at, expected) in [
            (0, "0:00.000"),
            (1, "0:00.001"),
            (61_002_000_000, "1:01.002"),
            (3_723_000_000_001, "1:02:03.001"),
        ] {
            assert_eq!(position(at), expected);
        }
        assert!((seconds(1_500_000_001) - 1.501).abs() < 1e-9);
    }
}
