//! The vocabulary of a log: one [`Event`] for every message type of the ContainerSSH audit log.
//!
//! Type numbers, key names and value types are those that ContainerSSH's encoder really writes.
//! Text is kept as the bytes that were received ([`Text`]); only codecs and views repair it.

mod auth;
mod channel;
mod connection;
mod forward;
mod request;
mod text;
mod value;

pub use auth::{
    AuthPassword, AuthPasswordBackendError, AuthPubKey, AuthPubKeyBackendError,
    KeyboardInteractiveAnswer, KeyboardInteractiveAnswers, KeyboardInteractiveBackendError,
    KeyboardInteractiveChallenge, KeyboardInteractiveFailed, KeyboardInteractiveQuestion,
};
pub use channel::{ExitSignal, ExitStatus, Io, NewChannel, NewChannelFailed, Stream};
pub use connection::{
    Connect, GlobalRequestDecodeFailed, GlobalRequestUnknown, HandshakeFailed, HandshakeSuccessful,
};
pub use forward::{
    ForwardChannel, ReverseForward, ReverseForwardChannel, StreamLocal, X11ForwardChannel,
};
pub use request::{
    ChannelRequestDecodeFailed, ChannelRequestUnknown, Exec, Pty, RequestFailed, SetEnv, Shell,
    Signal, Subsystem, Window, X11,
};
pub use text::Text;
pub use value::{Extra, Value};

/// One entry of a log: what happened, when, on which connection and channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Names the connection; 32 lower-case hexadecimal digits in logs of ours and of ContainerSSH.
    pub connection_id: Text,
    /// Unix time in nanoseconds; within a log of ours it never runs backwards.
    pub timestamp: i64,
    /// The channel concerned; `None` for what concerns the whole connection.
    pub channel_id: Option<u64>,
    /// What happened.
    pub event: Event,
    /// Keys of the payload that its type does not name: extensions of ours (see
    /// [`extension`](crate::extension)) and whatever a later writer adds. Kept in order. Empty for
    /// [`Event::Unknown`], which holds its payload whole.
    pub extra: Extra,
    /// Keys of the envelope beyond the five documented ones.
    pub envelope_extra: Extra,
}

/// What happened. The number of each variant is its type on the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// 0: a TCP connection was accepted.
    Connect(Connect),
    /// 1: the connection ended; always the last message.
    Disconnect,
    /// 100: a password was offered.
    AuthPassword(AuthPassword),
    /// 101: the password was right.
    AuthPasswordSuccessful(AuthPassword),
    /// 102: the password was wrong.
    AuthPasswordFailed(AuthPassword),
    /// 103: the password could not be checked.
    AuthPasswordBackendError(AuthPasswordBackendError),
    /// 104: a public key was offered.
    AuthPubKey(AuthPubKey),
    /// 105: possession of an accepted key was proven.
    AuthPubKeySuccessful(AuthPubKey),
    /// 106: the key was refused.
    AuthPubKeyFailed(AuthPubKey),
    /// 107: the key could not be checked.
    AuthPubKeyBackendError(AuthPubKeyBackendError),
    /// 108: questions were put to the user (RFC 4256).
    KeyboardInteractiveChallenge(KeyboardInteractiveChallenge),
    /// 109: the user answered.
    KeyboardInteractiveAnswer(KeyboardInteractiveAnswers),
    /// 110: the answers were refused.
    KeyboardInteractiveFailed(KeyboardInteractiveFailed),
    /// 111: the answers could not be checked.
    KeyboardInteractiveBackendError(KeyboardInteractiveBackendError),
    /// 198: the SSH handshake or the authentication came to nothing.
    HandshakeFailed(HandshakeFailed),
    /// 199: the user is logged in.
    HandshakeSuccessful(HandshakeSuccessful),
    /// 200: a global request of a kind that is not supported.
    GlobalRequestUnknown(GlobalRequestUnknown),
    /// 201: a global request that could not be parsed.
    GlobalRequestDecodeFailed(GlobalRequestDecodeFailed),
    /// 202: `tcpip-forward` (RFC 4254, 7.1).
    ForwardTcpip(ReverseForward),
    /// 203: `cancel-tcpip-forward` (RFC 4254, 7.1).
    CancelForwardTcpip(ReverseForward),
    /// 204: `streamlocal-forward@openssh.com`.
    ForwardStreamLocal(StreamLocal),
    /// 205: `cancel-streamlocal-forward@openssh.com`.
    CancelForwardStreamLocal(StreamLocal),
    /// 300: a channel was asked for.
    NewChannel(NewChannel),
    /// 301: a channel was opened.
    NewChannelSuccessful(NewChannel),
    /// 302: a channel was refused.
    NewChannelFailed(NewChannelFailed),
    /// 303: a `direct-tcpip` channel was asked for (RFC 4254, 7.2).
    NewChannelDirectTcpip(ForwardChannel),
    /// 304: a `forwarded-tcpip` channel is opened towards the client (RFC 4254, 7.2).
    NewChannelForwardedTcpip(ReverseForwardChannel),
    /// 305: an `x11` channel is opened towards the client (RFC 4254, 6.3.2).
    NewChannelX11(X11ForwardChannel),
    /// 306: a `direct-streamlocal@openssh.com` channel was asked for.
    NewChannelDirectStreamLocal(StreamLocal),
    /// 307: a `forwarded-streamlocal@openssh.com` channel is opened towards the client.
    NewChannelForwardedStreamLocal(StreamLocal),
    /// 400: a channel request of a kind that has no message of its own.
    ChannelRequestUnknown(ChannelRequestUnknown),
    /// 401: a channel request that could not be parsed.
    ChannelRequestDecodeFailed(ChannelRequestDecodeFailed),
    /// 402: `env` (RFC 4254, 6.4).
    SetEnv(SetEnv),
    /// 403: `exec` (RFC 4254, 6.5).
    Exec(Exec),
    /// 404: `pty-req` (RFC 4254, 6.2).
    Pty(Pty),
    /// 405: `shell` (RFC 4254, 6.5).
    Shell(Shell),
    /// 406: `signal` (RFC 4254, 6.9).
    Signal(Signal),
    /// 407: `subsystem` (RFC 4254, 6.5).
    Subsystem(Subsystem),
    /// 408: `window-change` (RFC 4254, 6.7).
    Window(Window),
    /// 409: `x11-req` (RFC 4254, 6.3.1).
    X11(X11),
    /// 496: the backend ended its output; what follows on the channel is no data.
    CloseWrite,
    /// 497: the channel was closed.
    Close,
    /// 498: the program ended by a signal (RFC 4254, 6.10).
    ExitSignal(ExitSignal),
    /// 499: the program ended (RFC 4254, 6.10).
    ExitStatus(ExitStatus),
    /// 500: bytes passed.
    Io(Io),
    /// 501: a channel request was refused.
    RequestFailed(RequestFailed),
    /// A type that this version does not know: kept and shown as it came.
    Unknown {
        /// The type's number.
        id: u64,
        /// Its payload.
        payload: Value,
    },
}

impl Message {
    /// A message without further keys.
    pub fn new(
        connection_id: impl Into<Text>,
        timestamp: i64,
        channel_id: Option<u64>,
        event: Event,
    ) -> Self {
        Self {
            connection_id: connection_id.into(),
            timestamp,
            channel_id,
            event,
            extra: Extra::new(),
            envelope_extra: Extra::new(),
        }
    }
}
