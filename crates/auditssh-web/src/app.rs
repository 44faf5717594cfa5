//! What all requests share.

use crate::access::{AccessError, Accesses};
use crate::answer::Refusal;
use crate::catalog::Recordings;
use crate::hosts::Hosts;
use crate::limiter::Limiter;
use crate::oidc::Elsewhere;
use crate::rules::Sight;
use crate::sessions::Sessions;
use crate::settings::Settings;
use crate::store::{Id, Store};
use crate::stream::Readers;
use crate::users::Viewer;
use crate::who::Who;
use arc_swap::ArcSwap;
use auditssh_archive::OpenError;
use auditssh_log::extension::Access;
use axum::http::StatusCode;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Most recordings that are read at once, and most that are watched live.
const READERS: usize = 16;
const WATCHERS: usize = 64;
/// Most searches at once, and most lists that are put together.
const SEARCHERS: usize = 4;
const LISTS: usize = 8;
/// Most contents of files that are put together at once.
const ASSEMBLERS: usize = 2;
/// How long a request waits for a reader.
const PATIENCE: Duration = Duration::from_secs(20);
/// Passwords that are checked at once: each takes 19 MiB and a processor.
const CHECKS: usize = 2;
/// Wrong logins that are free, and after which time one is forgiven: of a client, and of a name.
const WRONG_OF_CLIENT: (u32, Duration) = (10, Duration::from_secs(6));
const WRONG_OF_NAME: (u32, Duration) = (30, Duration::from_secs(20));
/// How often ended sessions are looked for, with what is still sent for them.
const SWEEP: Duration = Duration::from_secs(5);

/// Shared by all requests.
#[derive(Clone, Debug)]
pub(crate) struct App(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) hosts: Hosts,
    pub(crate) proxies: Vec<IpAddr>,
    pub(crate) who: ArcSwap<Who>,
    /// Where else viewers log in.
    pub(crate) elsewhere: Option<Elsewhere>,
    pub(crate) sessions: Sessions,
    pub(crate) store: Store,
    pub(crate) recordings: Arc<Recordings>,
    pub(crate) accesses: Accesses,
    /// Those that read the directory, those that read what has a long way, those that search, and
    /// those that list.
    near: Readers,
    far: Readers,
    pub(crate) searchers: Readers,
    pub(crate) lists: Readers,
    /// Those that put contents together, on disk.
    pub(crate) assemblers: Readers,
    pub(crate) watchers: Readers,
    pub(crate) checks: Semaphore,
    pub(crate) clients: Limiter<IpAddr>,
    pub(crate) names: Limiter<String>,
    pub(crate) version: &'static str,
    /// The server ends.
    pub(crate) end: CancellationToken,
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    /// Takes the directory of the accesses. Blocks.
    pub(crate) fn new(settings: Settings, end: CancellationToken) -> Result<Self, OpenError> {
        let (clients, names) = (WRONG_OF_CLIENT, WRONG_OF_NAME);
        let store = Store::new(settings.directory, settings.kept);
        Ok(Self(Arc::new(Inner {
            hosts: Hosts::new(settings.urls, settings.tls.is_some()),
            proxies: settings.proxies,
            who: ArcSwap::from_pointee(Who::new(settings.users, settings.rules)),
            elsewhere: settings.oidc.map(Elsewhere::new),
            sessions: Sessions::new(settings.lifetime),
            recordings: Arc::new(Recordings::new(store.place())),
            store,
            accesses: Accesses::open(settings.access)?,
            near: Readers::new(READERS, PATIENCE),
            far: Readers::new(READERS, PATIENCE),
            searchers: Readers::new(SEARCHERS, PATIENCE),
            lists: Readers::new(LISTS, PATIENCE),
            assemblers: Readers::new(ASSEMBLERS, PATIENCE),
            watchers: Readers::new(WATCHERS, Duration::from_secs(1)),
            checks: Semaphore::new(CHECKS),
            clients: Limiter::new(clients.0, clients.1),
            names: Limiter::new(names.0, names.1),
            version: settings.version,
            end,
        })))
    }

    /// Who reads a recording: one whose bucket does not answer keeps nobody from what is here.
    pub(crate) fn readers(&self, id: &Id) -> &Readers {
        if self.store.is_far(id.as_str()) {
            &self.far
        } else {
            &self.near
        }
    }

    /// What a viewer may see.
    pub(crate) fn sight(&self, viewer: &Viewer) -> Sight {
        self.who.load().rules.sight(viewer)
    }

    /// Writes an access down; if that fails, it must not happen.
    pub(crate) async fn record(&self, access: Access) -> Result<(), Refusal> {
        self.accesses
            .record(access)
            .await
            .map_err(|error: AccessError| {
                tracing::error!(%error, "nothing is shown, since nobody could tell to whom");
                Refusal::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the log of accesses cannot be written, so nothing is shown",
                )
            })
    }

    /// What is done now and then, until the server ends.
    pub(crate) async fn tend(&self) {
        loop {
            tokio::select! {
                () = self.end.cancelled() => return,
                () = tokio::time::sleep(SWEEP) => self.sessions.sweep(Instant::now()),
            }
        }
    }
}
