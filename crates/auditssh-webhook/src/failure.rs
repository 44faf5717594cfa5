//! Why a request has no answer.

use crate::client::ANSWER_BYTES;
use hyper::StatusCode;
use std::error::Error;
use std::io;
use std::time::Duration;

/// Why one request has no answer. It holds nothing of what was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// The chain of reasons, since the outermost says little.
    #[error("the connection failed: {text}")]
    Exchange { text: String, refused: bool },
    #[error("no answer within {0:?} (timeout)")]
    Timeout(Duration),
    #[error("too many questions at a time wait for an answer already")]
    Busy,
    #[error("status {0} instead of 200")]
    Status(u16),
    #[error("a redirect (status {0}), which is not followed; set `url` to where it leads")]
    Redirect(u16),
    #[error("an answer of more than {ANSWER_BYTES} bytes")]
    TooLarge,
    #[error("an answer that is not what is wanted: {0}")]
    Malformed(String),
    /// How a login elsewhere ended.
    #[error("{0}")]
    Ended(String),
}

impl Failure {
    /// A status that is no success.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let number = status.as_u16();
        if status.is_redirection() {
            Self::Redirect(number)
        } else {
            Self::Status(number)
        }
    }

    /// What broke a connection that was there.
    pub(crate) fn of_exchange(error: &hyper::Error) -> Self {
        let mut text = error.to_string();
        let mut refused = false;
        let mut next = error.source();
        while let Some(source) = next {
            text = format!("{text}: {source}");
            refused |= is_refusal(source);
            next = source.source();
        }
        Self::Exchange { text, refused }
    }

    /// Whether the same request may be answered in a while. What is wrong with the configuration
    /// of either side stays wrong, and waiting for it would only hold up who logs in.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Timeout(_) | Self::Busy => true,
            Self::Tls(error) => !error.get_ref().is_some_and(|inner| is_refusal(inner)),
            Self::Exchange { refused, .. } => !refused,
            Self::Status(status) => matches!(status, 408 | 425 | 429 | 500..=599),
            Self::Redirect(_) | Self::TooLarge | Self::Malformed(_) | Self::Ended(_) => false,
        }
    }
}

/// Whether one side does not take the other's certificate, version or key.
fn is_refusal(error: &(dyn Error + 'static)) -> bool {
    let inner = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    let inner = inner.map_or(error, |inner| inner);
    matches!(
        inner.downcast_ref::<rustls::Error>(),
        Some(
            rustls::Error::InvalidCertificate(_)
                | rustls::Error::AlertReceived(_)
                | rustls::Error::PeerIncompatible(_)
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_while_may_mend_is_told_from_what_it_can_not() {
        for status in [500, 502, 503, 504, 429, 408] {
            assert!(Failure::Status(status).may_pass(), "{status}");
        }
        for status in [201, 204, 400, 401, 403, 404, 418] {
            assert!(!Failure::Status(status).may_pass(), "{status}");
        }
        let refused = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
        assert!(!Failure::Tls(io::Error::other(refused)).may_pass());
        assert!(Failure::Tls(io::ErrorKind::UnexpectedEof.into()).may_pass());
        assert!(Failure::Connect(io::ErrorKind::ConnectionRefused.into()).may_pass());
    }
}
