//! Which pod the sessions of a connection are in.

use crate::Shared;
use crate::api::Api;
use crate::pod::Place;
use crate::settings::Mode;
use auditssh_gateway::backend::{Identity, Refused};
use std::sync::Arc;

/// What the sessions of a login have in common.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) shared: Arc<Shared>,
    pub(crate) api: Arc<Api>,
    pub(crate) identity: Arc<Identity>,
}

/// The pods of a connection.
pub(crate) struct Places {
    login: Login,
    /// The one of all sessions; `None` if each has its own.
    common: Option<Arc<Place>>,
}

impl Places {
    pub(crate) async fn open(
        shared: &Arc<Shared>,
        api: &Arc<Api>,
        identity: Arc<Identity>,
    ) -> Result<Self, Refused> {
        let common = match shared.settings.pod.mode {
            Mode::Connection => Some(Place::create(shared, api, &identity).await?),
            Mode::Persistent => Some(Place::persistent(shared, api, &identity).await?),
            Mode::Session => None,
        };
        Ok(Self {
            login: Login {
                shared: Arc::clone(shared),
                api: Arc::clone(api),
                identity,
            },
            common: common.map(Arc::new),
        })
    }

    pub(crate) fn login(&self) -> Login {
        self.login.clone()
    }

    pub(crate) async fn of_session(&self) -> Result<Arc<Place>, Refused> {
        if let Some(common) = &self.common {
            return Ok(Arc::clone(common));
        }
        let Login {
            shared,
            api,
            identity,
        } = &self.login;
        Place::create(shared, api, identity).await.map(Arc::new)
    }
}
