//! What a line of the log looks like.

use super::connection::{Connection, FIELD};
use serde_json::{Map, Value};
use std::error::Error;
use std::fmt;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Fields by which the records of other libraries tell of themselves.
const FOREIGN: &str = "log.";
const FOREIGN_TARGET: &str = "log.target";

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Writes events as lines.
pub(super) struct Line {
    pub(super) form: Form,
    /// The journal reads the line: it wants a priority, and has a clock of its own.
    pub(super) journal: bool,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        if self.journal {
            write!(writer, "<{}>", priority(level))?;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields { all, target } = fields;
        let own = all.contains_key(FIELD);
        let connection = if own { None } else { connection(context) };
        let target = target.as_deref();
        let target = target.unwrap_or_else(|| event.metadata().target());
        if self.form == Form::Json {
            return json(&mut writer, level, target, all, connection);
        }
        self.head(&mut writer, level, target)?;
        context.format_fields(writer.by_ref(), event)?;
        if let Some(connection) = connection {
            let (on, off) = style(&writer, "\x1b[3m");
            write!(writer, " {on}{FIELD}{off}={connection}")?;
        }
        writeln!(writer)
    }
}

impl Line {
    fn head(&self, writer: &mut Writer<'_>, level: Level, target: &str) -> fmt::Result {
        let (dim, off) = style(writer, "\x1b[2m");
        if !self.journal {
            write!(writer, "{dim}")?;
            SystemTime.format_time(writer)?;
            let (colour, _) = style(writer, colour(level));
            write!(writer, "{off} {colour}{level:>5}{off} ")?;
        }
        write!(writer, "{dim}{target}:{off} ")
    }
}

/// How a stretch of text begins and ends that is to look like that.
fn style(writer: &Writer<'_>, begin: &'static str) -> (&'static str, &'static str) {
    if writer.has_ansi_escapes() {
        (begin, "\x1b[0m")
    } else {
        ("", "")
    }
}

const fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

/// As syslog numbers severities (RFC 5424, 6.2.1).
const fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

fn json(
    writer: &mut Writer<'_>,
    level: Level,
    target: &str,
    mut object: Map<String, Value>,
    connection: Option<String>,
) -> fmt::Result {
    let mut time = String::new();
    SystemTime.format_time(&mut Writer::new(&mut time))?;
    object.insert("timestamp".into(), time.into());
    object.insert("level".into(), level.as_str().into());
    object.insert("target".into(), target.into());
    if let Some(connection) = connection {
        object.insert(FIELD.into(), connection.into());
    }
    writeln!(writer, "{}", Value::Object(object))
}

/// The connection that the innermost span of an event is about, or that the SSH library's task serves.
fn connection<S, N>(context: &FmtContext<'_, S, N>) -> Option<String>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let told = context.event_scope().and_then(|mut spans| {
        spans.find_map(|span| {
            let extensions = span.extensions();
            extensions.get::<Connection>().map(|found| found.0.clone())
        })
    });
    told.or_else(|| auditssh_gateway::connection_of_task().map(|id| id.to_string()))
}

/// What an event says.
#[derive(Default)]
struct Fields {
    all: Map<String, Value>,
    target: Option<String>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        if !field.name().starts_with(FOREIGN) {
            self.all.insert(field.name().to_owned(), value.into());
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == FOREIGN_TARGET {
            self.target = Some(value.to_owned());
        }
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.add(field, value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests;
