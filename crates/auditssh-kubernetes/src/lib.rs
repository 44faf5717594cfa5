//! Programs in pods of a Kubernetes cluster.
//!
//! A login has a pod of its own (`mode: connection`), or each of its session channels has
//! (`session`), or all share one that is there anyway (`persistent`). What a client asks for runs
//! there by `exec`, over a WebSocket; nothing is needed in the image but a shell. Pods of logins are
//! deleted when they end. What a gateway that was killed left is deleted when it starts again, and
//! with the pod that it ran in.

mod access;
mod api;
mod exec;
mod files;
mod limiter;
#[cfg(test)]
mod manifests;
mod place;
mod pod;
mod remains;
mod run;
mod session;
mod settings;
mod spec;
mod state;
mod template;

pub use access::AccessError;
pub use secrecy::SecretString;
pub use settings::{Access, MetadataAs, Mode, Pem, Pod, Server, Settings, Spec, Timeouts, Token};
pub use spec::check_spec;

use api::Api;
use async_trait::async_trait;
use auditssh_gateway::PlaceCounters;
use auditssh_gateway::backend::container::Itself;
use auditssh_gateway::backend::{Backend, Connection, Identity, Refused, Session, local};
use place::Places;
use session::PodSession;
use std::sync::Arc;
use std::time::Duration;
use template::Owner;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The backend `kubernetes`.
pub struct Kubernetes {
    shared: Arc<Shared>,
}

/// What all connections share.
struct Shared {
    settings: Settings,
    /// Which gateway this is.
    itself: Arc<Itself>,
    /// The pod that the gateway itself runs in.
    owner: Option<Owner>,
    api: OnceCell<Arc<Api>>,
    tasks: TaskTracker,
    /// Nothing new is begun.
    ending: CancellationToken,
    /// Whatever runs is ended at once.
    kill: CancellationToken,
}

impl Kubernetes {
    /// Looks whether what the settings name can be read; the API server is not asked. Blocks.
    pub fn new(settings: Settings, itself: Arc<Itself>) -> Result<Self, AccessError> {
        access::config(&settings.access, settings.timeouts.http)?;
        Ok(Self {
            shared: Arc::new(Shared {
                settings,
                itself,
                owner: Owner::of_environment(),
                api: OnceCell::new(),
                tasks: TaskTracker::new(),
                ending: CancellationToken::new(),
                kill: CancellationToken::new(),
            }),
        })
    }
}

impl Shared {
    fn counters(&self) -> &PlaceCounters {
        &self.itself.counters().kubernetes
    }

    /// The way to the API server, made when it is first needed.
    async fn api(&self) -> Result<Arc<Api>, Refused> {
        let made = self.api.get_or_try_init(|| async {
            let counters = Arc::clone(&self.itself.counters().kubernetes);
            let api = Api::new(&self.settings, counters).await?;
            Ok::<_, AccessError>(Arc::new(api))
        });
        let made = made
            .await
            .map_err(|error| Refused::new(error.to_string()))?;
        Ok(Arc::clone(made))
    }
}

#[async_trait]
impl Backend for Kubernetes {
    async fn connect(&self, identity: Identity) -> Result<Box<dyn Connection>, Refused> {
        let shared = &self.shared;
        let api = shared.api().await?;
        let places = Places::open(shared, &api, Arc::new(identity)).await?;
        Ok(Box::new(PodConnection { places }))
    }

    async fn begin(&self) {
        let shared = &self.shared;
        if shared.itself.is_first_at(&shared.settings.place()) {
            let shared = Arc::clone(shared);
            self.shared.tasks.spawn(remains::delete(shared));
        }
    }

    fn kill(&self) {
        self.shared.kill.cancel();
    }

    async fn drained(&self) {
        self.shared.ending.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// A moment more than for programs of this machine: pods are deleted after them.
    fn patience(&self) -> Duration {
        local::KILL_AFTER + self.shared.settings.timeouts.pod_stop.min(STOP)
    }
}

/// How long the server waits at its end for pods to be deleted.
const STOP: Duration = Duration::from_secs(10);

/// A user's connection; dropping it ends its pod.
struct PodConnection {
    places: Places,
}

#[async_trait]
impl Connection for PodConnection {
    async fn open_session(&self) -> Result<Box<dyn Session>, Refused> {
        let place = self.places.of_session().await?;
        Ok(Box::new(PodSession::new(self.places.login(), place)))
    }
}
