//! Listens, and bounds what anyone can make of a connection.

use crate::app::App;
use crate::peer::Peer;
use crate::routes::router;
use crate::settings::Settings;
use crate::stall::Impatient;
use crate::who::Renewal;
use arc_swap::ArcSwap;
use auditssh_archive::OpenError;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Most connections at a time; who comes beyond that waits.
const MOST: usize = 512;
const BACKLOG: u32 = 256;
/// How long accepting pauses after it failed.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a client may take for the TLS handshake, for the head of a request (a connection without
/// requests ends, too), and to take something of what it asked for.
const HANDSHAKE: Duration = Duration::from_secs(10);
const HEAD: Duration = Duration::from_secs(30);
const STALL: Duration = Duration::from_mins(1);
/// The largest head of a request, in bytes, and most headers in it.
const LARGEST_HEAD: usize = 32 << 10;
const MOST_HEADERS: usize = 64;
/// How long answers that are being sent may take when the server ends.
const GRACE: Duration = Duration::from_secs(5);

/// The viewer cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Accesses cannot be written down.
    #[error("the directory of the log of accesses cannot be used")]
    Access(#[from] OpenError),
    /// The address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// An address can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{address} can't be listened on: {reason}; {}", remedy(reason))]
pub struct ListenError {
    address: SocketAddr,
    reason: io::Error,
}

fn remedy(reason: &io::Error) -> &'static str {
    match reason.kind() {
        io::ErrorKind::AddrInUse => {
            "end what listens there (`ss -ltnp`), or choose another address"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address (`ip address` lists what it has); choose another"
        }
        _ => "choose another address",
    }
}

/// The viewer.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ArcSwap<TlsAcceptor>>>,
    app: App,
    end: CancellationToken,
}

impl Server {
    /// Listens, and takes the directory in which accesses are written down. Blocks; to be called
    /// within the runtime that will serve.
    pub fn bind(mut settings: Settings) -> Result<Self, StartError> {
        let address = settings.listen;
        let fail = |reason| ListenError { address, reason };
        let listener = listen(address).map_err(fail)?;
        let tls = settings
            .tls
            .clone()
            .map(ArcSwap::from_pointee)
            .map(Arc::new);
        let end = CancellationToken::new();
        settings.listen = listener.local_addr().map_err(fail)?;
        Ok(Self {
            address: settings.listen,
            listener,
            tls,
            app: App::new(settings, end.clone())?,
            end,
        })
    }

    /// Where it listens; port 0 has become a real one.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it is to be reached by https.
    pub const fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// By which it is told that its configuration has changed.
    pub fn renewal(&self) -> Renewal {
        Renewal {
            app: self.app.clone(),
            tls: self.tls.clone(),
        }
    }

    /// Serves until `end`; answers that are being sent then have a moment. Nothing that happens to
    /// it or its clients ends it before.
    pub async fn run(self, end: CancellationToken) {
        let router = router(&self.app);
        let (tasks, room) = (TaskTracker::new(), Arc::new(Semaphore::new(MOST)));
        let app = self.app.clone();
        let recordings = Arc::clone(&app.recordings);
        tasks.spawn(recordings.watch(app.store.clone(), self.end.clone()));
        tasks.spawn(async move { app.tend().await });
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                break;
            };
            let accepted = tokio::select! {
                () = end.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((tcp, peer)) => {
                    let router = router.clone();
                    let tls = self.tls.as_ref().map(|tls| TlsAcceptor::clone(&tls.load()));
                    let closing = self.end.clone();
                    tasks.spawn(async move {
                        connection(tcp, Peer(peer), tls, router, closing).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, address = %self.address, "accepting failed");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        drop(self.listener);
        self.end.cancel();
        tasks.close();
        if tokio::time::timeout(GRACE, tasks.wait()).await.is_err() {
            tracing::info!("requests of viewers are cut off");
            self.app.sessions.end_all();
            // What is being sent ends at once, but for who does not even take that.
            let _ = tokio::time::timeout(GRACE, tasks.wait()).await;
        }
        self.app.accesses.shutdown().await;
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn connection(
    tcp: TcpStream,
    peer: Peer,
    tls: Option<TlsAcceptor>,
    router: Router,
    end: CancellationToken,
) {
    // Events are small, and are to be seen at once.
    let _ = tcp.set_nodelay(true);
    let stream = Impatient::new(tcp, STALL);
    let Some(tls) = tls else {
        return serve(stream, peer, router, end).await;
    };
    match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => serve(stream, peer, router, end).await,
        Ok(Err(error)) => tracing::debug!(%error, peer = %peer.0, "no TLS"),
        Err(_) => tracing::debug!(peer = %peer.0, "no TLS in time"),
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    router: Router,
    end: CancellationToken,
) {
    let service = TowerToHyperService::new(router.layer(axum::Extension(peer)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let done = tokio::select! {
        done = connection.as_mut() => done,
        () = end.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = done {
        tracing::debug!(%error, peer = %peer.0, "a connection ended");
    }
}
