//! What is recorded of events besides them, by someone who looks at all that passes.

use crate::clock::{Clock, Timeline};
use crate::entry::Entry;
use crate::shared::Shared;
use crate::sync::lock;
use auditssh_log::Message;
use auditssh_log::extension::ClockStep;
use auditssh_log::message::{Extra, Text};
use std::sync::{Arc, Mutex};

/// Looks at the events of one connection, also at those that the policy drops.
pub trait Tap: Send + std::fmt::Debug {
    /// Takes an event that is about to be recorded, with its time and its channel, and tells what
    /// is to be recorded besides. That stands before it in the log, and the event has its effect
    /// only when both are recorded. It is asked as often as bytes pass, and keeps them waiting: it
    /// must be quick, wait for nothing, and hold and tell a bounded amount.
    fn see(&mut self, message: &Message, to: &mut dyn FnMut(Entry));
}

/// Makes a [`Tap`] for each connection.
pub trait Taps: Send + Sync + std::fmt::Debug {
    /// The tap of a connection that begins.
    fn tap(&self) -> Box<dyn Tap>;
}

/// The tap of a connection. Its lock gives events the order in which they were looked at, and is
/// that of one connection alone.
#[derive(Debug)]
pub(crate) struct Tapped {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tap: Box<dyn Tap>,
    line: Timeline,
}

impl Tapped {
    pub(crate) fn new(shared: &Shared) -> Option<Self> {
        let tap = shared.settings.taps.as_ref()?.tap();
        let clock = Arc::clone(&shared.clock);
        let line = Timeline::new(clock.now());
        Some(Self {
            clock,
            state: Mutex::new(State { tap, line }),
        })
    }

    /// Has `record` record an event behind what is told of it. Nothing else is looked at meanwhile.
    pub(crate) fn look<T>(&self, entry: Entry, record: impl FnOnce(Entry, &[Entry]) -> T) -> T {
        let mut state = lock(&self.state);
        let (entry, told) = state.see(entry, &*self.clock);
        record(entry, &told)
    }
}

impl State {
    fn see(&mut self, entry: Entry, clock: &dyn Clock) -> (Entry, Vec<Entry>) {
        let (stamp, step) = self.line.stamp(clock.now());
        let mut told = Vec::new();
        let mut to = |entry| told.push(entry);
        if let Some(nanoseconds) = step {
            let (event, extra) = ClockStep { nanoseconds }.record();
            let step = message(stamp.wall, Entry::from(event).with(extra));
            self.tap.see(&step, &mut to);
        }
        let origin = entry.origin;
        let message = message(stamp.wall, entry);
        self.tap.see(&message, &mut to);
        let entry = Entry {
            event: message.event,
            channel_id: message.channel_id,
            extra: message.extra,
            origin,
            follows: false,
        };
        (entry, told)
    }
}

fn message(timestamp: i64, entry: Entry) -> Message {
    Message {
        connection_id: Text::default(),
        timestamp,
        channel_id: entry.channel_id,
        event: entry.event,
        extra: entry.extra,
        envelope_extra: Extra::new(),
    }
}
