//! What every answer has: a body that says what is wrong, and headers that keep browsers from
//! anything that the pages do not need.

use crate::hosts::Asked;
use axum::Json;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, RETRY_AFTER,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::time::Duration;

/// No script and no style but our own files, and nothing from anywhere else. The player compiles its
/// terminal from WebAssembly, which is code of our own files, too.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
                      img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";
const PERMISSIONS: &str = "camera=(), microphone=(), geolocation=(), payment=(), usb=()";

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    text: String,
    retry: Option<Duration>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
            retry: None,
        }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing here")
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(crate) fn busy(text: impl Into<String>, retry: Duration) -> Self {
        Self {
            retry: Some(retry),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, text)
        }
    }

    /// The log cannot be read. What exactly is wrong is for the server's log.
    pub(crate) fn unreadable(error: &std::io::Error) -> Self {
        tracing::warn!(%error, "a log cannot be read");
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::not_found(),
            _ => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the recording cannot be read; the server's log says why",
            ),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut answer = (self.status, Json(json!({"error": self.text}))).into_response();
        if let Some(wait) = self.retry {
            let seconds = wait.as_secs().saturating_add(1);
            answer.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        answer
    }
}

/// Sets the headers of every answer, whatever it is.
pub(crate) async fn dress(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let secure = answer
        .extensions()
        .get::<Asked>()
        .is_some_and(|asked| asked.secure);
    let headers = answer.headers_mut();
    set(headers, CONTENT_SECURITY_POLICY, POLICY);
    set(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, X_FRAME_OPTIONS, "DENY");
    set(headers, REFERRER_POLICY, "no-referrer");
    set(headers, named("cross-origin-opener-policy"), "same-origin");
    set(
        headers,
        named("cross-origin-resource-policy"),
        "same-origin",
    );
    set(
        headers,
        named("cross-origin-embedder-policy"),
        "require-corp",
    );
    set(headers, named("permissions-policy"), PERMISSIONS);
    if secure {
        set(headers, STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    if !headers.contains_key(CACHE_CONTROL) {
        set(headers, CACHE_CONTROL, "no-store");
    }
    answer
}

fn named(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}
