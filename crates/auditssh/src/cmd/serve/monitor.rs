//! Metrics and health, served beside everything else.

use crate::config::{Http, Monitor};
use anyhow::Context;
use auditssh_archive::Archive;
use auditssh_monitor::{Counts, Health, Metrics, Page, Renewal, Server};
use auditssh_s3::Uploader;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What is served, for as long as it lives.
pub(super) struct Monitoring {
    health: Arc<Health>,
    renewals: Renewals,
    _servers: JoinSet<()>,
}

/// Where renewed certificates go.
#[derive(Clone, Default)]
pub(super) struct Renewals {
    metrics: Option<Renewal>,
    health: Option<Renewal>,
}

impl Renewals {
    /// Takes the certificates of a configuration that was read again.
    pub(super) fn renew(&self, settings: Monitor) {
        for (renewal, http) in [
            (&self.metrics, settings.metrics),
            (&self.health, settings.health),
        ] {
            if let (Some(renewal), Some(tls)) = (renewal, http.and_then(|http| http.tls)) {
                renewal.renew(tls);
            }
        }
    }
}

impl Monitoring {
    /// Listens where the settings say, and serves.
    pub(super) fn start(
        settings: Monitor,
        counts: Counts,
        archive: &Archive,
        uploads: Vec<Option<Arc<Uploader>>>,
    ) -> anyhow::Result<Self> {
        let health = Health::new(archive.clone());
        let (mut servers, mut renewals) = (JoinSet::new(), Renewals::default());
        if let Some(http) = settings.health {
            let page = Arc::clone(&health) as Arc<dyn Page>;
            renewals.health = Some(serve(&mut servers, http, "health", page)?);
        }
        if let Some(http) = settings.metrics {
            let version = env!("CARGO_PKG_VERSION");
            let (archive, health) = (archive.clone(), Arc::clone(&health));
            let page = Metrics::new(settings.path, version, counts, archive, uploads, health);
            renewals.metrics = Some(serve(&mut servers, http, "metrics", Arc::new(page))?);
        }
        Ok(Self {
            health,
            renewals,
            _servers: servers,
        })
    }

    /// Where renewed certificates go.
    pub(super) fn renewals(&self) -> Renewals {
        self.renewals.clone()
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
) -> anyhow::Result<Renewal> {
    let server = Server::bind(http.listen, http.tls, page).context(http.key)?;
    let scheme = if server.is_secure() { "https" } else { "http" };
    tracing::info!(address = %server.address(), scheme, "serving {what}");
    let renewal = server.renewal();
    servers.spawn(server.run(CancellationToken::new()));
    Ok(renewal)
}
