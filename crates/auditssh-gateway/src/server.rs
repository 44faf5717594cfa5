//! Accepting connections, within limits.

mod accept;
mod balancer;
mod gate;
mod refusal;
mod terms;

pub use balancer::Balancers;
pub(crate) use gate::Pass;
pub(crate) use terms::Agreed;
pub use terms::Terms;

use crate::auth::Users;
use crate::backend::Backend;
use crate::counters::Counters;
use crate::descriptors;
use crate::notice::Notice;
use crate::session::Door;
use crate::settings::Settings;
use accept::Acceptor;
use arc_swap::ArcSwap;
use auditssh_archive::Archive;
use gate::Gate;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the end of the server allows its connections beyond their own deadlines.
const MARGIN: Duration = Duration::from_secs(8);

/// Bytes that the system may hold for the server before they are read, per connection.
const RECEIVE_BUFFER: usize = 2 * 1024 * 1024;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Why the server can't be started.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address can't be listened on.
    #[error("{address} can't be listened on: {reason}; {}", remedy(address.port(), reason))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        reason: io::Error,
    },
    /// A setting that can't be served.
    #[error("{0}")]
    Settings(String),
}

/// What can be done about an address that can't be listened on.
fn remedy(port: u16, reason: &io::Error) -> String {
    let another = "choose another address by `ssh.listen` or --listen";
    match reason.kind() {
        io::ErrorKind::AddrInUse => {
            format!("end what listens there (`ss -ltnp`), or {another}")
        }
        io::ErrorKind::AddrNotAvailable => format!(
            "this machine has no such address (`ip address` lists what it has; 0.0.0.0 and [::] \
             stand for all of them); {another}"
        ),
        io::ErrorKind::PermissionDenied if (1..1024).contains(&port) => format!(
            "ports below 1024 are for root, or for who has the capability CAP_NET_BIND_SERVICE \
             (`AmbientCapabilities=` of systemd); {another}, with a port from 1024 on"
        ),
        _ => another.to_owned(),
    }
}

/// A server that listens and does not accept yet.
pub struct Server {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) terms: Arc<Terms>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) door: Door,
    /// The server ends.
    pub(crate) shutdown: CancellationToken,
    /// It ends without the time that sessions are given for that.
    pub(crate) hurry: CancellationToken,
    archive: Archive,
    gate: Arc<Gate>,
    connections: Arc<Semaphore>,
    tasks: TaskTracker,
    notices: Notices,
}

#[derive(Default)]
struct Notices {
    gate: Notice,
    connections: Notice,
    log: Notice,
    balancer: Notice,
    accept: Notice,
}

impl Server {
    /// Raises the limit on file descriptors and listens on all addresses. To be called within the
    /// runtime that will serve.
    pub fn bind(
        settings: Settings,
        archive: Archive,
        backend: Arc<dyn Backend>,
        users: Arc<ArcSwap<Users>>,
    ) -> Result<Self, ServeError> {
        check(&settings)?;
        let descriptors = descriptors::raise();
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for address in &settings.listen {
            let fail = |reason| ServeError::Listen {
                address: *address,
                reason,
            };
            let listener = listen(*address).map_err(fail)?;
            addresses.push(listener.local_addr().map_err(fail)?);
            listeners.push(listener);
        }
        let limits = &settings.limits;
        let connections = match limits.connections {
            0 => {
                let derived = descriptors::connections(descriptors);
                tracing::info!(
                    connections = derived,
                    descriptors,
                    "limits.connections follows from how many files may be open (`ulimit -n`)"
                );
                derived
            }
            number => number.min(Semaphore::MAX_PERMITS),
        };
        let checks = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let shared = Arc::new(Shared {
            counters: Arc::default(),
            door: Door {
                users,
                backend,
                checks: Arc::new(Semaphore::new(checks)),
                unanswered: Arc::default(),
            },
            shutdown: CancellationToken::new(),
            hurry: CancellationToken::new(),
            archive,
            gate: Gate::new(limits),
            connections: Arc::new(Semaphore::new(connections)),
            tasks: TaskTracker::new(),
            notices: Notices::default(),
            terms: Arc::new(Terms::new(settings)),
        });
        Ok(Self {
            listeners,
            addresses,
            shared,
        })
    }

    /// Where it listens; port 0 has become a real one.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What happens is counted here.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.shared.counters)
    }

    /// Cancelled, it takes the time from sessions that they are given at the end.
    pub fn hurry(&self) -> CancellationToken {
        self.shared.hurry.clone()
    }

    /// What new connections are served by.
    pub fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.shared.terms)
    }

    /// Serves until `shutdown`; then nobody new is let in, sessions are told and given
    /// `limits.shutdownGrace`, and every log is closed.
    pub async fn run(self, shutdown: CancellationToken) {
        let shared = self.shared;
        let accepting: Vec<_> = self
            .listeners
            .into_iter()
            .map(|listener| {
                let acceptor = Acceptor::new(Arc::clone(&shared), listener, shutdown.clone());
                tokio::spawn(acceptor.run())
            })
            .collect();
        shutdown.cancelled().await;
        for acceptor in accepting {
            if acceptor.await.is_err() {
                tracing::error!("accepting connections has panicked");
            }
        }
        shared.shutdown.cancel();
        shared.tasks.close();
        let limits = &shared.terms.now().settings.limits;
        let longest = limits.shutdown_grace + limits.disconnect_grace + MARGIN;
        if tokio::time::timeout(longest, shared.tasks.wait())
            .await
            .is_err()
        {
            tracing::error!(
                connections = shared.tasks.len(),
                "connections did not end in time; their logs are left to be recovered"
            );
        }
    }
}

/// Listens with a bounded receive buffer, which accepted connections inherit: what lies there
/// when the server begins a key exchange of its own counts against what the SSH library
/// tolerates. Where the system would make it too small for far clients (`net.core.rmem_max`), its
/// own choice is left.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    let largest = std::fs::read_to_string("/proc/sys/net/core/rmem_max");
    let largest = largest.ok().and_then(|text| text.trim().parse().ok());
    if largest.is_some_and(|bytes: usize| bytes >= RECEIVE_BUFFER) {
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn check(settings: &Settings) -> Result<(), ServeError> {
    let fail = |text: &str| Err(ServeError::Settings(text.to_owned()));
    let version = settings.server_version.as_str();
    let printable = version.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !version.starts_with("SSH-2.0-") || version.len() > 208 || !printable {
        return fail("ssh.serverVersion: `SSH-2.0-` and up to 200 printable characters are wanted");
    }
    if settings.listen.is_empty() {
        return fail("ssh.listen: at least one address is wanted");
    }
    if settings.host_keys.is_empty() {
        return fail("ssh.hostkeys: at least one host key is wanted");
    }
    let shown = settings.algorithms.show_one_of(&settings.host_keys);
    shown.map_err(|error| ServeError::Settings(error.to_string()))?;
    if !(256 * 1024..=1 << 30).contains(&settings.limits.channel_buffer) {
        return fail("limits.channelBuffer: between 256 KiB and 1 GiB is wanted");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_remedy() {
        for (port, number, expected) in [
            (22, rustix::io::Errno::ACCESS, "CAP_NET_BIND_SERVICE"),
            (2222, rustix::io::Errno::ADDRINUSE, "ss -ltnp"),
            (2222, rustix::io::Errno::ADDRNOTAVAIL, "ip address"),
            (2222, rustix::io::Errno::ACCESS, "ssh.listen"),
        ] {
            let error = ServeError::Listen {
                address: ([192, 0, 2, 1], port).into(),
                reason: number.into(),
            };
            let text = error.to_string();
            assert!(
                text.contains(expected) && text.contains("--listen"),
                "{text}"
            );
            assert_eq!(text.contains("below 1024"), port == 22, "{text}");
        }
    }
}
