//! From a login to the backend: what the connection is served by, and a way in.

use super::Link;
use crate::auth::service::Applicant;
use crate::backend::{Backend, Connection, Identity, Refused};
use crate::choice::{Choice, Chooser};
use crate::security::{Guard, Security};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Who is logged in, before the backend knows.
pub(super) struct Arrival {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) security: Arc<Security>,
    /// Who chooses others in their place, and whom it is told about.
    pub(super) chooser: Option<(Arc<dyn Chooser>, Applicant)>,
    /// With the restrictions of the key alone.
    pub(super) identity: Identity,
}

/// What a login is worth: its way into the backend, and what it may do there.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) connection: Arc<dyn Connection>,
    pub(super) guard: Arc<Guard>,
    /// Room for sessions, where the connection has a number of its own.
    pub(super) room: Option<Arc<Semaphore>>,
    /// Is there as long as the connection.
    _backend: Arc<dyn Backend>,
}

impl Arrival {
    pub(super) async fn enter(mut self, link: &Link) -> Result<Access, Refused> {
        let mut room = None;
        if let Some((chooser, applicant)) = self.chooser.take() {
            let Choice {
                backend,
                security,
                facts,
            } = self.choose(&*chooser, &applicant, link).await?;
            let known = Arc::make_mut(&mut self.identity.facts);
            known.merge(facts).map_err(|error| {
                Refused::new(format!(
                    "the configuration server's answer cannot be taken: {error}"
                ))
            })?;
            // Its sessions were let in by `limits.sessionChannels` alone.
            room = security.max_sessions.map(|most| {
                Arc::new(Semaphore::new(
                    most.min(link.settings.limits.session_channels),
                ))
            });
            (self.backend, self.security) = (backend, security);
        }
        let key = std::mem::take(&mut self.identity.restrictions);
        let guard = Arc::new(Guard::new(self.security, &key));
        self.identity.restrictions = guard.imposed(key);
        link.set_guard(&guard);
        let limit = link.settings.limits.backend_open;
        let made = tokio::time::timeout(limit, self.backend.connect(self.identity));
        let late = |_| {
            Err(Refused::new(format!(
                "no answer within {limit:?} (limits.backendOpen)"
            )))
        };
        Ok(Access {
            connection: made.await.unwrap_or_else(late)?.into(),
            guard,
            room,
            _backend: self.backend,
        })
    }

    async fn choose(
        &self,
        chooser: &dyn Chooser,
        applicant: &Applicant,
        link: &Link,
    ) -> Result<Choice, Refused> {
        link.counters.config_questions.add();
        let chosen = chooser.choose(applicant, &self.identity.facts).await;
        chosen.map_err(|unanswered| {
            link.counters.config_failures.add();
            Refused::new(unanswered.to_string())
        })
    }
}
