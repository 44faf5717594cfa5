//! A connection that a request turns into the streams of a program.

use super::dial::{Dialer, HEAD_BYTES, HOST};
use super::failure::Failure;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST as HOST_HEADER, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;

/// Bytes of an error.
const ERROR_BYTES: usize = 64 * 1024;

/// Bytes in both directions; each can be closed alone.
pub(crate) type Hijacked = TokioIo<Upgraded>;

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

impl Dialer {
    /// Posts JSON, and takes the connection over.
    pub(super) async fn hijack(&self, path: &str, body: Bytes) -> Result<Hijacked, Failure> {
        let stream = self.dial().await;
        let stream = stream.map_err(|error| Failure::unreachable(&error.to_string()))?;
        let broken = |error: hyper::Error| Failure::unreachable(&error.to_string());
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        self.tasks.spawn(connection.with_upgrades());
        let request = Request::post(path)
            .header(HOST_HEADER, HOST)
            .header(CONTENT_TYPE, "application/json")
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "tcp")
            .body(Full::new(body))
            .map_err(|error| Failure::other(error.to_string()))?;
        let answer = sender.send_request(request).await.map_err(broken)?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refused(answer).await);
        }
        let upgraded = hyper::upgrade::on(answer).await.map_err(broken)?;
        Ok(TokioIo::new(upgraded))
    }
}

async fn refused(answer: Response<Incoming>) -> Failure {
    let code = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), ERROR_BYTES).collect();
    let body = body.await.map(Collected::to_bytes).unwrap_or_default();
    let told = serde_json::from_slice::<Refusal>(&body);
    let told = told.map_or_else(|_| format!("status {code}"), |refusal| refusal.message);
    Failure::refused(code, &told)
}
