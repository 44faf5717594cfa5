//! One logged-in or not yet logged-in connection, without a word of the SSH library: what its
//! callbacks mean, what is recorded of them, and in which order.

mod arrival;
mod backward;
mod channel;
mod client;
mod forward;
mod inbox;
mod link;
mod listen;
mod login;
mod open;
mod pump;
mod relay;
mod request;
mod splice;
mod window;

pub(crate) use backward::Backward;
pub(crate) use channel::{Channel, Outlet};
pub(crate) use link::Link;
pub(crate) use listen::Asked;
pub(crate) use login::{Answer, Challenge, Door, Login, PROMPT};
pub(crate) use open::Opening;
pub(crate) use window::first as first_window;

use auditssh_archive::RecordError;

/// Why a connection ends.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Ended {
    /// The peers do not understand each other, or the network failed them.
    #[error("{0}")]
    Protocol(String),
    /// What happened could not be recorded.
    #[error(transparent)]
    Recording(#[from] RecordError),
    /// The client is gone.
    #[error("the client has gone away")]
    Vanished,
    /// It was decided elsewhere.
    #[error("the connection is being closed")]
    Over,
    /// Something in it panicked.
    #[error("internal error")]
    Panic,
    /// Too many attempts to log in.
    #[error("too many authentication failures")]
    Attempts,
}

/// At most `limit` bytes of a text that a client sent, cut between characters.
pub(crate) fn clip(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
