//! Which event is kept, redacted or dropped: a pure function of event and settings.
//!
//! | event | kept if | otherwise |
//! |---|---|---|
//! | 500 on a session channel, stream 0 | `stdin` | dropped; `echoed`: a count in its place, unless the terminal echoes |
//! | 500 on a session channel, stream 1 | `stdout` | dropped |
//! | 500 on a session channel, stream 2 | `stderr` | dropped |
//! | 500 on a forwarded channel, any stream | `forwarding` | dropped |
//! | 100 to 103 | `passwords` | the password becomes an empty byte string |
//! | 109 | `passwords` | every answer becomes an empty text |
//! | 409 | `passwords` | the cookie becomes an empty text: it lets whoever has it onto the user's display |
//! | what the ledger of files tells | `files` | dropped |
//! | everything else | always | |

use crate::extension::MaskedInput;
use crate::message::{Event, Extra, Io, KeyboardInteractiveAnswers, Stream, Text};

/// What of a session is intercepted (`audit.intercept`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in the configuration"
)]
pub struct Intercept {
    /// Bytes from the client.
    pub stdin: Stdin,
    /// Bytes of standard output.
    pub stdout: bool,
    /// Bytes of standard error.
    pub stderr: bool,
    /// Passwords and keyboard-interactive answers.
    pub passwords: bool,
    /// Bytes on forwarded channels.
    pub forwarding: bool,
    /// What happened to files, without their contents.
    pub files: bool,
}

/// What is kept of the bytes from the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stdin {
    /// Nothing.
    #[default]
    No,
    /// Only what is typed while the terminal echoes; a count in place of the rest.
    Echoed,
    /// Everything.
    Yes,
}

/// What an event belongs to, as far as the policy asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The connection itself, or a session channel of which it is not known that its terminal
    /// echoes.
    #[default]
    Session,
    /// A session channel whose terminal shows, at this moment, what is typed.
    EchoingSession,
    /// A forwarded channel: TCP, Unix socket, X11 or agent.
    Forward,
    /// The ledger of files, which tells of events what is in them.
    Ledger,
}

/// What becomes of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is recorded as it is.
    Kept(Event),
    /// This is recorded in its place.
    Redacted {
        /// The event without what is not to be kept.
        event: Event,
        /// Keys that go with it.
        extra: Extra,
    },
    /// Nothing of it is recorded.
    Dropped,
}

impl Intercept {
    /// Everything is kept.
    pub const ALL: Self = Self {
        stdin: Stdin::Yes,
        stdout: true,
        stderr: true,
        passwords: true,
        forwarding: true,
        files: true,
    };

    /// Decides about one event. The secret parts of what is not kept are in no part of the result.
    pub fn apply(&self, event: Event, origin: Origin) -> Verdict {
        match event {
            _ if origin == Origin::Ledger && !self.files => Verdict::Dropped,
            Event::Io(io) => self.bytes(io, origin),
            event if self.passwords => Verdict::Kept(event),
            Event::AuthPassword(mut auth) => {
                forget(&mut auth.password);
                redacted(Event::AuthPassword(auth))
            }
            Event::AuthPasswordSuccessful(mut auth) => {
                forget(&mut auth.password);
                redacted(Event::AuthPasswordSuccessful(auth))
            }
            Event::AuthPasswordFailed(mut auth) => {
                forget(&mut auth.password);
                redacted(Event::AuthPasswordFailed(auth))
            }
            Event::AuthPasswordBackendError(mut auth) => {
                forget(&mut auth.password);
                redacted(Event::AuthPasswordBackendError(auth))
            }
            Event::KeyboardInteractiveAnswer(mut answers) => {
                forget_answers(&mut answers);
                redacted(Event::KeyboardInteractiveAnswer(answers))
            }
            Event::X11(mut x11) => {
                x11.cookie = Text::default();
                redacted(Event::X11(x11))
            }
            event => Verdict::Kept(event),
        }
    }

    fn bytes(self, io: Io, origin: Origin) -> Verdict {
        let kept = match (origin, io.stream) {
            (Origin::Forward, _) => self.forwarding,
            (_, Stream::Stdout) => self.stdout,
            (_, Stream::Stderr) => self.stderr,
            (_, Stream::Other(_)) => self.stdout && self.stderr,
            (_, Stream::Stdin) => match self.stdin {
                Stdin::No => false,
                Stdin::Yes => true,
                Stdin::Echoed if origin == Origin::EchoingSession => true,
                Stdin::Echoed => {
                    let (event, extra) = MaskedInput::of(&io.data).record();
                    return Verdict::Redacted { event, extra };
                }
            },
        };
        if kept {
            Verdict::Kept(Event::Io(io))
        } else {
            Verdict::Dropped
        }
    }
}

impl Verdict {
    /// What is to be recorded, with the keys that go with it.
    pub fn into_event(self) -> Option<(Event, Extra)> {
        match self {
            Self::Kept(event) => Some((event, Extra::new())),
            Self::Redacted { event, extra } => Some((event, extra)),
            Self::Dropped => None,
        }
    }
}

fn redacted(event: Event) -> Verdict {
    Verdict::Redacted {
        event,
        extra: Extra::new(),
    }
}

/// A password that was not given stays null: there is nothing to hide in it.
fn forget(password: &mut Option<Vec<u8>>) {
    if let Some(password) = password {
        *password = Vec::new();
    }
}

fn forget_answers(answers: &mut KeyboardInteractiveAnswers) {
    for answer in answers.answers.iter_mut().flatten() {
        answer.answer = Text::default();
    }
}

#[cfg(test)]
mod tests;
