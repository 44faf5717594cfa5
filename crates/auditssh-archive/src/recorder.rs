//! The handle a session holds: stamps time, applies policy, returns at the commit point.

use crate::entry::Entry;
use crate::error::RecordError;
use crate::log::Log;
use crate::sync::lock;
use crate::tap::Tapped;
use auditssh_log::Event;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

/// The log of one connection, held by everything that acts for it. Cheap to clone. When the last
/// clone is gone the log is closed.
#[derive(Clone, Debug)]
pub struct Recorder {
    id: Arc<str>,
    held: Option<Arc<Held>>,
}

/// The log of the session. If its files can no longer be trusted and `audit.onFailure` says that
/// the session goes on, another one takes its place.
#[derive(Debug)]
struct Held {
    log: Mutex<Arc<Log>>,
    tapped: Option<Tapped>,
}

/// Resolves when the event is at the commit level, or can't be recorded.
#[must_use = "the effect of an event waits for its commit"]
#[derive(Debug)]
pub struct Commit(State);

#[derive(Debug)]
enum State {
    Known(Result<(), RecordError>),
    /// Since when, and for which ticket of which log.
    Waiting(Instant, Arc<Log>, u64),
}

impl Recorder {
    pub(crate) fn new(log: Arc<Log>) -> Self {
        Self {
            id: log.id.as_str().into(),
            held: Some(Arc::new(Held {
                tapped: Tapped::new(&log.shared),
                log: Mutex::new(log),
            })),
        }
    }

    /// A recorder that keeps nothing (`format: none`, `storage: none`).
    pub fn discarding() -> Self {
        Self {
            id: new_id().into(),
            held: None,
        }
    }

    /// 32 lower-case hexadecimal digits: the name of the (first) log.
    pub fn connection_id(&self) -> &str {
        &self.id
    }

    /// Fixes the place and the time of an event in the log. What it records may have its effect
    /// once the returned [`Commit`] has resolved.
    pub fn append(&self, entry: impl Into<Entry>) -> Commit {
        let Some(held) = &self.held else {
            return Commit(State::Known(Ok(())));
        };
        let since = Instant::now();
        Commit(match held.append(entry.into()) {
            Ok(Some((log, ticket))) => State::Waiting(since, log, ticket),
            Ok(None) => State::Known(Ok(())),
            Err(error) => State::Known(Err(error)),
        })
    }

    /// Resolves when the log can no longer be written and `audit.onFailure` says that the
    /// session is to end; never otherwise.
    pub async fn failed(&self) -> RecordError {
        match &self.held {
            Some(held) => held.log().progress.failed().await,
            None => std::future::pending().await,
        }
    }

    /// Appends the disconnect, seals the log and resolves when it is closed. Later appends are
    /// errors. [`RecordError::Deferred`] says that the log is complete but waits for room.
    pub async fn finish(&self) -> Result<(), RecordError> {
        let Some(held) = &self.held else {
            return Ok(());
        };
        let disconnect = self.append(Event::Disconnect);
        match disconnect.await {
            Ok(()) | Err(RecordError::Ended) => held.log().progress.closed().await,
            Err(error) => Err(error),
        }
    }
}

impl Held {
    fn log(&self) -> Arc<Log> {
        Arc::clone(&lock(&self.log))
    }

    fn append(&self, entry: Entry) -> Result<Option<(Arc<Log>, u64)>, RecordError> {
        match &self.tapped {
            Some(tapped) => tapped.append(entry, |entry| self.put(entry)),
            None => self.put(entry),
        }
    }

    fn put(&self, entry: Entry) -> Result<Option<(Arc<Log>, u64)>, RecordError> {
        let log = self.log();
        let taken = log.append(entry)?;
        if let Some((heir, _)) = taken
            .as_ref()
            .filter(|(taker, _)| !Arc::ptr_eq(taker, &log))
        {
            // Another thread may be further already; the next append finds that out.
            *lock(&self.log) = Arc::clone(heir);
        }
        Ok(taken)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.append(Event::Disconnect.into());
    }
}

impl Future for Commit {
    type Output = Result<(), RecordError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &self.0 {
            State::Known(result) => Poll::Ready(result.clone()),
            State::Waiting(since, log, ticket) => {
                let fate = log.progress.poll(*ticket, context);
                if matches!(fate, Poll::Ready(Ok(()))) {
                    log.shared.counters.commits.observe(since.elapsed());
                }
                fate
            }
        }
    }
}

/// 128 random bits, as ContainerSSH writes its ids.
pub(crate) fn new_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
