//! One connection: one request, one answer, within a time.

use crate::page::{Answer, Page};
use crate::tls::Tls;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Bytes of a request's head, and of what is read at a time.
const HEAD_BYTES: usize = 16 * 1024;
/// Header fields of a request.
const FIELDS: usize = 64;
/// How long the head of a request may take.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long everything may take, however slowly a client reads.
const WHOLE_TIME: Duration = Duration::from_secs(30);

/// Serves one connection. What goes wrong is the client's to notice: who may reach the address
/// could fill a log with it.
pub(crate) async fn serve(tcp: TcpStream, tls: Option<Tls>, page: Arc<dyn Page>) {
    let whole = async {
        match tls {
            None => exchange(tcp, page).await,
            Some(tls) => {
                if let Ok(stream) = tls.accept(tcp).await {
                    exchange(stream, page).await;
                }
            }
        }
    };
    let _ = tokio::time::timeout(WHOLE_TIME, whole).await;
}

async fn exchange<S>(stream: S, page: Arc<dyn Page>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(&request, &*page);
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_headers(FIELDS)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let _ = connection.await;
}

fn respond<B>(request: &Request<B>, page: &dyn Page) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = response(Answer::text(405, "only GET and HEAD are served here"));
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return response;
    }
    let accepts = request.headers().get(ACCEPT);
    let accepts = accepts.and_then(|accepts| accepts.to_str().ok());
    let json = accepts.is_some_and(|accepts| accepts.contains("application/json"));
    response(page.answer(request.uri().path(), json))
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in [
        (CONTENT_TYPE, answer.kind),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

#[cfg(test)]
mod tests;
