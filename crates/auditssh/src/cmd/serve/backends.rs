//! All backends of the server: that of the file, and those of connections that have their own.

use crate::config;
use auditssh_gateway::backend::Backend;
use auditssh_gateway::security::Security;
use futures::FutureExt;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What different answers make that is kept for connections to come; the one that was used the
/// longest time ago makes room.
const KEPT: usize = 256;

/// Tells what an answer makes from what others make: a hash of it.
pub(super) type Key = [u8; 32];

/// Makes a backend; may read files.
type Make = Box<dyn Fn(config::Backend) -> anyhow::Result<Arc<dyn Backend>> + Send + Sync>;

/// What one answer makes.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) security: Arc<Security>,
}

/// All backends.
pub(super) struct Backends {
    common: Arc<dyn Backend>,
    make: Make,
    pool: Mutex<Pool>,
}

#[derive(Default)]
struct Pool {
    kept: HashMap<Key, (Made, u64)>,
    /// No longer kept, while a connection has them or something that they began still runs.
    retired: Vec<Arc<dyn Backend>>,
    clock: u64,
}

impl Backends {
    pub(super) fn new(common: Arc<dyn Backend>, make: Make) -> Arc<Self> {
        Arc::new(Self {
            common,
            make,
            pool: Mutex::default(),
        })
    }

    /// That of the file.
    pub(super) fn common(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.common)
    }

    /// Makes one; blocks.
    pub(super) fn make(&self, backend: config::Backend) -> anyhow::Result<Arc<dyn Backend>> {
        (self.make)(backend)
    }

    pub(super) fn find(&self, key: &Key) -> Option<Made> {
        self.pool().find(key)
    }

    /// Keeps what was made, unless another connection was faster; what counts is returned.
    pub(super) fn keep(&self, key: Key, made: Made) -> Made {
        let mut pool = self.pool();
        if let Some(earlier) = pool.find(&key) {
            return earlier;
        }
        pool.make_room(&self.common);
        let clock = pool.clock;
        pool.kept.insert(key, (made.clone(), clock));
        made
    }

    /// Ends at once whatever runs for sessions, in all of them.
    pub(super) fn kill(&self) {
        for backend in self.all() {
            backend.kill();
        }
    }

    /// Waits until everything that was begun for sessions that are gone has been ended.
    pub(super) async fn drained(&self) {
        let all = self.all();
        futures::future::join_all(all.iter().map(|backend| backend.drained())).await;
    }

    /// How long the server waits for that at its end.
    pub(super) fn patience(&self) -> Duration {
        let longest = self.all().iter().map(|backend| backend.patience()).max();
        longest.unwrap_or_default()
    }

    /// Every backend once.
    fn all(&self) -> Vec<Arc<dyn Backend>> {
        let pool = self.pool();
        let kept = pool.kept.values().map(|(made, _)| &made.backend);
        let own = kept.chain(&pool.retired);
        let own = own.filter(|backend| !Arc::ptr_eq(backend, &self.common));
        std::iter::once(&self.common).chain(own).cloned().collect()
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    fn find(&mut self, key: &Key) -> Option<Made> {
        self.clock += 1;
        let (made, used) = self.kept.get_mut(key)?;
        *used = self.clock;
        Some(made.clone())
    }

    fn make_room(&mut self, common: &Arc<dyn Backend>) {
        let in_use = |backend: &Arc<dyn Backend>| Arc::strong_count(backend) > 1;
        self.retired
            .retain(|one| in_use(one) || one.drained().now_or_never().is_none());
        if self.kept.len() < KEPT {
            return;
        }
        let oldest = self.kept.iter().min_by_key(|(_, (_, used))| *used);
        let Some(key) = oldest.map(|(key, _)| *key) else {
            return;
        };
        if let Some((made, _)) = self.kept.remove(&key)
            && !Arc::ptr_eq(&made.backend, common)
        {
            self.retired.push(made.backend);
        }
    }
}

impl fmt::Debug for Backends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backends").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use auditssh_gateway::backend::{Connection, Identity, Refused};

    struct Nothing;

    #[async_trait::async_trait]
    impl Backend for Nothing {
        async fn connect(&self, _: Identity) -> Result<Box<dyn Connection>, Refused> {
            Err(Refused::new("nothing is here"))
        }
    }

    fn made() -> Made {
        Made {
            backend: Arc::new(Nothing),
            security: Arc::default(),
        }
    }

    fn key(number: usize) -> Key {
        let mut key = Key::default();
        key[..8].copy_from_slice(&number.to_le_bytes());
        key
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for_and_those_in_use_are_not_forgotten() {
        let backends = Backends::new(Arc::new(Nothing), Box::new(|_| anyhow::bail!("not here")));
        let used = backends.keep(key(0), made());
        let again = backends.keep(key(0), made());
        assert!(Arc::ptr_eq(&used.backend, &again.backend));
        drop(again);
        for number in 1..=2 * KEPT {
            backends.keep(key(number), made());
            assert!(backends.find(&key(1)).is_some(), "what is used stays");
        }
        assert!(backends.find(&key(0)).is_none());
        let pool = backends.pool();
        assert_eq!(pool.kept.len(), KEPT);
        assert!(pool.retired.len() <= 2, "the one in use, and the last one");
        assert!(Arc::ptr_eq(&pool.retired[0], &used.backend));
    }
}
