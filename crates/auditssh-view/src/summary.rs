//! A connection in a line: who, when, from where, what ran, how it ended. It is made of the messages of
//! a log or, where there is none, of what casts tell.

#[cfg(test)]
mod tests;

use crate::cast;
use auditssh_log::extension::{Continued, FailedHandshake, Handshake};
use auditssh_log::message::{Event, Message, Stream, Text};

/// Most programs of a connection that are named; more are only counted.
pub const MOST_PROGRAMS: usize = 64;

/// Longest text that is kept, in bytes; of longer ones the first.
pub const LONGEST_TEXT: usize = 1024;

/// What stands in a table of connections.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Id of the connection.
    pub connection_id: Text,
    /// Unix time of the first message in nanoseconds.
    pub start: Option<i64>,
    /// Unix time of the last message in nanoseconds.
    pub end: Option<i64>,
    /// Whoever is logged in; else the last name that was offered.
    pub user: Option<Text>,
    /// Whether that name was proven.
    pub authenticated: bool,
    /// IP address of the client.
    pub address: Option<Text>,
    /// Identification string of the client.
    pub client_version: Option<Text>,
    /// What ran, in order; the first [`MOST_PROGRAMS`].
    pub programs: Vec<Program>,
    /// How many programs ran.
    pub program_count: u64,
    /// How many connections were forwarded.
    pub forwards: u64,
    /// How many messages there are.
    pub messages: u64,
    /// Bytes recorded from the client.
    pub bytes_in: u64,
    /// Bytes recorded to the client.
    pub bytes_out: u64,
    /// Why the login failed.
    pub failure: Option<Text>,
    /// Whether the log has its last message.
    pub disconnected: bool,
}

/// One program.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The channel it ran on.
    pub channel: Option<u64>,
    /// What it is.
    pub what: What,
    /// How it ended, as far as the log says.
    pub exit: Option<Exit>,
}

/// What a channel started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A shell.
    Shell,
    /// A command line.
    Exec(Text),
    /// A subsystem.
    Subsystem(Text),
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With a status.
    Status(u32),
    /// By the signal of this name.
    Signal(Text),
}

impl Summary {
    /// Takes a message.
    pub fn push(&mut self, message: &Message) {
        if self.start.is_none() {
            self.connection_id = short(&message.connection_id);
            self.start = Some(message.timestamp);
            self.goes_on(message);
        }
        self.end = Some(message.timestamp);
        self.messages += 1;
        let channel = message.channel_id;
        match &message.event {
            Event::Connect(connect) => self.address = Some(short(&connect.remote_addr)),
            Event::Disconnect => self.disconnected = true,
            Event::HandshakeSuccessful(login) => self.logged_in(&login.username, message),
            Event::HandshakeFailed(failed) => {
                self.failure = Some(short(&failed.reason));
                let client = FailedHandshake::from_extra(&message.extra).client_version;
                self.client_version = client.as_ref().map(short).or(self.client_version.take());
            }
            Event::Shell(_) => self.started(channel, What::Shell),
            Event::Exec(exec) => self.started(channel, What::Exec(short(&exec.program))),
            Event::Subsystem(subsystem) => {
                self.started(channel, What::Subsystem(short(&subsystem.subsystem)));
            }
            Event::NewChannelSuccessful(channel) if channel.channel_type != *"session" => {
                self.forwards += 1;
            }
            Event::ExitStatus(exit) => self.exited(channel, Exit::Status(exit.exit_status)),
            Event::ExitSignal(signal) => self.exited(channel, Exit::Signal(short(&signal.signal))),
            Event::RequestFailed(_) => {}
            Event::Io(io) if io.stream == Stream::Stdin => self.bytes_in += io.data.len() as u64,
            Event::Io(io) => self.bytes_out += io.data.len() as u64,
            event => self.offered(event),
        }
    }

    /// Takes what a cast of the connection tells. A cast has no messages, and tells whose session it is
    /// only if it was written while that went on.
    pub fn push_cast(&mut self, channel: u64, cast: &cast::Facts) {
        if let Some(origin) = &cast.origin {
            self.connection_id = origin.connection.as_str().into();
            self.start = self.start.or(Some(origin.begun));
            self.user.clone_from(&origin.user);
            self.authenticated = self.user.is_some();
            let address = Some(&origin.address).filter(|address| !address.is_empty());
            self.address = address.cloned();
        }
        self.start = self.start.or(cast.start);
        self.end = self.end.max(cast.end());
        let command = cast.command.clone();
        self.started(Some(channel), command.map_or(What::Shell, What::Exec));
        if let Some(status) = cast.exit {
            self.exited(Some(channel), Exit::Status(status));
        }
    }

    /// The summary of everything that was taken.
    #[must_use]
    pub fn finish(self) -> Self {
        self
    }

    /// From the first message to the last, in nanoseconds.
    pub fn duration(&self) -> Option<u64> {
        let (start, end) = (self.start?, self.end?);
        u64::try_from(i128::from(end) - i128::from(start)).ok()
    }

    /// The first message of a log in which a session goes on tells whose it is.
    fn goes_on(&mut self, first: &Message) {
        let Some(before) = Continued::read(first) else {
            return;
        };
        self.address = before.remote_addr.as_ref().map(short);
        self.authenticated = before.username.is_some();
        self.user = before.username.as_ref().map(short);
    }

    fn logged_in(&mut self, username: &Text, message: &Message) {
        let handshake = Handshake::from_extra(&message.extra);
        let proven = handshake.authenticated_username;
        self.user = Some(short(proven.as_ref().unwrap_or(username)));
        self.authenticated = true;
        let client = handshake.client_version.as_ref().map(short);
        self.client_version = client.or(self.client_version.take());
    }

    fn offered(&mut self, event: &Event) {
        let name = match event {
            Event::AuthPassword(auth) => &auth.username,
            Event::AuthPubKey(auth) => &auth.username,
            Event::KeyboardInteractiveChallenge(auth) => &auth.username,
            _ => return,
        };
        if !self.authenticated {
            self.user = Some(short(name));
        }
    }

    fn started(&mut self, channel: Option<u64>, what: What) {
        self.program_count += 1;
        if self.programs.len() < MOST_PROGRAMS {
            let exit = None;
            self.programs.push(Program {
                channel,
                what,
                exit,
            });
        }
    }

    fn exited(&mut self, channel: Option<u64>, exit: Exit) {
        let mut programs = self.programs.iter_mut().rev();
        if let Some(program) = programs.find(|program| program.channel == channel) {
            program.exit = Some(exit);
        }
    }
}

fn short(text: &Text) -> Text {
    let bytes = text.as_bytes();
    Text::from(bytes.get(..LONGEST_TEXT).unwrap_or(bytes))
}
