//! A connection on a page: who, from where, how it was proven; what ran on each channel and how it
//! ended; which files went through; and whatever is odd.

mod channel;
mod json;
#[cfg(test)]
mod tests;
mod text;

use crate::files::{Action, Direction, Ledger, Note};
use crate::runs::{Did, Runs, Step};
use crate::summary::{LONGEST_TEXT, Summary};
use crate::text::describe;
use auditssh_log::extension::{ClockStep, FailedHandshake, Gap, Handshake, MaskedInput};
use auditssh_log::message::{Event, Message, Text};
pub use channel::Channel;
use std::collections::BTreeMap;
use std::convert::Infallible;

/// Most channels, and most lines of each other kind, that are shown. More are counted.
pub const MOST_CHANNELS: usize = 256;
/// Most lines of a kind.
pub const MOST_LINES: usize = 128;

/// What is known of a connection.
#[derive(Debug, Default)]
pub struct Connection {
    summary: Summary,
    country: Option<Text>,
    handshake: Option<Handshake>,
    server_version: Option<Text>,
    logins: Lines,
    forwards: Lines,
    odd: Lines,
    files: Lines,
    transfers: Transfers,
    masked: u64,
    channels: BTreeMap<u64, Channel>,
    channel_count: u64,
    runs: Runs,
    ledger: Ledger,
}

/// Lines of a kind, as many as are kept.
#[derive(Debug, Default)]
struct Lines {
    kept: Vec<Line>,
    more: u64,
}

/// What happened, when and where. Safe to show.
#[derive(Clone, Debug)]
struct Line {
    time: i64,
    channel: Option<u64>,
    what: String,
}

/// How much went through as files.
#[derive(Clone, Copy, Debug, Default)]
struct Transfers {
    up: (u64, u64),
    down: (u64, u64),
}

impl Connection {
    /// Takes a message.
    pub fn push(&mut self, message: &Message) {
        self.summary.push(message);
        let channels = &mut self.channels;
        let Ok(()) = self.runs.push(message, |step| {
            ran(channels, &step);
            Ok::<_, Infallible>(())
        });
        let (files, transfers) = (&mut self.files, &mut self.transfers);
        self.ledger
            .push(message, |note| moved(files, transfers, note));
        self.event(message);
    }

    /// The page of everything that was taken.
    #[must_use]
    pub fn finish(mut self) -> Self {
        let channels = &mut self.channels;
        let Ok(()) = std::mem::take(&mut self.runs).finish(|step| {
            ran(channels, &step);
            Ok::<_, Infallible>(())
        });
        let (files, transfers) = (&mut self.files, &mut self.transfers);
        let ledger = std::mem::take(&mut self.ledger);
        ledger.finish(|note| moved(files, transfers, note));
        self
    }

    fn event(&mut self, message: &Message) {
        if let Some(channel) = self.channel(message) {
            channel.push(message);
        }
        match &message.event {
            Event::Connect(connect) => self.country = Some(short(&connect.country)),
            Event::HandshakeSuccessful(_) => {
                let handshake = Handshake::from_extra(&message.extra);
                self.server_version.clone_from(&handshake.server_version);
                self.handshake = Some(handshake);
            }
            Event::HandshakeFailed(_) => {
                self.server_version = FailedHandshake::from_extra(&message.extra).server_version;
            }
            Event::AuthPasswordSuccessful(_)
            | Event::AuthPasswordFailed(_)
            | Event::AuthPasswordBackendError(_)
            | Event::AuthPubKeySuccessful(_)
            | Event::AuthPubKeyFailed(_)
            | Event::AuthPubKeyBackendError(_)
            | Event::KeyboardInteractiveChallenge(_)
            | Event::KeyboardInteractiveFailed(_)
            | Event::KeyboardInteractiveBackendError(_) => self.logins.add(message),
            Event::ForwardTcpip(_)
            | Event::CancelForwardTcpip(_)
            | Event::ForwardStreamLocal(_)
            | Event::CancelForwardStreamLocal(_)
            | Event::NewChannelDirectTcpip(_)
            | Event::NewChannelForwardedTcpip(_)
            | Event::NewChannelX11(_)
            | Event::NewChannelDirectStreamLocal(_)
            | Event::NewChannelForwardedStreamLocal(_)
            | Event::X11(_) => self.forwards.add(message),
            Event::NewChannelFailed(_)
            | Event::RequestFailed(_)
            | Event::GlobalRequestDecodeFailed(_)
            | Event::ChannelRequestDecodeFailed(_)
            | Event::Unknown { .. } => self.odd.add(message),
            Event::ChannelRequestUnknown(_) => self.notice(message),
            _ => {}
        }
    }

    fn notice(&mut self, message: &Message) {
        if let Some(MaskedInput { bytes }) = MaskedInput::read(message) {
            self.masked = self.masked.saturating_add(bytes);
        } else if Gap::read(message).is_some() || ClockStep::read(message).is_some() {
            self.odd.add(message);
        }
    }

    fn channel(&mut self, message: &Message) -> Option<&mut Channel> {
        let id = message.channel_id?;
        if !self.channels.contains_key(&id) {
            self.channel_count += 1;
            if self.channels.len() >= MOST_CHANNELS {
                return None;
            }
            self.channels.insert(id, Channel::new(message.timestamp));
        }
        self.channels.get_mut(&id)
    }
}

impl Lines {
    fn add(&mut self, message: &Message) {
        self.push(message.timestamp, message.channel_id, || describe(message));
    }

    fn push(&mut self, time: i64, channel: Option<u64>, what: impl FnOnce() -> String) {
        if self.kept.len() >= MOST_LINES {
            self.more += 1;
            return;
        }
        let what = what();
        self.kept.push(Line {
            time,
            channel,
            what,
        });
    }
}

fn ran(channels: &mut BTreeMap<u64, Channel>, step: &Step<'_>) {
    if let Some(channel) = channels.get_mut(&step.channel) {
        channel.ran(step);
    } else if let Did::Begin(start) = step.what
        && channels.len() < MOST_CHANNELS
    {
        let channel = channels
            .entry(step.channel)
            .or_insert_with(|| Channel::new(start.time));
        channel.ran(step);
    }
}

fn moved(files: &mut Lines, transfers: &mut Transfers, note: Note<'_>) {
    let Note::Entry(entry) = note else { return };
    if let Action::Transfer {
        direction, content, ..
    } = &entry.action
    {
        let (count, bytes) = match direction {
            Direction::Upload => &mut transfers.up,
            Direction::Download => &mut transfers.down,
        };
        *count += 1;
        *bytes = bytes.saturating_add(content.bytes);
    }
    files.push(entry.begun, Some(entry.channel), || entry.to_string());
}

fn short(text: &Text) -> Text {
    let bytes = text.as_bytes();
    Text::from(bytes.get(..LONGEST_TEXT).unwrap_or(bytes))
}
