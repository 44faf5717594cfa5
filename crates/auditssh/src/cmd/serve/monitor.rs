//! Metrics and health, served beside everything else.

use crate::config::{Http, Monitor};
use anyhow::Context;
use auditssh_archive::Archive;
use auditssh_gateway as gateway;
use auditssh_monitor::{Health, Metrics, Page, Server};
use auditssh_s3::Uploader;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What is served, for as long as it lives.
pub(super) struct Monitoring {
    health: Arc<Health>,
    _servers: JoinSet<()>,
}

impl Monitoring {
    /// Listens where the settings say, and serves.
    pub(super) fn start(
        settings: Monitor,
        gateway: Arc<gateway::Counters>,
        archive: &Archive,
        uploads: Option<Arc<Uploader>>,
    ) -> anyhow::Result<Self> {
        let health = Health::new(archive.clone());
        let mut servers = JoinSet::new();
        if let Some(http) = settings.health {
            serve(
                &mut servers,
                http,
                "health",
                Arc::clone(&health) as Arc<dyn Page>,
            )?;
        }
        if let Some(http) = settings.metrics {
            let version = env!("CARGO_PKG_VERSION");
            let (archive, health) = (archive.clone(), Arc::clone(&health));
            let page = Metrics::new(settings.path, version, gateway, archive, uploads, health);
            serve(&mut servers, http, "metrics", Arc::new(page))?;
        }
        Ok(Self {
            health,
            _servers: servers,
        })
    }

    /// The server ends: nobody is to be sent here any more.
    pub(super) fn drain(&self) {
        self.health.drain();
    }
}

fn serve(
    servers: &mut JoinSet<()>,
    http: Http,
    what: &str,
    page: Arc<dyn Page>,
) -> anyhow::Result<()> {
    let server = Server::bind(http.listen, http.tls, page).context(http.key)?;
    let scheme = if server.is_secure() { "https" } else { "http" };
    tracing::info!(address = %server.address(), scheme, "serving {what}");
    servers.spawn(server.run(CancellationToken::new()));
    Ok(())
}
