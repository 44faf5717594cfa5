use crate::config::nearest;
use auditssh_log::{Event, Message};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::str::FromStr;

/// Which messages are shown.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// These channels; all if none is named.
    pub(super) channels: Vec<u64>,
    /// These types; all if none is named.
    pub(super) types: Vec<Type>,
    /// From this Unix time in nanoseconds on.
    pub(super) since: Option<i64>,
    /// Up to this Unix time in nanoseconds.
    pub(super) until: Option<i64>,
}

impl Filter {
    pub(super) fn passes(&self, message: &Message) -> bool {
        let number = message.event.type_number();
        let is_of_channel = match message.channel_id {
            _ if self.channels.is_empty() => true,
            Some(id) => self.channels.contains(&id),
            None => false,
        };
        is_of_channel
            && (self.types.is_empty() || self.types.contains(&Type(number)))
            && self.since.is_none_or(|since| message.timestamp >= since)
            && self.until.is_none_or(|until| message.timestamp <= until)
    }
}

/// A type of messages, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Type(pub(super) u64);

impl FromStr for Type {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(number) = text.parse() {
            return Ok(Self(number));
        }
        let known = Event::types().iter().find(|(_, name, _)| *name == text);
        known.map(|(number, ..)| Self(*number)).ok_or_else(|| {
            let names: Vec<&str> = Event::types().iter().map(|(_, name, _)| *name).collect();
            match nearest(text, &names) {
                Some(near) => format!("no such type; did you mean `{near}`?"),
                None => format!("no such type; a number or one of {}", names.join(", ")),
            }
        })
    }
}

/// The types of messages: their names, and their numbers.
pub(super) fn types() -> String {
    let types = Event::types().iter();
    let types: Vec<String> = types
        .map(|(number, name, _)| format!("{name} ({number})"))
        .collect();
    types.join(", ")
}

/// Reads the number of a channel, as `channelId` has it or as text shows it.
pub(super) fn channel(text: &str) -> Result<u64, &'static str> {
    let number = text.strip_prefix('#').unwrap_or(text);
    number
        .parse()
        .map_err(|_| "a channel is a number: as `channelId` in JSON, or #0 as --text shows it")
}

/// A time that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Unix time in nanoseconds.
    At(i64),
    /// Nanoseconds before the last message.
    BeforeEnd(i64),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let instant = |time: Timestamp| i64::try_from(time.as_nanosecond()).ok().map(Self::At);
        let number = || Some(Self::At(nanoseconds(text.parse().ok()?)));
        let zoned = || instant(text.parse().ok()?);
        let local = || {
            let time: DateTime = text.parse().ok()?;
            instant(time.to_zoned(TimeZone::system()).ok()?.timestamp())
        };
        let duration = || {
            let duration: SignedDuration = text.parse().ok()?;
            let nanoseconds = i64::try_from(duration.as_nanos()).ok()?;
            (nanoseconds >= 0).then_some(Self::BeforeEnd(nanoseconds))
        };
        let when = number().or_else(zoned).or_else(local).or_else(duration);
        when.ok_or_else(|| {
            "expected a time (2026-01-31T12:00:00Z, or 2026-01-31 12:00 in the local time zone), a \
             duration before the end (5m), or Unix time in seconds or finer"
                .to_owned()
        })
    }
}

/// Unix time of which the unit shows in the size: seconds have 10 digits from 2001 to 2286, and each
/// finer unit three more.
fn nanoseconds(number: i64) -> i64 {
    let scale = match number.unsigned_abs() {
        0..100_000_000_000 => 1_000_000_000,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        100_000_000_000_000_000.. => 1,
    };
    number.saturating_mul(scale)
}
