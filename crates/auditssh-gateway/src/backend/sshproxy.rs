//! Programs on another host, by SSH: the gateway logs in there for the user.
//!
//! Each logged-in client has a connection to a server behind the gateway, made at its login and
//! closed at its end, and further ones for channels beside the first (`legs`); each of its channels
//! has a like one there. The server's host key is checked before anything secret is sent. Everything
//! that it sends is bounded: what it does without end ends the connection, and what nobody takes
//! holds it back.

mod dial;
mod forward;
mod grant;
mod hostkeys;
mod known_hosts;
mod legs;
mod login;
mod port;
mod ports;
mod registry;
mod routes;
mod secret;
mod session;
mod settings;

pub use hostkeys::{Fingerprint, HostKeys, NoFingerprint};
pub use known_hosts::KnownHostsError;
pub use login::Credentials;
pub use routes::Route;
pub use secret::{KeySource, PasswordSource, Secret, SecretError};
pub use session::loses_arguments;
pub use settings::{Settings, Target, UserName};

pub(crate) use forward::pipe;
pub(crate) use hostkeys::Presented;
pub(crate) use port::{Port, Stream};
pub(crate) use ports::Ports;
pub(crate) use registry::{Kind, Registered};

use super::{Backend, Bind, Connection, Identity, Listener, Pipe, Refused, Session};
use crate::auth::Restrictions;
use crate::counters::{BackendCounters, RequestCounters};
use crate::mark::Mark;
use crate::russh::{ClientConfig, Failure, Upstream, UpstreamChannel};
use crate::waiting::Waiting;
use crate::wire::{Line, UNLIMITED};
use async_trait::async_trait;
use legs::{Leg, Legs, Seat};
use port::Room;
use session::ProxySession;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bytes that a server may send until the login, banners included.
const LOGIN_BYTES: u64 = 1024 * 1024;
/// How long a goodbye to a server may take, and then its own.
const GOODBYE: Duration = Duration::from_secs(1);

/// The backend `sshproxy`.
pub struct SshProxy {
    shared: Arc<Shared>,
}

/// Why the backend can't be had.
#[derive(Debug, thiserror::Error)]
pub enum SshProxyError {
    /// A password or a key can't be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The file of known hosts can't be used.
    #[error("backend sshproxy: {0}")]
    KnownHosts(#[from] KnownHostsError),
}

/// What all connections share.
struct Shared {
    settings: Settings,
    counters: Arc<RequestCounters>,
    /// What hosts sent and clients have not taken.
    waiting: Arc<Waiting>,
    tasks: TaskTracker,
    /// Every connection is cut.
    kill: CancellationToken,
}

impl SshProxy {
    /// Looks whether the files that the settings name can be used; they are read again for each
    /// connection. Blocks.
    pub fn new(settings: Settings, counters: &BackendCounters) -> Result<Self, SshProxyError> {
        settings.load()?;
        Ok(Self {
            shared: Arc::new(Shared {
                settings,
                counters: Arc::clone(&counters.sshproxy),
                waiting: Arc::clone(&counters.waiting),
                tasks: TaskTracker::new(),
                kill: CancellationToken::new(),
            }),
        })
    }
}

#[async_trait]
impl Backend for SshProxy {
    async fn connect(&self, identity: Identity) -> Result<Box<dyn Connection>, Refused> {
        let restrictions = Arc::new(identity.restrictions.clone());
        let legs = Legs::new(Arc::clone(&self.shared), identity).await?;
        Ok(Box::new(ProxyConnection { legs, restrictions }))
    }

    fn kill(&self) {
        self.shared.kill.cancel();
    }

    async fn drained(&self) {
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

impl Shared {
    /// Connects and logs in. Whatever waits in it for the session shares `room`.
    async fn connect(&self, identity: &Identity, room: &Arc<Room>) -> Result<Leg, Refused> {
        let limit = self.settings.timeout;
        let connected = timeout(limit, self.log_in(identity, room)).await;
        let connected = connected.unwrap_or_else(|_| {
            Err(Refused::new(format!(
                "not connected and logged in within {limit:?} (sshproxy.timeout)"
            )))
        });
        self.counters.count(connected, |_| true)
    }

    async fn log_in(&self, identity: &Identity, room: &Arc<Room>) -> Result<Leg, Refused> {
        let settings = &self.settings;
        let routes::Way {
            target,
            user,
            host_keys,
        } = settings.way(identity)?;
        let (credentials, trusted) = settings.read(host_keys, target.clone()).await?;
        let algorithms = trusted.proposal(&settings.algorithms);
        let config = ClientConfig::new(&settings.client_version, &algorithms, settings.rekey_bytes);
        let line = dial::dial(&target).await.map_err(Refused::new)?;
        line.allow(LOGIN_BYTES);
        let ports = Ports::new(
            settings.buffer,
            Arc::clone(room),
            self.tasks.clone(),
            Arc::clone(&identity.client),
        );
        ports.are_of(&line);
        // Whatever ends this future ends the connection.
        let cut = CutOnDrop(Some((Arc::clone(&line), Arc::clone(&ports))));
        let check = Box::new(move |key: &Presented<'_>| trusted.check(key));
        let mark = Mark::new(&identity.connection_id);
        let connected = Upstream::connect(&config, &line, mark, &ports, check).await;
        let mut upstream = connected.map_err(|failure| refused(&target, &failure))?;
        let login = login::Login {
            account: &user,
            user: &identity.user,
            connection: &identity.connection_id,
            client: &*identity.client,
        };
        login::log_in(&mut upstream, &login, &credentials)
            .await
            .map_err(|reason| Refused::new(format!("{target}: {reason}")))?;
        line.allow(UNLIMITED);
        tracing::info!(
            connection = identity.connection_id,
            server = %target,
            user = user.as_str(),
            "logged in behind the gateway"
        );
        let upstream = Arc::new(upstream);
        let unwanted = CancellationToken::new();
        let (kill, token) = (self.kill.clone(), unwanted.clone());
        let keeper = keep(cut, Arc::clone(&upstream), token, kill);
        self.tasks.spawn(keeper);
        Ok(Leg::new(upstream, ports, unwanted))
    }
}

/// Cuts a connection, and tells those who wait for it.
struct CutOnDrop(Option<(Arc<Line>, Arc<Ports>)>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        if let Some((line, ports)) = self.0.take() {
            line.cut();
            ports.end(Failure::Ended(
                "the gateway closed the connection".to_owned(),
            ));
        }
    }
}

/// Looks after a connection until nobody wants it, then ends it with a word to the server.
async fn keep(
    cut: CutOnDrop,
    upstream: Arc<Upstream>,
    unwanted: CancellationToken,
    kill: CancellationToken,
) {
    let Some((_, ports)) = &cut.0 else { return };
    let goodbye = async {
        unwanted.cancelled().await;
        let _ = timeout(GOODBYE, upstream.disconnect()).await;
        let _ = timeout(GOODBYE, ports.over.cancelled()).await;
    };
    tokio::select! {
        () = goodbye => {}
        () = ports.over.cancelled() => {}
        () = kill.cancelled() => {}
    }
}

/// What an administrator is told of a server that can't be used.
fn refused(target: &settings::Target, failure: &Failure) -> Refused {
    let remedy = match failure {
        Failure::HostKey(_) | Failure::Hostile(_) | Failure::Credential(_) => "",
        Failure::NoCommon { .. } => {
            "; name one of them in `sshproxy` (kex, ciphers, macs, hostKeyAlgorithms) if it is \
             supported, else update the server"
        }
        Failure::Ended(_) => "; look whether an SSH server listens there, and into its log",
    };
    Refused::new(format!("{target}: {failure}{remedy}"))
}

/// Opens a session channel. In a task of its own: who waits may give up, and a channel that is
/// confirmed later must not be left with nobody to read it.
async fn open(seat: &Arc<Seat>) -> Result<UpstreamChannel, Refused> {
    let (sender, opened) = oneshot::channel();
    let own = Arc::clone(seat);
    seat.ports().spawn(async move {
        let _asking = own.ports().asking();
        let _ = sender.send(own.upstream().open().await);
    });
    match opened.await {
        Ok(opened) => opened.map_err(|failure| Refused::new(failure.to_string())),
        Err(_) => Err(seat.ports().lost()),
    }
}

/// A user's way to the server; dropping it ends that.
struct ProxyConnection {
    legs: Arc<Legs>,
    restrictions: Arc<Restrictions>,
}

#[async_trait]
impl Connection for ProxyConnection {
    async fn open_session(&self) -> Result<Box<dyn Session>, Refused> {
        let seat = Arc::new(self.legs.seat().await?);
        let channel = open(&seat).await?;
        let restrictions = Arc::clone(&self.restrictions);
        Ok(Box::new(ProxySession::new(channel, seat, restrictions)))
    }

    async fn reach(&self, target: &super::Target) -> Result<Pipe, Refused> {
        forward::reach(self.legs.seat().await?, target).await
    }

    async fn listen(&self, bind: &Bind) -> Result<Box<dyn Listener>, Refused> {
        forward::listen(self.legs.listening().await?, bind).await
    }
}
