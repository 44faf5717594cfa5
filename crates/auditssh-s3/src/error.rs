//! What a store may answer instead of what was asked for.

use std::fmt;
use std::time::Duration;

/// A request that did not do what it should. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {text}")]
pub struct StoreError {
    /// What follows from it.
    pub kind: Kind,
    /// The operation, as the service calls it.
    pub operation: &'static str,
    /// What the service said, and what can be done, for people.
    pub text: String,
    /// The time after which the service wants to be asked again.
    pub retry_after: Option<Duration>,
}

/// What follows from a failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No answer, or none that can be understood: it may have been done or not.
    Unanswered,
    /// The service cannot do it now: it may have been done or not.
    Busy,
    /// The answer does not fit what was sent.
    Corrupt,
    /// The clock of this machine and that of the service differ.
    Clock,
    /// The credentials are missing, wrong or expired.
    Credentials,
    /// The credentials do not allow it.
    Denied,
    /// There is no such bucket.
    NoBucket,
    /// There is no such multipart upload (any more).
    NoUpload,
    /// Parts of a multipart upload are missing or wrong.
    BadParts,
    /// An object has this key already.
    Exists,
    /// The service does not know what was asked for.
    Unsupported,
    /// Anything else that the service refuses.
    Refused,
}

impl Kind {
    /// All kinds, in the order of [`Counters::failures`](crate::Counters::failures).
    pub const ALL: [Self; 12] = [
        Self::Unanswered,
        Self::Busy,
        Self::Corrupt,
        Self::Clock,
        Self::Credentials,
        Self::Denied,
        Self::NoBucket,
        Self::NoUpload,
        Self::BadParts,
        Self::Exists,
        Self::Unsupported,
        Self::Refused,
    ];

    /// A word for logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unanswered => "unanswered",
            Self::Busy => "busy",
            Self::Corrupt => "corrupt",
            Self::Clock => "clock",
            Self::Credentials => "credentials",
            Self::Denied => "denied",
            Self::NoBucket => "no_bucket",
            Self::NoUpload => "no_upload",
            Self::BadParts => "bad_parts",
            Self::Exists => "exists",
            Self::Unsupported => "unsupported",
            Self::Refused => "refused",
        }
    }

    /// Whether the same request cannot succeed until someone mends something.
    pub const fn is_permanent(self) -> bool {
        matches!(
            self,
            Self::Clock
                | Self::Credentials
                | Self::Denied
                | Self::NoBucket
                | Self::Unsupported
                | Self::Refused
        )
    }

    /// Whether what was asked for may have been done all the same.
    pub const fn is_unsure(self) -> bool {
        matches!(self, Self::Unanswered | Self::Busy | Self::Corrupt)
    }

    /// Whether it says that the service works and answers us.
    pub const fn is_answer(self) -> bool {
        matches!(self, Self::NoUpload | Self::BadParts | Self::Exists)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl StoreError {
    pub(crate) fn new(kind: Kind, operation: &'static str, text: impl Into<String>) -> Self {
        Self {
            kind,
            operation,
            text: text.into(),
            retry_after: None,
        }
    }
}
