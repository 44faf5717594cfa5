//! What a configuration server's answer makes of one connection.

use super::backends::{Backends, Key, Made};
use crate::config::{Base, PerConnection, significant};
use async_trait::async_trait;
use auditssh_gateway::auth::Facts;
use auditssh_gateway::auth::service::{Applicant, Unanswered};
use auditssh_gateway::choice::{Choice, Chooser};
use auditssh_gateway::security::Security;
use auditssh_webhook::{ConfigServer, Configured};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Answers that are being worked on at a time: files may be read for that.
const AT_A_TIME: usize = 4;
/// How long that may take.
const WITHIN: Duration = Duration::from_secs(30);

/// What stays the same whenever the configuration is read again.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) backends: Arc<Backends>,
    base: Base,
    room: Arc<Semaphore>,
}

/// Asks the configuration server.
#[derive(Debug)]
struct Asking {
    start: Arc<Start>,
    server: Arc<ConfigServer>,
    base: Arc<Base>,
    /// That of the file.
    security: Arc<Security>,
}

impl Start {
    pub(super) fn new(backends: Arc<Backends>, base: Base) -> Arc<Self> {
        Arc::new(Self {
            backends,
            base,
            room: Arc::new(Semaphore::new(AT_A_TIME)),
        })
    }

    /// Who chooses what connections are served by; `None` if all are served alike.
    pub(super) fn chooser(
        self: &Arc<Self>,
        per_connection: PerConnection,
        security: &Arc<Security>,
    ) -> anyhow::Result<Option<Arc<dyn Chooser>>> {
        let Some(server) = per_connection.server else {
            return Ok(None);
        };
        let base = per_connection.base.with_backend_of(&self.base)?;
        Ok(Some(Arc::new(Asking {
            start: Arc::clone(self),
            server,
            base: Arc::new(base),
            security: Arc::clone(security),
        })))
    }
}

#[async_trait]
impl Chooser for Asking {
    async fn choose(&self, applicant: &Applicant, facts: &Facts) -> Result<Choice, Unanswered> {
        let Configured { config, facts } = self.server.ask(applicant, facts).await?;
        let made = self.made(significant(config)).await.map_err(|reason| {
            Unanswered(format!(
                "the configuration server's answer cannot be taken: {reason}"
            ))
        })?;
        Ok(Choice {
            backend: made.backend,
            security: made.security,
            facts,
        })
    }
}

impl Asking {
    async fn made(&self, config: Map<String, Value>) -> Result<Made, String> {
        if config.is_empty() {
            return Ok(Made {
                backend: self.start.backends.common(),
                security: Arc::clone(&self.security),
            });
        }
        let key = key(&self.base, &config).map_err(|error| error.to_string())?;
        if let Some(made) = self.start.backends.find(&key) {
            return Ok(made);
        }
        let making = tokio::time::timeout(WITHIN, self.make(key, config)).await;
        making.unwrap_or_else(|_| Err(format!("what it names is not there within {WITHIN:?}")))
    }

    async fn make(&self, key: Key, config: Map<String, Value>) -> Result<Made, String> {
        let room = Arc::clone(&self.start.room).acquire_owned().await;
        let room = room.map_err(|error| error.to_string())?;
        let (base, backends) = (Arc::clone(&self.base), Arc::clone(&self.start.backends));
        let making = tokio::task::spawn_blocking(move || {
            let made = make(&base, &backends, &config).map(|made| backends.keep(key, made));
            drop(room);
            made
        });
        let made = making.await.map_err(|error| error.to_string())??;
        // What a former run left where only answers lead is looked for there.
        made.backend.begin().await;
        Ok(made)
    }
}

fn make(base: &Base, backends: &Backends, config: &Map<String, Value>) -> Result<Made, String> {
    let own = base.lay(config)?;
    let backend = match own.backend {
        None => backends.common(),
        Some(backend) => backends
            .make(backend)
            .map_err(|error| format!("{error:#}"))?,
    };
    Ok(Made {
        backend,
        security: Arc::new(own.security),
    })
}

/// Equal for answers that say the same over the same file: keys of maps are in order.
fn key(base: &Base, config: &Map<String, Value>) -> serde_json::Result<Key> {
    let mut hash = Sha256::new();
    hash.update(Sha256::digest(base.bytes()));
    hash.update(serde_json::to_vec(config)?);
    Ok(hash.finalize().into())
}
