use auditssh_log::{Event, Message};
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
            format!("no such type; a number or one of {}", names.join(", "))
        })
    }
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
        if let Ok(nanoseconds) = text.parse() {
            return Ok(Self::At(nanoseconds));
        }
        if let Ok(time) = text.parse::<jiff::Timestamp>()
            && let Ok(nanoseconds) = i64::try_from(time.as_nanosecond())
        {
            return Ok(Self::At(nanoseconds));
        }
        if let Ok(duration) = text.parse::<jiff::SignedDuration>()
            && let Ok(nanoseconds) = i64::try_from(duration.as_nanos())
            && nanoseconds >= 0
        {
            return Ok(Self::BeforeEnd(nanoseconds));
        }
        Err(
            "expected a time (2026-01-31T12:00:00Z), a duration before the end (5m) \
             or Unix time in nanoseconds"
                .to_owned(),
        )
    }
}
