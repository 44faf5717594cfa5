//! What comes of talking to a server.

/// Why a server can't be used.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The host key is not one that is trusted; the text says which one it is.
    #[error("{0}")]
    HostKey(String),
    /// No algorithm of a kind is known to both.
    #[error("no common {kind} algorithm: the server offers {theirs}")]
    NoCommon {
        /// What kind, such as `kex`.
        kind: String,
        /// What the server can do, clipped.
        theirs: String,
    },
    /// The server does more than any honest one does.
    #[error("the server misbehaves: {0}")]
    Hostile(&'static str),
    /// A credential of the gateway can't be used.
    #[error("{0}")]
    Credential(String),
    /// The connection has ended.
    #[error("{0}")]
    Ended(String),
}

/// What a server answered to a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The user is logged in.
    Accepted,
    /// Not by this, or not by this alone.
    Refused(Methods),
}

/// The methods by which a server lets users log in, and how far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set")]
pub(crate) struct Methods {
    pub(crate) public_key: bool,
    pub(crate) password: bool,
    pub(crate) interactive: bool,
    /// The credential was good, and another one is wanted.
    pub(crate) partial: bool,
}

impl From<::russh::Error> for Failure {
    fn from(error: ::russh::Error) -> Self {
        match error {
            ::russh::Error::NoCommonAlgo { kind, theirs, .. } => Self::NoCommon {
                kind: format!("{kind:?}").to_lowercase(),
                theirs: shown(&theirs.join(", ")),
            },
            ::russh::Error::Disconnect
            | ::russh::Error::HUP
            | ::russh::Error::SendError
            | ::russh::Error::RecvError
            | ::russh::Error::NoAuthMethod => {
                Self::Ended("the server closed the connection".to_owned())
            }
            ::russh::Error::ChannelOpenFailure(reason) => {
                Self::Ended(format!("the server opens no session: {reason:?}"))
            }
            ::russh::Error::Join(_) => Self::Ended("internal error".to_owned()),
            error => Self::Ended(shown(&error.to_string())),
        }
    }
}

/// What a server said, as it may stand in a log.
pub(super) fn shown(text: &str) -> String {
    crate::session::clip(text, 300).escape_debug().to_string()
}
