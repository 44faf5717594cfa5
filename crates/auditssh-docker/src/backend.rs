//! The backend `docker`.

use crate::container::{self, Container};
use crate::engine::Engine;
use crate::session::DockerSession;
use crate::settings::{Mode, Settings};
use crate::{image, leftover};
use async_trait::async_trait;
use auditssh_gateway::PlaceCounters;
use auditssh_gateway::backend::container::{Instance, Itself};
use auditssh_gateway::backend::{Backend, Connection, Identity, Refused, Session};
use std::sync::Arc;
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
    pub(crate) counters: Arc<PlaceCounters>,
    pub(crate) tasks: TaskTracker,
    /// Everything is removed at once.
    pub(crate) kill: CancellationToken,
    /// Nothing new is begun.
    pub(crate) closing: CancellationToken,
    /// Which gateway this is.
    itself: Arc<Itself>,
}

/// Who is logged in, and what is known of the image.
pub(crate) struct Login {
    pub(crate) identity: Identity,
    /// The user that the image names.
    pub(crate) user: String,
    /// Which gateway this is.
    pub(crate) instance: Arc<Instance>,
}

impl Docker {
    /// Nothing is asked of the engine yet.
    pub fn new(settings: Settings, itself: Arc<Itself>) -> Result<Self, Refused> {
        let tasks = TaskTracker::new();
        let counters = Arc::clone(&itself.counters().docker);
        let engine = Engine::new(&settings, tasks.clone(), Arc::clone(&counters));
        let engine = engine.map_err(|failure| Refused::new(failure.to_string()))?;
        Ok(Self {
            shared: Arc::new(Shared {
                settings,
                engine,
                counters,
                tasks,
                kill: CancellationToken::new(),
                closing: CancellationToken::new(),
                itself,
            }),
        })
    }
}

impl Shared {
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
        let login = Arc::new(Login {
            identity,
            user,
            instance: self.itself.instance().await,
        });
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
        let shared = &self.shared;
        let place = shared.engine.address().to_string();
        if shared.itself.is_first_at(&place) {
            let instance = shared.itself.instance().await;
            let sweeping = leftover::sweep(Arc::clone(shared), instance);
            shared.tasks.spawn(sweeping);
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
