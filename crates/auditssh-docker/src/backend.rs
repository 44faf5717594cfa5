//! The backend `docker`.

use crate::container::{self, Container};
use crate::engine::Engine;
use crate::session::DockerSession;
use crate::settings::{Mode, Settings};
use crate::{image, leftover};
use async_trait::async_trait;
use auditssh_gateway::backend::container::Instance;
use auditssh_gateway::backend::{Backend, Connection, Identity, Refused, Session};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Programs run in containers of an engine.
pub struct Docker {
    shared: Arc<Shared>,
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) engine: Engine,
    pub(crate) tasks: TaskTracker,
    /// Everything is removed at once.
    pub(crate) kill: CancellationToken,
    /// Nothing new is begun.
    pub(crate) closing: CancellationToken,
    instance: OnceLock<Arc<Instance>>,
}

/// Who is logged in, and what is known of the image.
pub(crate) struct Login {
    pub(crate) identity: Identity,
    /// The user that the image names.
    pub(crate) user: String,
}

impl Docker {
    /// Nothing is asked of the engine yet.
    pub fn new(settings: Settings) -> Result<Self, Refused> {
        let tasks = TaskTracker::new();
        let engine = Engine::new(&settings, tasks.clone());
        let engine = engine.map_err(|failure| Refused::new(failure.to_string()))?;
        Ok(Self {
            shared: Arc::new(Shared {
                settings,
                engine,
                tasks,
                kill: CancellationToken::new(),
                closing: CancellationToken::new(),
                instance: OnceLock::new(),
            }),
        })
    }
}

impl Shared {
    /// Which gateway this is.
    pub(crate) fn instance(&self) -> Result<Arc<Instance>, Refused> {
        let instance = self.instance.get().cloned();
        instance.ok_or_else(|| Refused::new("the backend has not begun"))
    }

    async fn connect(self: Arc<Self>, identity: Identity) -> Result<Box<dyn Connection>, Refused> {
        let negotiated = self.engine.negotiate().await;
        negotiated.map_err(|failure| {
            let address = self.engine.address();
            Refused::new(format!(
                "{address}: {failure}; look whether the engine runs, whether `docker.connection` is \
                 right, and whether this account may use it"
            ))
        })?;
        let user = image::ensure(&self).await?;
        let login = Arc::new(Login { identity, user });
        let container = match self.settings.mode {
            Mode::Connection => Some(container::idle(&self, &login).await?),
            Mode::Session => None,
        };
        Ok(Box::new(DockerConnection {
            shared: self,
            login,
            container,
        }))
    }
}

#[async_trait]
impl Backend for Docker {
    async fn connect(&self, identity: Identity) -> Result<Box<dyn Connection>, Refused> {
        Arc::clone(&self.shared).connect(identity).await
    }

    async fn begin(&self) {
        let directory = self.shared.settings.directory.clone();
        let opened = tokio::task::spawn_blocking(move || Instance::open(directory.as_deref()));
        let instance = match opened.await {
            Ok(Ok(instance)) => instance,
            Ok(Err(error)) => {
                tracing::warn!(%error, "containers that a killed run leaves behind are not removed");
                let Ok(instance) = Instance::open(None) else {
                    return;
                };
                instance
            }
            Err(_) => return,
        };
        let instance = Arc::new(instance);
        if self.shared.instance.set(Arc::clone(&instance)).is_ok() {
            let sweeping = leftover::sweep(Arc::clone(&self.shared), instance);
            self.shared.tasks.spawn(sweeping);
        }
    }

    fn kill(&self) {
        self.shared.kill.cancel();
    }

    /// Every container is removed, or can't be.
    async fn drained(&self) {
        self.shared.closing.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    fn patience(&self) -> Duration {
        self.shared.settings.timeouts.container_stop + container::KILL_AFTER
    }
}

/// A user's container, or the right to one for each session.
struct DockerConnection {
    shared: Arc<Shared>,
    login: Arc<Login>,
    container: Option<Arc<Container>>,
}

#[async_trait]
impl Connection for DockerConnection {
    async fn open_session(&self) -> Result<Box<dyn Session>, Refused> {
        if let Some(container) = &self.container {
            container.check().await?;
        }
        let (shared, login) = (Arc::clone(&self.shared), Arc::clone(&self.login));
        let session = DockerSession::new(shared, login, self.container.clone());
        Ok(Box::new(session))
    }
}
