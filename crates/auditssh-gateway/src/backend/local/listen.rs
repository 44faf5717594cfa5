//! Ports that are listened to for a client.

use super::forward::{Forwarder, tcp_pipe};
use crate::backend::{Arrival, Listener, Originator, Refused};
use crate::security::Interface;
use async_trait::async_trait;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;
/// How long a failure to accept is waited out, mostly a want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// The first port that needs no privilege.
const UNPRIVILEGED: u16 = 1024;

/// A port, on one or two addresses.
struct Bound {
    port: u16,
    sockets: Vec<(TcpListener, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

impl Forwarder {
    /// Listens to a port. `privileged` allows one below 1024.
    pub(super) fn listen(
        &self,
        interface: &Interface,
        port: u16,
        privileged: bool,
    ) -> Result<Box<dyn Listener>, Refused> {
        if port != 0 && port < UNPRIVILEGED && !privileged {
            return Err(Refused::new("only root may listen to a port below 1024"));
        }
        let mut bound = Bound {
            port,
            sockets: Vec::new(),
            room: self.room(),
        };
        let mut failure = None;
        for address in addresses(interface)? {
            let room = self.socket()?;
            match bind(SocketAddr::new(address, bound.port)) {
                Ok(listener) => {
                    let own = listener.local_addr().map(|address| address.port());
                    bound.port = own.unwrap_or(bound.port);
                    bound.sockets.push((listener, room));
                }
                // Whoever connects by the name must not come to somebody else.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    return Err(Refused::new(error.to_string()));
                }
                Err(error) => failure = Some(error),
            }
        }
        // One address is enough: a machine may have no IPv6.
        match failure {
            Some(error) if bound.sockets.is_empty() => Err(Refused::new(error.to_string())),
            _ => Ok(Box::new(bound)),
        }
    }
}

fn addresses(interface: &Interface) -> Result<Vec<IpAddr>, Refused> {
    Ok(match interface {
        Interface::Loopback => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        Interface::Any => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
        Interface::Named(address) => {
            let address = address.parse();
            let wanted = |_| Refused::new("an IP address is wanted, or `localhost`");
            vec![address.map_err(wanted)?]
        }
    })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A port whose last connections are not forgotten yet is free all the same.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[async_trait]
impl Listener for Bound {
    fn port(&self) -> u16 {
        self.port
    }

    async fn accept(&mut self) -> Option<Arrival> {
        loop {
            let accepting = self.sockets.iter().map(|(one, _)| Box::pin(one.accept()));
            let (accepted, ..) = futures::future::select_all(accepting).await;
            match accepted {
                Ok((stream, from)) => return Some(self.arrival(stream, from)),
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Bound {
    fn arrival(&self, stream: TcpStream, from: SocketAddr) -> Arrival {
        let room = Arc::clone(&self.room);
        Arrival {
            originator: Originator {
                host: from.ip().to_string(),
                port: from.port().into(),
            },
            pipe: Box::pin(async move {
                let room = room.try_acquire_owned();
                let room = room.map_err(|_| Refused::new("too many forwarded connections"))?;
                Ok(tcp_pipe(stream, room))
            }),
        }
    }
}
