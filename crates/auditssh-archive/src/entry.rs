use auditssh_log::Event;
use auditssh_log::message::Extra;
use auditssh_log::policy::Origin;

/// What is to be recorded.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What happened.
    pub event: Event,
    /// The channel concerned.
    pub channel_id: Option<u64>,
    /// Further keys of the payload.
    pub extra: Extra,
    /// What the event belongs to, as far as the interception policy asks.
    pub origin: Origin,
    /// It belongs to the one before, and has room wherever that had.
    pub(crate) follows: bool,
}

impl From<Event> for Entry {
    fn from(event: Event) -> Self {
        Self {
            event,
            channel_id: None,
            extra: Extra::new(),
            origin: Origin::default(),
            follows: false,
        }
    }
}

impl Entry {
    /// The same on a channel.
    #[must_use]
    pub fn on(self, channel_id: u64) -> Self {
        Self {
            channel_id: Some(channel_id),
            ..self
        }
    }

    /// The same with further keys in its payload.
    #[must_use]
    pub fn with(self, extra: Extra) -> Self {
        Self { extra, ..self }
    }

    /// The same as part of something else than a session without echo.
    #[must_use]
    pub fn from_origin(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }
}
