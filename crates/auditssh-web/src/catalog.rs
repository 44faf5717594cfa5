//! Which recordings there are: looked at again and again, in the background.

use crate::rules::Sight;
use crate::store::Store;
use auditssh_search::catalog::{Catalog, Changes, Entry, Missing};
use auditssh_search::{Listed, Place};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
    /// Whether there are recordings of which nothing is known yet.
    is_behind: AtomicBool,
    /// Whether a thread learns of those that have a long way.
    is_learning: AtomicBool,
    /// How many could not be read, which is said when there are more.
    unreadable: AtomicUsize,
}

impl Recordings {
    pub(crate) fn new(place: Arc<dyn Place>) -> Self {
        Self {
            catalog: Catalog::new(place),
            changes: broadcast::channel(BEHIND).0,
            stop: Arc::default(),
            failed: AtomicBool::new(false),
            is_behind: AtomicBool::new(true),
            is_learning: AtomicBool::new(false),
            unreadable: AtomicUsize::new(0),
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
    pub(crate) async fn watch(self: Arc<Self>, store: Store, end: CancellationToken) {
        loop {
            let (this, begun) = (Arc::clone(&self), Instant::now());
            let store = store.clone();
            let looked = tokio::task::spawn_blocking(move || this.look(&store));
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

    /// Whether all recordings are known, for all that is known.
    pub(crate) fn is_whole(&self) -> bool {
        !self.is_behind.load(Ordering::Relaxed)
    }

    fn look(self: &Arc<Self>, store: &Store) {
        let (gone, new) = match self.catalog.look() {
            Ok(found) => found,
            Err(error) => {
                if !self.failed.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "the directory of the logs cannot be read");
                }
                return;
            }
        };
        if self.failed.swap(false, Ordering::Relaxed) {
            tracing::info!("the directory of the logs can be read again");
        }
        let is_new = |log: &Listed| self.catalog.get(&log.name).is_none();
        let is_behind = |logs: &[Listed]| {
            let is_behind = logs.iter().any(is_new);
            self.is_behind.store(is_behind, Ordering::Relaxed);
        };
        is_behind(&new);
        let (far, near): (Vec<_>, Vec<_>) =
            new.into_iter().partition(|log| store.is_far(&log.name));
        self.learn_far(far.clone());
        let learned = self.catalog.learn(near, Missing::Read, &self.stop);
        is_behind(&far);
        self.tell(Changes { gone, ..learned });
    }

    /// Has another thread learn of recordings that have a long way: those that run here do not wait for
    /// it. What it does not come to is still new the next time.
    fn learn_far(self: &Arc<Self>, logs: Vec<Listed>) {
        if logs.is_empty() || self.is_learning.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let changes = this.catalog.learn(logs, Missing::Read, &this.stop);
            this.tell(changes);
            this.is_learning.store(false, Ordering::Release);
        });
    }

    fn tell(&self, changes: Changes) {
        let Changes { new, changed, gone } = changes;
        for name in new.iter().chain(&changed).chain(&gone) {
            // Nobody may listen.
            let _ = self.changes.send(name.as_str().into());
        }
        let (count, one) = self.catalog.problems();
        let before = self.unreadable.swap(count, Ordering::Relaxed);
        match one {
            Some(one) if count > before => tracing::warn!(
                count,
                log = one.log.name,
                problem = one.problem.as_deref().unwrap_or_default(),
                "logs cannot be read; they are tried again"
            ),
            None if before > 0 => tracing::info!("all logs can be read"),
            _ => {}
        }
    }
}
