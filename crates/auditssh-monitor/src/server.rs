//! Listens, and keeps the number of connections small.

use crate::http;
use crate::page::Page;
use crate::tls::Tls;
use arc_swap::ArcSwap;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// Connections at a time. One that comes beyond that takes the place of the oldest, which has had
/// more time than a page takes: so those who hold connections without using them keep nobody out.
const MOST: usize = 16;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 64;
/// How long accepting pauses after it failed.
const PAUSE: Duration = Duration::from_secs(1);

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

/// Serves a page over HTTP/1.1.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ArcSwap<Tls>>>,
    page: Arc<dyn Page>,
}

/// Puts a renewed certificate in the place of the one that a server has.
#[derive(Clone, Debug)]
pub struct Renewal(Option<Arc<ArcSwap<Tls>>>);

impl Renewal {
    /// New connections are served by it. A server without TLS stays without.
    pub fn renew(&self, tls: Tls) {
        if let Some(current) = &self.0 {
            current.store(Arc::new(tls));
        }
    }
}

impl Server {
    /// Listens. To be called within the runtime that will serve.
    pub fn bind(
        address: SocketAddr,
        tls: Option<Tls>,
        page: Arc<dyn Page>,
    ) -> Result<Self, ListenError> {
        let fail = |reason| ListenError { address, reason };
        let listener = listen(address).map_err(fail)?;
        Ok(Self {
            address: listener.local_addr().map_err(fail)?,
            listener,
            tls: tls.map(|tls| Arc::new(ArcSwap::from_pointee(tls))),
            page,
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

    /// By which its certificate can be renewed while it runs.
    pub fn renewal(&self) -> Renewal {
        Renewal(self.tls.clone())
    }

    /// Serves until `end`. Nothing that happens to it or its clients ends it before.
    pub async fn run(self, end: CancellationToken) {
        let mut crowd = Crowd::default();
        loop {
            let accepted = tokio::select! {
                () = end.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((tcp, _)) => {
                    let tls = self.tls.as_ref().map(|tls| Tls::clone(&tls.load()));
                    crowd.admit(tcp, tls, Arc::clone(&self.page));
                }
                Err(error) => {
                    tracing::debug!(%error, address = %self.address, "accepting failed");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Those who are connected.
#[derive(Default)]
struct Crowd {
    /// All of them; with it they end.
    tasks: JoinSet<()>,
    /// The same, the oldest first.
    order: VecDeque<AbortHandle>,
}

impl Crowd {
    fn admit(&mut self, tcp: TcpStream, tls: Option<Tls>, page: Arc<dyn Page>) {
        while self.tasks.try_join_next().is_some() {}
        self.order.retain(|one| !one.is_finished());
        if self.order.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            oldest.abort();
        }
        let one = self.tasks.spawn(http::serve(tcp, tls, page));
        self.order.push_back(one);
    }
}
