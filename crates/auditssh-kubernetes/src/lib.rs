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
use auditssh_gateway::backend::container::Instance;
use auditssh_gateway::backend::{Backend, Connection, Identity, Refused, Session, local};
use place::Places;
use session::PodSession;
use std::sync::{Arc, OnceLock};
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
    instance: OnceLock<Instance>,
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
    pub fn new(settings: Settings) -> Result<Self, AccessError> {
        access::config(&settings.access, settings.timeouts.http)?;
        Ok(Self {
            shared: Arc::new(Shared {
                settings,
                instance: OnceLock::new(),
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
    /// Which gateway this is.
    fn instance(&self) -> Result<&Instance, Refused> {
        let instance = self.instance.get();
        instance.ok_or_else(|| Refused::new("the backend has not begun"))
    }

    /// The way to the API server, made when it is first needed.
    async fn api(&self) -> Result<Arc<Api>, Refused> {
        let made = self.api.get_or_try_init(|| async {
            let api = Api::new(&self.settings).await?;
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
        let directory = self.shared.settings.directory.clone();
        let opened = tokio::task::spawn_blocking(move || Instance::open(directory.as_deref()));
        let instance = match opened.await {
            Ok(Ok(instance)) => instance,
            Ok(Err(error)) => {
                tracing::warn!(%error, "pods that a killed run leaves behind are not deleted");
                let Ok(instance) = Instance::open(None) else {
                    return;
                };
                instance
            }
            Err(_) => return,
        };
        if self.shared.instance.set(instance).is_ok() {
            let shared = Arc::clone(&self.shared);
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
