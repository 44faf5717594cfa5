//! What is behind the gateway, in numbers.

use super::Counter;
use crate::waiting::Waiting;
use auditssh_archive::Latency;
use std::sync::Arc;
use std::time::Instant;

/// What the backends did that have something else do the work. Those of several configurations
/// count together.
#[derive(Debug, Default)]
pub struct BackendCounters {
    /// The backend `docker`: requests to the engine, and containers.
    pub docker: Arc<PlaceCounters>,
    /// The backend `kubernetes`: requests to the API server, and pods.
    pub kubernetes: Arc<PlaceCounters>,
    /// The backend `sshproxy`: connections to hosts, each logged in to.
    pub sshproxy: Arc<RequestCounters>,
    /// The backend `sshproxy`: bytes from hosts that wait for clients now.
    pub waiting: Arc<Waiting>,
}

/// What was asked of others.
#[derive(Debug, Default)]
pub struct RequestCounters {
    /// All that was asked.
    pub all: Counter,
    /// Of that, what was not done: it got no answer, or a refusal.
    pub failed: Counter,
}

/// Places for programs: containers, or pods.
#[derive(Debug, Default)]
pub struct PlaceCounters {
    /// What was asked of who runs them.
    pub requests: RequestCounters,
    /// Those that were made.
    pub created: Counter,
    /// Those that could not be made, or did not come to run programs.
    pub failed: Counter,
    /// Those that were removed, former runs' among them.
    pub removed: Counter,
    /// Those that could not be removed; the next start of the server tries again.
    pub left: Counter,
    /// How long it took from the order until programs could run in them.
    pub starts: Latency,
}

impl RequestCounters {
    /// Counts an outcome and hands it on. What is only "not there" or "so already" is no failure.
    pub fn count<T, E>(
        &self,
        outcome: Result<T, E>,
        is_failure: impl FnOnce(&E) -> bool,
    ) -> Result<T, E> {
        self.all.add();
        outcome.inspect_err(|error| {
            if is_failure(error) {
                self.failed.add();
            }
        })
    }
}

impl PlaceCounters {
    /// Counts one that was ordered at that time: programs can run in it, or never will.
    pub fn ready<T, E>(&self, ordered: Instant, outcome: Result<T, E>) -> Result<T, E> {
        match &outcome {
            Ok(_) => self.starts.observe(ordered.elapsed()),
            Err(_) => self.failed.add(),
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_failure_is_for_the_caller_to_say() {
        let requests = RequestCounters::default();
        for (outcome, is_failure) in [(Ok(()), true), (Err(1), false), (Err(2), true)] {
            assert_eq!(requests.count(outcome, |_| is_failure), outcome);
        }
        assert_eq!((requests.all.value(), requests.failed.value()), (3, 1));
    }

    #[test]
    fn a_place_counts_as_started_or_as_failed() {
        let places = PlaceCounters::default();
        places.ready(Instant::now(), Ok::<_, ()>(())).unwrap();
        places.ready(Instant::now(), Err::<(), _>(())).unwrap_err();
        assert_eq!(places.starts.classes().iter().sum::<u64>(), 1);
        assert_eq!(places.failed.value(), 1);
    }
}
