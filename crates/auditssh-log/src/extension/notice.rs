use super::{find, text};
use crate::message::{ChannelRequestUnknown, Event, Extra, Message, Text, Value};

const MASKED_INPUT: &str = "masked-input@auditssh";
const GAP: &str = "gap@auditssh";
const CLOCK_STEP: &str = "clock-step@auditssh";

/// Input that was typed while the terminal did not echo, of which only the length is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskedInput {
    /// How many bytes stood here.
    pub bytes: u64,
}

/// A stretch that could not be recorded (`audit.onFailure: continue`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// How many messages are missing.
    pub messages: u64,
    /// How many bytes of input and output were in them.
    pub bytes: u64,
    /// Why, for people.
    pub reason: Text,
    /// Unix time in nanoseconds of the first missing message.
    pub from: i64,
    /// Unix time in nanoseconds of the last missing message.
    pub to: i64,
}

/// Wall time jumped by more than a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// By how many nanoseconds; negative for back.
    pub nanoseconds: i64,
}

impl MaskedInput {
    /// What is kept of these bytes.
    pub fn of(data: &[u8]) -> Self {
        Self {
            bytes: u64::try_from(data.len()).unwrap_or(u64::MAX),
        }
    }

    /// The event and its further keys.
    pub fn record(self) -> (Event, Extra) {
        notice(MASKED_INPUT, vec![("bytes".into(), self.bytes.into())])
    }

    /// Reads a message, if it is one of this kind.
    pub fn read(message: &Message) -> Option<Self> {
        let extra = keys(message, MASKED_INPUT)?;
        Some(Self {
            bytes: find(extra, "bytes")?.as_u64()?,
        })
    }
}

impl Gap {
    /// The event and its further keys.
    pub fn record(self) -> (Event, Extra) {
        notice(
            GAP,
            vec![
                ("messages".into(), self.messages.into()),
                ("bytes".into(), self.bytes.into()),
                ("reason".into(), Value::Text(self.reason)),
                ("from".into(), self.from.into()),
                ("to".into(), self.to.into()),
            ],
        )
    }

    /// Reads a message, if it is one of this kind.
    pub fn read(message: &Message) -> Option<Self> {
        let extra = keys(message, GAP)?;
        Some(Self {
            messages: find(extra, "messages")?.as_u64()?,
            bytes: find(extra, "bytes")?.as_u64()?,
            reason: text(extra, "reason").unwrap_or_default(),
            from: find(extra, "from")?.as_i64()?,
            to: find(extra, "to")?.as_i64()?,
        })
    }
}

impl ClockStep {
    /// The event and its further keys.
    pub fn record(self) -> (Event, Extra) {
        notice(
            CLOCK_STEP,
            vec![("nanoseconds".into(), self.nanoseconds.into())],
        )
    }

    /// Reads a message, if it is one of this kind.
    pub fn read(message: &Message) -> Option<Self> {
        let extra = keys(message, CLOCK_STEP)?;
        Some(Self {
            nanoseconds: find(extra, "nanoseconds")?.as_i64()?,
        })
    }
}

/// A client can send a request of the same name, but no payload of ours: the further keys are
/// written by the server alone.
pub(super) fn notice(name: &str, extra: Extra) -> (Event, Extra) {
    let event = Event::ChannelRequestUnknown(ChannelRequestUnknown {
        request_id: 0,
        request_type: name.into(),
        payload: Some(Vec::new()),
    });
    (event, extra)
}

pub(super) fn keys<'a>(message: &'a Message, name: &str) -> Option<&'a Extra> {
    match &message.event {
        Event::ChannelRequestUnknown(request) if request.request_type == *name => {
            Some(&message.extra)
        }
        _ => None,
    }
}
