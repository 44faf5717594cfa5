//! Recordings in the browser, shown beside everything else.

use crate::cmd::web::settings;
use crate::config::{Audit, Web};
use anyhow::Context as _;
use auditssh_web::{Renewal, Server, Settings, are_built};
use std::sync::Mutex;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long the viewer may take to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// What will be shown, if anything.
pub(super) struct Plan(Option<(Box<Settings>, String)>);

/// The viewer, if there is one.
pub(super) struct Viewer {
    end: CancellationToken,
    running: Mutex<Option<JoinHandle<()>>>,
    renewal: Option<Renewal>,
}

impl Plan {
    pub(super) fn new(web: Web, audit: &[Audit]) -> anyhow::Result<Self> {
        let Some(audit) = Audit::shown(audit).filter(|_| web.enable) else {
            return Ok(Self(None));
        };
        anyhow::ensure!(
            are_built(),
            "`web.enable` is true, but this program was built without the pages of the viewer, since \
             npm was missing: install Node.js with npm and build again, or remove `web.enable`"
        );
        let key = web.key.clone();
        Ok(Self(Some((Box::new(settings(web, audit)?), key))))
    }

    /// Listens and serves.
    pub(super) fn start(self) -> anyhow::Result<Viewer> {
        let end = CancellationToken::new();
        let (mut running, mut renewal) = (None, None);
        if let Some((settings, key)) = self.0 {
            let server = Server::bind(*settings).context(key)?;
            let scheme = if server.is_secure() { "https" } else { "http" };
            tracing::info!(address = %server.address(), scheme, "showing recordings");
            renewal = Some(server.renewal());
            running = Some(tokio::spawn(server.run(end.clone())));
        }
        Ok(Viewer {
            end,
            running: Mutex::new(running),
            renewal,
        })
    }
}

impl Viewer {
    /// By which it is told that its configuration has changed.
    pub(super) fn renewal(&self) -> Option<Renewal> {
        self.renewal.clone()
    }

    /// Ends it, and its log of accesses.
    pub(super) async fn end(&self) {
        self.end.cancel();
        let running = self.running.lock().map(|mut running| running.take());
        if let Ok(Some(running)) = running
            && tokio::time::timeout(PATIENCE, running).await.is_err()
        {
            tracing::warn!("the viewer could not be ended");
        }
    }
}
