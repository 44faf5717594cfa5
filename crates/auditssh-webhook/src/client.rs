//! One request of HTTP/1.1 on a connection of its own: nothing is kept that could have gone stale,
//! and to drop the future is to hang up.

use crate::failure::Failure;
use crate::tls::Trust;
use crate::url::Url;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;
use zeroize::Zeroizing;

/// Bytes of the longest answer that is taken.
pub const ANSWER_BYTES: usize = 1024 * 1024;

/// Bytes of the longest head of an answer.
const HEAD_BYTES: usize = 64 * 1024;
/// Addresses of one name that are tried.
const ADDRESSES: usize = 16;
/// Room for look-ups of names: each holds a thread of those that all blocking work shares.
static LOOKUPS: Semaphore = Semaphore::const_new(16);
/// How long an address may be silent before the next one is tried beside it.
const HEAD_START: Duration = Duration::from_millis(250);
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Makes requests of one server.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) url: Url,
    /// `None` for what is not encrypted.
    pub(crate) trust: Option<Trust>,
    /// How long one request may take, from the name's look-up to the last byte of the answer.
    pub(crate) timeout: Duration,
}

impl Client {
    /// Posts JSON to a path below the URL; the answer, if its status is 200.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let timeout = timeout.min(self.timeout);
        let request = self.request(path, body)?;
        match self.send(request, timeout).await? {
            (StatusCode::OK, answer) => Ok(answer),
            (status, _) => Err(Failure::of_status(status)),
        }
    }

    /// Makes a request, whose header `Host` is put in its place; the status and the body of the
    /// answer. Only where the status is 200 or one of a request that was wrong is there a body.
    pub(crate) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        timeout: Duration,
    ) -> Result<(StatusCode, Zeroizing<Vec<u8>>), Failure> {
        let host = HeaderValue::from_str(&self.url.authority);
        let host = host.map_err(|error| Failure::Malformed(error.to_string()))?;
        let headers = request.headers_mut();
        headers.insert(HOST, host);
        headers.insert(USER_AGENT, HeaderValue::from_static("AuditSSH"));
        headers.insert(ACCEPT, JSON);
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        let exchange = tokio::time::timeout(timeout, self.connect_and_send(request));
        exchange.await.map_err(|_| Failure::Timeout(timeout))?
    }

    async fn connect_and_send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Zeroizing<Vec<u8>>), Failure> {
        let tcp = connect(&self.url).await.map_err(Failure::Connect)?;
        // It only costs time where it fails.
        let _ = tcp.set_nodelay(true);
        match &self.trust {
            None => exchange(tcp, request).await,
            Some(trust) => {
                let tls = trust.connect(&self.url.host, tcp).await;
                exchange(tls.map_err(Failure::Tls)?, request).await
            }
        }
    }

    fn request(&self, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, Failure> {
        Request::post(self.url.target(path))
            .header(CONTENT_TYPE, JSON)
            .body(Full::new(body))
            .map_err(|error| Failure::Malformed(error.to_string()))
    }
}

/// Looks the name up and connects to the first of its addresses that answers.
async fn connect(url: &Url) -> io::Result<TcpStream> {
    if let Ok(address) = url.host.parse::<IpAddr>() {
        return TcpStream::connect((address, url.port)).await;
    }
    let place = LOOKUPS.acquire().await.map_err(io::Error::other)?;
    let (host, port) = (url.host.clone(), url.port);
    // In a task of its own: its thread is taken until the system is done, whoever has left by then.
    let found = tokio::spawn(async move {
        let found = tokio::net::lookup_host((host, port)).await;
        drop(place);
        found.map(|addresses| addresses.take(ADDRESSES).collect::<Vec<_>>())
    });
    let found = found.await.map_err(io::Error::other)??;
    first(&found).await
}

/// Connects to the first of some addresses that answers. The next one is tried, too, when one has
/// failed or is silent for a while (RFC 8305, 5): one that is dead does not cost the whole time.
async fn first(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let (mut left, mut tried) = (addresses.iter().copied(), JoinSet::new());
    let mut failure = io::Error::other("the name has no address");
    loop {
        if let Some(address) = left.next() {
            tried.spawn(TcpStream::connect(address));
        }
        tokio::select! {
            Some(done) = tried.join_next() => match done.map_err(io::Error::other).flatten() {
                Ok(tcp) => return Ok(tcp),
                Err(error) => failure = error,
            },
            () = sleep(HEAD_START), if left.len() > 0 => {}
            else => return Err(failure),
        }
    }
}

async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Zeroizing<Vec<u8>>), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::Builder::new()
        // The body is sent from where it lies and wiped there, not copied into a buffer.
        .writev(true)
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Failure::of_exchange(&error))?;
    let answer = async {
        let answer = sender.send_request(request).await;
        read(answer.map_err(|error| Failure::of_exchange(&error))?).await
    };
    // Both sides of one task. What ends the connection is told to the side that waits.
    let driven = async {
        let _ = connection.await;
        std::future::pending::<Infallible>().await
    };
    let (answer, driven) = (pin!(answer), pin!(driven));
    tokio::select! {
        answer = answer => answer,
        never = driven => match never {},
    }
}

async fn read(answer: Response<Incoming>) -> Result<(StatusCode, Zeroizing<Vec<u8>>), Failure> {
    let status = answer.status();
    if status != StatusCode::OK && !status.is_client_error() {
        return Err(Failure::of_status(status));
    }
    let mut body = answer.into_body();
    let told = body.size_hint().exact().unwrap_or(0);
    let told = usize::try_from(told).unwrap_or(usize::MAX);
    if told > ANSWER_BYTES {
        return Err(Failure::TooLarge);
    }
    let mut whole = Zeroizing::new(Vec::with_capacity(told));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::of_exchange(&error))?;
        if let Ok(data) = frame.into_data() {
            if whole.len() + data.len() > ANSWER_BYTES {
                return Err(Failure::TooLarge);
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok((status, whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::timeout;

    /// Somebody who listens and whose queue is full: to connect there gets no answer.
    async fn silent() -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(connected) = timeout(HEAD_START, TcpStream::connect(address)).await {
            waiting.push(connected.unwrap());
        }
        (listener, waiting)
    }

    #[tokio::test]
    async fn a_dead_address_does_not_cost_the_whole_time() {
        let (dead, _waiting) = silent().await;
        let living = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let one_that_ends = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let [dead, living, closed] =
            [&dead, &living, &one_that_ends].map(|one| one.local_addr().unwrap());
        drop(one_that_ends);
        for addresses in [&[dead, closed, living], &[living, dead, closed]] {
            let connected = first(addresses).await.unwrap();
            assert_eq!(connected.peer_addr().unwrap(), living);
        }
    }

    #[tokio::test]
    async fn without_an_address_that_answers_the_last_failure_is_told() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = closed.local_addr().unwrap();
        drop(closed);
        let error = first(&[address, address]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(first(&[]).await.is_err());
    }
}
