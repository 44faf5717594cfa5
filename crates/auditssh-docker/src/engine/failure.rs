//! Why the engine can't be used.

use bollard::errors::Error;
use std::time::Duration;

/// Letters of what an engine says that are repeated.
const WORDS: usize = 500;

/// Why the engine can't be used.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It answers with an error.
    #[error("the Docker engine refuses: {message}")]
    Refused { code: u16, message: String },
    /// It is not there, or goes away.
    #[error("the Docker engine can't be reached: {0}")]
    Unreachable(String),
    /// It does not answer.
    #[error("the Docker engine gave no answer to `{what}` within {limit:?} (docker.timeouts)")]
    Late { what: &'static str, limit: Duration },
    /// What it says is not understood.
    #[error("the Docker engine's answer can't be used: {0}")]
    Other(String),
}

impl Failure {
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::DockerResponseServerError {
                status_code,
                message,
            } => Self::refused(*status_code, message),
            Error::IOError { .. } | Error::HyperResponseError { .. } => {
                Self::unreachable(&source(error))
            }
            Error::DockerStreamError { error } => Self::other(error),
            // These repeat what could not be read, which may hold a secret.
            Error::JsonDataError { .. } | Error::JsonSerdeError { .. } => {
                Self::other("it is not in the form that is known")
            }
            other => Self::other(other.to_string()),
        }
    }

    pub(super) fn refused(code: u16, message: &str) -> Self {
        Self::Refused {
            code,
            message: short(message),
        }
    }

    pub(super) fn unreachable(error: &str) -> Self {
        Self::Unreachable(short(error))
    }

    pub(super) fn other(text: impl AsRef<str>) -> Self {
        Self::Other(short(text.as_ref()))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::of(&error)
    }
}

/// The innermost reason, which is what tells something.
fn source(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn short(text: &str) -> String {
    let text = text.trim();
    let plain = text.chars().take(WORDS);
    plain
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}
