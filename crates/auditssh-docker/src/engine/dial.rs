//! A connection to the engine for one request.

use super::address::Address;
use super::budget::Budget;
use bollard::BollardRequest;
use bollard::errors::Error;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{HOST as HOST_HEADER, HeaderValue};
use hyper::{Response, Uri};
use hyper_util::rt::TokioIo;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::task::TaskTracker;

/// What requests call the engine: it has no name of its own on a socket.
pub(super) const HOST: &str = "docker";
/// Bytes of an answer, which may be the whole progress of a pull.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of the longest head of an answer.
pub(super) const HEAD_BYTES: usize = 64 * 1024;

/// A stream in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Knows how the engine is reached.
pub(super) struct Dialer {
    pub(super) address: Address,
    tls: Option<TlsConnector>,
    pub(super) tasks: TaskTracker,
}

impl Dialer {
    pub(super) fn new(address: Address, tls: Option<TlsConnector>, tasks: TaskTracker) -> Self {
        Self {
            address,
            tls,
            tasks,
        }
    }

    pub(super) async fn dial(&self) -> io::Result<Box<dyn Stream>> {
        let (host, port) = match &self.address {
            Address::Unix(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
            Address::Tcp { host, port, .. } => (host, *port),
        };
        let tcp = TcpStream::connect((host.as_str(), port)).await?;
        // It only costs time where it fails.
        let _ = tcp.set_nodelay(true);
        match &self.tls {
            None => Ok(Box::new(tcp)),
            Some(tls) => {
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                Ok(Box::new(tls.connect(name, tcp).await?))
            }
        }
    }

    /// Sends a request of the library. What drives the connection ends with the answer, or when
    /// nobody wants that.
    pub(super) async fn send(&self, request: BollardRequest) -> Result<Response<Incoming>, Error> {
        let stream = Budget::new(self.dial().await?, ANSWER_BYTES);
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await?;
        self.tasks.spawn(connection);
        let (mut head, body) = request.into_parts();
        head.headers
            .insert(HOST_HEADER, HeaderValue::from_static(HOST));
        if let Some(path) = head.uri.path_and_query() {
            head.uri = Uri::from(path.clone());
        }
        let request = BollardRequest::from_parts(head, body);
        Ok(sender.send_request(request).await?)
    }
}
