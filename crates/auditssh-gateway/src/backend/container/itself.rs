//! The gateway that this process is, for all its backends.

use super::Instance;
use crate::counters::BackendCounters;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Places of which is known that they were looked through; more are not.
const PLACES: usize = 1000;

/// The gateway, told from others when that is first needed: its file can be locked once only, and
/// not before nothing else can be the same server.
#[derive(Debug, Default)]
pub struct Itself {
    directory: Option<PathBuf>,
    instance: OnceCell<Arc<Instance>>,
    places: Mutex<HashSet<String>>,
    counters: Arc<BackendCounters>,
}

impl Itself {
    /// The gateway that keeps its logs in the directory; without one, what a run that was killed
    /// left behind is not found.
    pub fn new(directory: Option<PathBuf>) -> Arc<Self> {
        Arc::new(Self {
            directory,
            ..Self::default()
        })
    }

    /// What all its backends count.
    pub fn counters(&self) -> &Arc<BackendCounters> {
        &self.counters
    }

    /// By which its containers are known.
    pub async fn instance(&self) -> Arc<Instance> {
        let opening = || async {
            let directory = self.directory.clone();
            let opened = tokio::task::spawn_blocking(move || Instance::open(directory.as_deref()));
            let why = match opened.await {
                Ok(Ok(instance)) => return Arc::new(instance),
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            tracing::warn!(why, "what a killed run leaves behind will not be removed");
            Arc::new(Instance::of_run())
        };
        Arc::clone(self.instance.get_or_init(opening).await)
    }

    /// Whether that place was not asked about yet: what a former run left there is looked for once,
    /// however many backends of this run use it.
    pub fn is_first_at(&self, place: &str) -> bool {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.len() < PLACES && places.insert(place.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_backends_of_a_run_are_one_gateway() {
        let directory = tempfile::tempdir().unwrap();
        let itself = Itself::new(Some(directory.path().to_owned()));
        let (one, two) = tokio::join!(itself.instance(), itself.instance());
        assert!(Arc::ptr_eq(&one, &two));
        assert!(!one.has_lost(Some(two.id()), Some(two.run())));
        let other = Itself::new(Some(directory.path().to_owned()));
        assert_ne!(other.instance().await.id(), one.id(), "it is locked");
    }

    #[test]
    fn a_place_is_looked_through_once() {
        let itself = Itself::default();
        assert!(itself.is_first_at("a") && itself.is_first_at("b"));
        assert!(!itself.is_first_at("a"));
        for place in 0..2 * PLACES {
            itself.is_first_at(&place.to_string());
        }
        assert!(itself.places.lock().unwrap().len() <= PLACES);
    }
}
