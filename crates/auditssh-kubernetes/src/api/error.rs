//! What the API server, or the way to it, says instead of an answer.

use kube::core::Status;
use std::fmt::Write as _;
use std::time::Duration;

/// Characters of a message that are told.
const MESSAGE: usize = 1000;

/// Why a request was not carried out, as an administrator is told it.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The API server says no.
    #[error("{}", refusal(*code, message))]
    Told { code: u16, message: String },
    /// The API server can't be spoken to.
    #[error("the Kubernetes API can't be reached: {0}")]
    Unreachable(String),
    /// It does not answer.
    #[error("the Kubernetes API gave no answer within {0:?} (kubernetes.timeouts.http)")]
    TimedOut(Duration),
    /// Something else stands there.
    #[error("what answers is no Kubernetes API: {0}")]
    Nonsense(&'static str),
    /// It can't be asked.
    #[error("{0}")]
    Unbuilt(String),
}

impl ApiError {
    pub(super) fn unbuilt(error: impl std::fmt::Display) -> Self {
        Self::Unbuilt(format!("the request can't be made: {error}"))
    }

    /// An answer that is no success.
    pub(super) fn told(code: u16, body: &[u8]) -> Self {
        let message = match serde_json::from_slice::<Status>(body) {
            Ok(status) if !status.message.is_empty() => status.message,
            _ => "no reason is told".to_owned(),
        };
        let message = clip(&message);
        Self::Told { code, message }
    }

    pub(super) fn of(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Told {
                code: status.code,
                message: clip(&status.message),
            },
            kube::Error::UpgradeConnection(_) => Self::Nonsense(
                "it does not speak WebSocket with the protocols v5.channel.k8s.io or \
                 v4.channel.k8s.io (is a proxy between?)",
            ),
            other => Self::Unreachable(chain(&other)),
        }
    }

    /// Whether the API server answered with a code.
    pub(crate) fn is(&self, wanted: u16) -> bool {
        matches!(self, Self::Told { code, .. } if *code == wanted)
    }

    /// Whether it may go well another time.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Told { code, .. } => matches!(code, 408 | 410 | 429 | 500..),
            Self::Unreachable(_) | Self::TimedOut(_) => true,
            Self::Nonsense(_) | Self::Unbuilt(_) => false,
        }
    }
}

fn refusal(code: u16, message: &str) -> String {
    let hint = match code {
        401 => " (the token or the certificate of `kubernetes.connection` is not taken)",
        403 => " (the gateway's service account needs a role that allows it)",
        _ => "",
    };
    format!("the Kubernetes API refused: {message}{hint}")
}

/// An error with all that caused it, each once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            let _ = write!(text, ": {said}");
        }
        next = cause.source();
    }
    clip(&text)
}

/// What others say, as one line of bounded length.
pub(crate) fn clip(text: &str) -> String {
    let printable = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.chars().take(MESSAGE).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_in_one_line_with_what_to_do() {
        let body =
            br#"{"kind":"Status","status":"Failure","code":403,"message":"pods is\nforbidden"}"#;
        let said = ApiError::told(403, body).to_string();
        assert_eq!(
            said,
            "the Kubernetes API refused: pods is forbidden (the gateway's service account needs a \
             role that allows it)"
        );
        let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(5000));
        assert!(ApiError::told(422, long.as_bytes()).to_string().len() < 1100);
        assert!(ApiError::told(500, b"<html>").is_passing());
        assert!(!ApiError::told(404, b"").is_passing());
    }
}
