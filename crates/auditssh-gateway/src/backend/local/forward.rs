//! Connections to where a client wants.

use crate::backend::{Pipe, Refused};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Names of one connection that are looked up at a time: each takes a thread until it is answered.
const LOOKUPS: usize = 8;
/// Addresses of a host that are tried.
const ADDRESSES: usize = 8;
/// Sockets that all connections may have, whatever the limit on descriptors.
const SOCKETS: usize = 64;

/// Room for the sockets of all connections: a quarter of the descriptors, so that none are missing
/// for logs and logins.
pub(super) fn room() -> Arc<Semaphore> {
    let all = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let quarter = usize::try_from(all.unwrap_or(u64::MAX) / 4).unwrap_or(usize::MAX);
    Arc::new(Semaphore::new(quarter.clamp(SOCKETS, 1 << 20)))
}

/// Connections of one client.
pub(super) struct Forwarder {
    room: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
}

impl Forwarder {
    pub(super) fn new(room: &Arc<Semaphore>) -> Self {
        Self {
            room: Arc::clone(room),
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
        }
    }

    pub(super) fn room(&self) -> Arc<Semaphore> {
        Arc::clone(&self.room)
    }

    /// Room for one more socket.
    pub(super) fn socket(&self) -> Result<OwnedSemaphorePermit, Refused> {
        Arc::clone(&self.room).try_acquire_owned().map_err(|_| {
            Refused::new("too many forwarded connections; raise the limit on file descriptors")
        })
    }

    /// Connects to the first address of a host that answers.
    pub(super) async fn tcp(&self, host: &str, port: u16) -> Result<Pipe, Refused> {
        let room = self.socket()?;
        let mut failure = None;
        for address in self.look_up(host, port).await? {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(tcp_pipe(stream, room)),
                Err(error) => failure = Some(error),
            }
        }
        let failure = failure.map_or_else(|| "it has no address".to_owned(), |it| it.to_string());
        Err(Refused::told(failure))
    }

    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Refused> {
        let lookups = Arc::clone(&self.lookups);
        let turn = lookups.acquire_owned().await;
        let turn = turn.map_err(|error| Refused::new(error.to_string()))?;
        let place = (host.to_owned(), port);
        let found = tokio::task::spawn_blocking(move || {
            // Kept until the thread is free, whoever still waits for it.
            let _turn = turn;
            let found = place.to_socket_addrs()?;
            Ok::<_, io::Error>(found.take(ADDRESSES).collect())
        });
        let found = found
            .await
            .map_err(|error| Refused::new(error.to_string()))?;
        found.map_err(|error| Refused::told(error.to_string()))
    }
}

/// Both directions of a connection.
pub(super) fn tcp_pipe(stream: TcpStream, room: OwnedSemaphorePermit) -> Pipe {
    // Keystrokes do not wait for more of them.
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    Pipe {
        reader: Box::new(reader),
        writer: Box::new(writer),
        gone: None,
        held: Box::new(room),
    }
}
