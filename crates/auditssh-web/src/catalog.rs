//! Which recordings there are: looked at again and again, in the background.

use crate::rules::Sight;
use auditssh_search::Place;
use auditssh_search::catalog::{Catalog, Entry, Missing};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// How often the directory is looked at; less often if that takes long, so that it never takes more
/// than a tenth of the time.
const EVERY: Duration = Duration::from_secs(1);
const RARELY: Duration = Duration::from_mins(1);
const REST: u32 = 10;
/// Changes that someone who watches may be behind; who is further is told to look at all.
const BEHIND: usize = 1024;
/// Threads of one search, at least.
const THREADS: usize = 2;

/// The recordings.
#[derive(Debug)]
pub(crate) struct Recordings {
    pub(crate) catalog: Catalog,
    changes: broadcast::Sender<Arc<str>>,
    stop: Arc<AtomicBool>,
    /// Whether the directory could not be read the last time, which is said once.
    failed: AtomicBool,
}

impl Recordings {
    pub(crate) fn new(place: Arc<dyn Place>) -> Self {
        Self {
            catalog: Catalog::new(place),
            changes: broadcast::channel(BEHIND).0,
            stop: Arc::default(),
            failed: AtomicBool::new(false),
        }
    }

    /// Names of recordings that are new, change or go, from now on.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Arc<str>> {
        self.changes.subscribe()
    }

    /// How many threads one search has.
    pub(crate) fn threads(&self) -> usize {
        self.catalog.place().at_once().max(THREADS)
    }

    /// Whether a viewer may see a recording.
    pub(crate) fn sees(sight: &Sight, entry: &Entry) -> bool {
        let facts = &entry.facts;
        let is_known = facts.authenticated || facts.disconnected;
        let user = facts.user.as_deref().filter(|_| is_known);
        sight.sees(user.map(str::as_bytes))
    }

    /// Looks for changes until `end`.
    pub(crate) async fn watch(self: Arc<Self>, end: CancellationToken) {
        loop {
            let (this, begun) = (Arc::clone(&self), Instant::now());
            let looked = tokio::task::spawn_blocking(move || this.look());
            tokio::select! {
                () = end.cancelled() => break,
                _ = looked => {}
            }
            let rest = (begun.elapsed() * REST).clamp(EVERY, RARELY);
            tokio::select! {
                () = end.cancelled() => break,
                () = tokio::time::sleep(rest) => {}
            }
        }
        self.stop.store(true, Ordering::Relaxed);
    }

    fn look(&self) {
        match self.catalog.refresh(Missing::Read, &self.stop) {
            Ok(changes) => {
                if self.failed.swap(false, Ordering::Relaxed) {
                    tracing::info!("the directory of the logs can be read again");
                }
                let names = changes
                    .new
                    .iter()
                    .chain(&changes.changed)
                    .chain(&changes.gone);
                for name in names {
                    // Nobody may listen.
                    let _ = self.changes.send(name.as_str().into());
                }
            }
            Err(error) if !self.failed.swap(true, Ordering::Relaxed) => {
                tracing::error!(%error, "the directory of the logs cannot be read");
            }
            Err(_) => {}
        }
    }
}
