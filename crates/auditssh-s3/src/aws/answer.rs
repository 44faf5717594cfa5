//! What the service's answers mean.

use crate::error::{Kind, StoreError};
use crate::store::Receipt;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::ServerSideEncryption;
use std::error::Error;
use std::time::Duration;

/// No text of the service is shown beyond so many characters.
const LONGEST: usize = 300;

/// Answers to what was sent.
pub(super) fn receipt(
    etag: Option<&str>,
    sha256: Option<&str>,
    crc64: Option<&str>,
    encryption: Option<&ServerSideEncryption>,
) -> Receipt {
    Receipt {
        etag: etag.map(|etag| etag.trim_matches('"').to_owned()),
        sha256: sha256.map(str::to_owned),
        crc64: crc64.map(str::to_owned),
        opaque: encryption.is_some_and(|encryption| encryption.as_str().starts_with("aws:kms")),
    }
}

/// What a failed request means.
pub(super) fn failed<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let raw = error.raw_response();
    let status = raw.map(|raw| raw.status().as_u16());
    let retry_after = raw
        .and_then(|raw| raw.headers().get("retry-after"))
        .and_then(|value| value.trim().parse().ok())
        .map(Duration::from_secs);
    let (kind, text) = match (error.as_service_error(), status) {
        (Some(service), status) => {
            let code = service.code().unwrap_or_default();
            let kind = kind_of(operation, code, status.unwrap_or_default());
            let message = service.message().unwrap_or_default();
            (kind, said(status, code, message))
        }
        (None, Some(status)) => (kind_of(operation, "", status), said(Some(status), "", "")),
        (None, None) => unsent(error),
    };
    let text = match remedy(kind) {
        "" => text,
        remedy => format!("{text}; {remedy}"),
    };
    StoreError {
        kind,
        operation,
        text,
        retry_after,
    }
}

fn said(status: Option<u16>, code: &str, message: &str) -> String {
    let status = status.map_or_else(|| "error".into(), |status| format!("status {status}"));
    let mut text = status;
    for more in [code, message] {
        if !more.is_empty() {
            text.push_str(", ");
            text.extend(
                more.chars()
                    .filter(|letter| !letter.is_control())
                    .take(LONGEST),
            );
        }
    }
    text
}

/// What a code of S3 and a status of HTTP mean.
fn kind_of(operation: &str, code: &str, status: u16) -> Kind {
    match code {
        "NoSuchUpload" => Kind::NoUpload,
        "NoSuchBucket" => Kind::NoBucket,
        "InvalidPart" | "InvalidPartOrder" | "EntityTooSmall" => Kind::BadParts,
        "PreconditionFailed" => Kind::Exists,
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidToken"
        | "TokenRefreshRequired"
        | "InvalidSecurity"
        | "InvalidClientTokenId" => Kind::Credentials,
        "RequestTimeTooSkewed" | "RequestExpired" => Kind::Clock,
        "BadDigest"
        | "InvalidDigest"
        | "XAmzContentSHA256Mismatch"
        | "IncompleteBody"
        | "XAmzContentChecksumMismatch" => Kind::Corrupt,
        "SlowDown"
        | "RequestTimeout"
        | "ServiceUnavailable"
        | "InternalError"
        | "OperationAborted"
        | "ConditionalRequestConflict"
        | "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "TooManyRequests" => Kind::Busy,
        "NotImplemented" => Kind::Unsupported,
        _ => kind_of_status(operation, status),
    }
}

fn kind_of_status(operation: &str, status: u16) -> Kind {
    match status {
        // An answer like this is none.
        0 | 200..=299 => Kind::Unanswered,
        401 | 403 => Kind::Denied,
        404 if matches!(
            operation,
            "UploadPart" | "CompleteMultipartUpload" | "AbortMultipartUpload"
        ) =>
        {
            Kind::NoUpload
        }
        404 => Kind::NoBucket,
        412 => Kind::Exists,
        501 => Kind::Unsupported,
        408 | 409 | 429 | 500..=599 => Kind::Busy,
        _ => Kind::Refused,
    }
}

/// What happened to a request that has no answer, or was not even sent.
fn unsent<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> (Kind, String) {
    let mut chain = Vec::new();
    let mut kind = Kind::Unanswered;
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if cause.is::<CredentialsError>() {
            kind = Kind::Credentials;
        }
        chain.push(cause.to_string());
        next = cause.source();
    }
    chain.dedup();
    let text = chain.join(": ");
    if text.contains("invalid peer certificate") {
        kind = Kind::Refused;
    }
    let text = text
        .chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST);
    let mut text: String = text.collect();
    if kind == Kind::Refused {
        text.push_str("; if the service has an authority of its own, set `audit.s3.cacert`");
    }
    (kind, text)
}

/// What someone can do about it.
const fn remedy(kind: Kind) -> &'static str {
    match kind {
        Kind::Credentials => {
            "set working credentials: `audit.s3.accessKey` and `secretKeyFile`, or the usual sources"
        }
        Kind::Denied => "give the credentials the permissions that docs/s3.md names",
        Kind::NoBucket => "create the bucket, or correct `audit.s3.bucket`, `region` or `endpoint`",
        Kind::Clock => "the clock of this machine or of the service is wrong",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_before_status_and_both_have_a_meaning() {
        let put = |code, status| kind_of("PutObject", code, status);
        assert_eq!(put("AccessDenied", 403), Kind::Denied);
        assert_eq!(put("ExpiredToken", 400), Kind::Credentials);
        assert_eq!(put("RequestTimeTooSkewed", 403), Kind::Clock);
        assert_eq!(put("InternalError", 200), Kind::Busy);
        assert_eq!(put("", 200), Kind::Unanswered);
        assert_eq!(put("SlowDown", 503), Kind::Busy);
        assert_eq!(put("", 429), Kind::Busy);
        assert_eq!(put("NotImplemented", 501), Kind::Unsupported);
        assert_eq!(put("EntityTooLarge", 400), Kind::Refused);
        assert_eq!(put("", 404), Kind::NoBucket);
        assert_eq!(kind_of("UploadPart", "", 404), Kind::NoUpload);
        assert_eq!(put("", 412), Kind::Exists);
    }

    #[test]
    fn what_the_service_says_is_shown_on_one_short_line() {
        let text = said(Some(400), "Bad\nCode", &"x".repeat(9999));
        assert!(text.starts_with("status 400, BadCode, xxx"), "{text}");
        assert!(text.len() < 400 && !text.contains('\n'));
    }
}
