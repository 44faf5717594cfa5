use crate::config::nearest;
use auditssh_log::{Event, Message};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};
use std::str::FromStr;

/// Which messages are shown.
#[derive(Debug, Default)]
pub(in crate::cmd) struct Filter {
    /// These channels; all if none is named.
    pub(in crate::cmd) channels: Vec<u64>,
    /// These types; all if none is named.
    pub(in crate::cmd) types: Vec<Type>,
    /// From this Unix time in nanoseconds on.
    pub(in crate::cmd) since: Option<i64>,
    /// Up to this Unix time in nanoseconds.
    pub(in crate::cmd) until: Option<i64>,
}

impl Filter {
    pub(in crate::cmd) fn passes(&self, message: &Message) -> bool {
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
pub(in crate::cmd) struct Type(pub(in crate::cmd) u64);

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
pub(in crate::cmd) fn types() -> String {
    let types = Event::types().iter();
    let types: Vec<String> = types
        .map(|(number, name, _)| format!("{name} ({number})"))
        .collect();
    types.join(", ")
}

/// Reads the number of a channel, as `channelId` has it or as text shows it.
pub(in crate::cmd) fn channel(text: &str) -> Result<u64, &'static str> {
    let number = text.strip_prefix('#').unwrap_or(text);
    number
        .parse()
        .map_err(|_| "a channel is a number: as `channelId` in JSON, or #0 as --text shows it")
}

/// A time that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cmd) enum When {
    /// Unix time in nanoseconds.
    At(i64),
    /// Nanoseconds before the last message.
    BeforeEnd(i64),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(time) = unix_time(text) {
            return time.map(Self::At);
        }
        let instant = |time: Timestamp| i64::try_from(time.as_nanosecond()).ok().map(Self::At);
        let now = || instant((text == "now").then(Timestamp::now)?);
        let zoned = || instant(text.parse().ok()?);
        let local = || {
            let time: DateTime = text.parse().ok()?;
            instant(time.to_zoned(TimeZone::system()).ok()?.timestamp())
        };
        let duration = || {
            let span: Span = text.parse().ok()?;
            let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
            let nanoseconds = i64::try_from(duration.as_nanos()).ok()?;
            (nanoseconds >= 0).then_some(Self::BeforeEnd(nanoseconds))
        };
        let when = now().or_else(zoned).or_else(local).or_else(duration);
        when.ok_or_else(|| {
            "expected a time (2026-01-31T12:00:00Z, or 2026-01-31 12:00 in the local time zone), \
             `now`, a duration before the end (5m, 1d), or Unix time in seconds or finer"
                .to_owned()
        })
    }
}

/// Reads Unix time, of which the unit shows in the number of digits: seconds have 10 from 2001 to
/// 2286, and each finer unit three more. `None` if it is no number at all.
fn unix_time(text: &str) -> Option<Result<i64, String>> {
    let (is_negative, number) = match text.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    let is_number = is_digits(whole) && fraction.is_none_or(is_digits);
    is_number.then(|| match (whole.len(), fraction) {
        (10, _) | (13 | 16 | 19, None) => {
            let digits = format!("{whole}{}", fraction.unwrap_or_default());
            nanoseconds(is_negative, &digits)
        }
        (_, Some(_)) => Err(
            "only Unix time in seconds may have a fraction: 10 digits stand before the point"
                .to_owned(),
        ),
        (count, None) => {
            let hint = day(whole).map(|day| format!("; for a day write {day}"));
            Err(format!(
                "a number is Unix time, and has 10 digits (seconds, also with a fraction), 13 \
                 (milliseconds), 16 (microseconds) or 19 (nanoseconds), not {count}{}",
                hint.unwrap_or_default()
            ))
        }
    })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whatever the unit, 19 digits count nanoseconds; finer ones are not kept.
fn nanoseconds(is_negative: bool, digits: &str) -> Result<i64, String> {
    let sign = if is_negative { "-" } else { "" };
    format!("{sign}{digits:0<19.19}")
        .parse()
        .map_err(|_| "out of range: times lie between 1677 and 2262".to_owned())
}

/// The day that is likely meant by a number: 20260131 or 2026.
fn day(digits: &str) -> Option<String> {
    let day = match digits.len() {
        4 => format!("{digits}-01-01"),
        8 => {
            let (year, rest) = digits.split_at_checked(4)?;
            let (month, day) = rest.split_at_checked(2)?;
            format!("{year}-{month}-{day}")
        }
        _ => return None,
    };
    day.parse::<Date>().is_ok().then_some(day)
}
