//! A connection that a request turns into the streams of a program.

use super::dial::{Dialer, HEAD_BYTES, HOST};
use super::failure::Failure;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST as HOST_HEADER, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Bytes of an answer.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of an error.
const ERROR_BYTES: usize = 64 * 1024;

/// Bytes in both directions; each can be closed alone.
pub(crate) type Hijacked = TokioIo<Upgraded>;

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

impl Dialer {
    /// Reads JSON, of which only the part that is wanted must be known.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let mut sender = self.sender().await?;
        let request = Request::get(path)
            .header(HOST_HEADER, HOST)
            .body(Full::new(Bytes::new()))
            .map_err(|error| Failure::other(error.to_string()))?;
        let answer = sender.send_request(request).await.map_err(broken)?;
        if answer.status() != StatusCode::OK {
            return Err(refused(answer).await);
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect();
        let body = body.await.map(Collected::to_bytes);
        let body = body.map_err(|error| Failure::other(error.to_string()))?;
        // The library's own words may repeat what was read.
        serde_json::from_slice(&body)
            .map_err(|_| Failure::other("it is not in the form that is known"))
    }

    async fn sender(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let stream = self.dial().await;
        let stream = stream.map_err(|error| Failure::unreachable(&error.to_string()))?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        self.tasks.spawn(connection.with_upgrades());
        Ok(sender)
    }

    /// Posts JSON, and takes the connection over.
    pub(super) async fn hijack(&self, path: &str, body: Bytes) -> Result<Hijacked, Failure> {
        let mut sender = self.sender().await?;
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

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what errors are mapped by"
)]
fn broken(error: hyper::Error) -> Failure {
    Failure::unreachable(&error.to_string())
}

async fn refused(answer: Response<Incoming>) -> Failure {
    let code = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), ERROR_BYTES).collect();
    let body = body.await.map(Collected::to_bytes).unwrap_or_default();
    let told = serde_json::from_slice::<Refusal>(&body);
    let told = told.map_or_else(|_| format!("status {code}"), |refusal| refusal.message);
    Failure::refused(code, &told)
}
