use crate::Visible;
use crate::files::{Action, Direction, Entry};
use crate::runs::{Did, Start, Step};
use crate::summary::{self, Summary, What};
use auditssh_log::extension::{Gap, Handshake, MaskedInput};
use auditssh_log::message::{Event, Message, Stream, Text};
use serde::{Deserialize, Serialize};

/// Most programs of a connection that are named; more are only counted.
pub const MOST_PROGRAMS: usize = 32;
/// How much of a text is kept, in bytes.
pub const LONGEST_TEXT: usize = 256;

/// What a list of connections shows and a filter asks for.
///
/// All texts are safe to show: what is not UTF-8 or cannot be seen is escaped, as by [`Visible`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// Id of the connection.
    pub id: String,
    /// Unix time of the first message in nanoseconds.
    pub start: Option<i64>,
    /// Unix time of the last message in nanoseconds.
    pub end: Option<i64>,
    /// Whoever is logged in; else the last name that was offered.
    pub user: Option<String>,
    /// Whether that name was proven.
    pub authenticated: bool,
    /// How, as far as the log says.
    pub method: Option<String>,
    /// IP address of the client.
    pub address: Option<String>,
    /// Country of that address: two letters, or `XX`.
    pub country: Option<String>,
    /// Identification string of the client.
    pub client: Option<String>,
    /// The programs that ran, in order; the first [`MOST_PROGRAMS`].
    pub programs: Vec<Program>,
    /// How many programs ran.
    pub program_count: u64,
    /// How many connections were forwarded.
    pub forwards: u64,
    /// How many messages there are.
    pub messages: u64,
    /// Bytes that were recorded, for each stream.
    pub bytes: Bytes,
    /// Files that went from the client and to it.
    pub uploads: u64,
    /// Files that went to the client.
    pub downloads: u64,
    /// Files that were renamed, removed, made or changed otherwise.
    pub changes: u64,
    /// Passwords and answers that were wrong.
    pub failed_logins: u64,
    /// Requests and channels that were refused.
    pub failed_requests: u64,
    /// Stretches that are missing.
    pub gaps: u64,
    /// Bytes that were typed without echo, and are not in the log.
    pub masked: u64,
    /// Why the login failed.
    pub failure: Option<String>,
    /// Whether the log has its last message.
    pub disconnected: bool,
}

/// Bytes of each stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    /// From the client.
    pub stdin: u64,
    /// To the client.
    pub stdout: u64,
    /// To the client, as errors.
    pub stderr: u64,
}

/// A program that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The channel it ran on.
    pub channel: u64,
    /// Which of those on this channel it is, from 0.
    pub number: u32,
    /// Unix time of its start in nanoseconds.
    pub start: i64,
    /// What was asked for.
    pub what: Kind,
    /// The command line that ran, or the subsystem's name.
    pub command: Option<String>,
    /// How it ended, as far as the log says.
    pub exit: Option<Exit>,
}

/// What a channel started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A shell.
    Shell,
    /// A command line.
    Exec,
    /// A subsystem.
    Subsystem,
    /// That stands in the log before.
    Unknown,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// With a status.
    Status(u32),
    /// By the signal of this name.
    Signal(String),
}

impl Facts {
    /// From the first message to the last, in nanoseconds.
    pub fn duration(&self) -> Option<u64> {
        let (start, end) = (self.start?, self.end?);
        u64::try_from(i128::from(end) - i128::from(start)).ok()
    }

    /// How many things happened to files.
    pub const fn files(&self) -> u64 {
        let moved = self.uploads.saturating_add(self.downloads);
        moved.saturating_add(self.changes)
    }

    /// Whether something was refused: a login, a password before it, a request or a channel.
    pub const fn failed(&self) -> bool {
        self.failure.is_some() || self.failed_logins > 0 || self.failed_requests > 0
    }

    /// Takes what [`Summary`] does not count.
    pub(super) fn push(&mut self, message: &Message) {
        match &message.event {
            Event::Connect(connect) => self.country = Some(text(&connect.country)),
            Event::HandshakeSuccessful(_) => {
                let handshake = Handshake::from_extra(&message.extra);
                self.method = handshake.auth_method.as_ref().map(text);
            }
            Event::AuthPasswordFailed(_)
            | Event::AuthPasswordBackendError(_)
            | Event::AuthPubKeyBackendError(_)
            | Event::KeyboardInteractiveFailed(_)
            | Event::KeyboardInteractiveBackendError(_) => self.failed_logins += 1,
            Event::NewChannelFailed(_)
            | Event::RequestFailed(_)
            | Event::GlobalRequestDecodeFailed(_)
            | Event::ChannelRequestDecodeFailed(_) => self.failed_requests += 1,
            Event::ChannelRequestUnknown(_) => self.notice(message),
            Event::Io(io) => {
                let bytes = match io.stream {
                    Stream::Stdin => &mut self.bytes.stdin,
                    Stream::Stderr => &mut self.bytes.stderr,
                    Stream::Stdout | Stream::Other(_) => &mut self.bytes.stdout,
                };
                *bytes = bytes.saturating_add(io.data.len() as u64);
            }
            _ => {}
        }
    }

    fn notice(&mut self, message: &Message) {
        if let Some(MaskedInput { bytes }) = MaskedInput::read(message) {
            self.masked = self.masked.saturating_add(bytes);
        } else if Gap::read(message).is_some() {
            self.gaps += 1;
        }
    }

    /// Takes a step of a program, which is the one of this number on its channel.
    pub(super) fn ran(&mut self, number: u32, step: &Step<'_>) {
        match step.what {
            Did::Begin(start) => self.began(step.channel, number, start),
            Did::Exit(exit) => {
                let mut programs = self.programs.iter_mut().rev();
                let program = programs.find(|program| program.channel == step.channel);
                if let Some(program) = program.filter(|program| program.number == number) {
                    program.exit = Some(Exit::of(exit));
                }
            }
            _ => {}
        }
    }

    fn began(&mut self, channel: u64, number: u32, start: &Start) {
        self.program_count += 1;
        if self.programs.len() >= MOST_PROGRAMS {
            return;
        }
        self.programs.push(Program {
            channel,
            number,
            start: start.time,
            what: match &start.what {
                Some(What::Shell) => Kind::Shell,
                Some(What::Exec(_)) => Kind::Exec,
                Some(What::Subsystem(_)) => Kind::Subsystem,
                None => Kind::Unknown,
            },
            command: start.command().map(text),
            exit: None,
        });
    }

    /// Takes what the ledger tells of a file.
    pub(super) fn moved(&mut self, entry: &Entry) {
        match &entry.action {
            Action::Transfer { direction, .. } => match direction {
                Direction::Upload => self.uploads += 1,
                Direction::Download => self.downloads += 1,
            },
            Action::Lost => {}
            _ => self.changes += 1,
        }
    }

    /// The facts of a connection whose summary is this.
    pub(super) fn with(self, summary: &Summary) -> Self {
        Self {
            id: text(&summary.connection_id),
            start: summary.start,
            end: summary.end,
            user: summary.user.as_ref().map(text),
            authenticated: summary.authenticated,
            address: summary.address.as_ref().map(text),
            client: summary.client_version.as_ref().map(text),
            forwards: summary.forwards,
            messages: summary.messages,
            failure: summary.failure.as_ref().map(text),
            disconnected: summary.disconnected,
            ..self
        }
    }
}

impl Exit {
    fn of(exit: &summary::Exit) -> Self {
        match exit {
            summary::Exit::Status(status) => Self::Status(*status),
            summary::Exit::Signal(signal) => Self::Signal(text(signal)),
        }
    }
}

/// A text as it is shown, cut if it is too long.
fn text(text: &Text) -> String {
    let bytes = text.as_bytes();
    Visible(bytes.get(..LONGEST_TEXT).unwrap_or(bytes)).to_string()
}
