//! The handle a session holds: stamps time, applies policy, returns at the commit point.

use crate::entry::Entry;
use crate::error::RecordError;
use crate::log::{Log, closes};
use crate::sync::lock;
use crate::tap::Tapped;
use auditssh_log::Event;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

/// The log of one connection, or one of each output, held by everything that acts for it. Cheap to
/// clone. When the last clone is gone the logs are closed.
#[derive(Clone, Debug)]
pub struct Recorder {
    id: Arc<str>,
    outputs: Arc<Outputs>,
}

/// The logs of all outputs, and who looks at what passes.
#[derive(Debug)]
struct Outputs {
    held: Vec<Held>,
    tapped: Option<Tapped>,
}

/// The log of the session. If its files can no longer be trusted and `audit.onFailure` says that
/// the session goes on, another one takes its place.
#[derive(Debug)]
struct Held(Mutex<Arc<Log>>);

/// Resolves when the event is at the commit level, or can't be recorded.
#[must_use = "the effect of an event waits for its commit"]
#[derive(Debug)]
pub struct Commit(State);

#[derive(Debug)]
enum State {
    Known(Result<(), RecordError>),
    One(Wait),
    /// What is not recorded yet, of several outputs.
    Several(Vec<Wait>),
}

/// Since when something waits, and for which ticket of which log.
#[derive(Debug)]
struct Wait(Instant, Arc<Log>, u64);

impl Recorder {
    /// Over the logs of all outputs, which have the connection's id.
    pub(crate) fn new(logs: Vec<Arc<Log>>) -> Self {
        let id = logs.first().map_or_else(new_id, |log| log.id.clone());
        let tapped = logs.iter().find_map(|log| Tapped::new(&log.shared));
        let held = logs.into_iter().map(|log| Held(Mutex::new(log)));
        Self {
            id: id.into(),
            outputs: Arc::new(Outputs {
                held: held.collect(),
                tapped,
            }),
        }
    }

    /// A recorder that keeps nothing (`format: none`, `storage: none`).
    pub fn discarding() -> Self {
        Self::new(Vec::new())
    }

    /// 32 lower-case hexadecimal digits: the name of the (first) log.
    pub fn connection_id(&self) -> &str {
        &self.id
    }

    /// Fixes the place and the time of an event in the log of each output. What it records may have
    /// its effect once the returned [`Commit`] has resolved.
    ///
    /// With several outputs, those whose sessions end if they can't be recorded
    /// ([`OnFailure::Terminate`](crate::OnFailure)) must all have it. One with `Continue` is waited
    /// for, too, but counts as having it when it does not: what it misses it tells itself.
    pub fn append(&self, entry: impl Into<Entry>) -> Commit {
        let since = Instant::now();
        self.outputs.append(since, entry.into())
    }

    /// Resolves when the log of an output can no longer be written and its `audit.onFailure` says
    /// that the session is to end; never otherwise.
    pub async fn failed(&self) -> RecordError {
        let wait = |held: &Held| {
            let log = held.log();
            Box::pin(async move { log.progress.failed().await })
        };
        let mut outputs: Vec<_> = self.outputs.held.iter().map(wait).collect();
        std::future::poll_fn(|context| {
            let ended = outputs
                .iter_mut()
                .find_map(|output| match output.as_mut().poll(context) {
                    Poll::Ready(error) => Some(error),
                    Poll::Pending => None,
                });
            ended.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Appends the disconnect, seals the logs and resolves when they are closed. Later appends are
    /// errors. [`RecordError::Deferred`] says that a log is complete but waits for room.
    pub async fn finish(&self) -> Result<(), RecordError> {
        let outputs = &*self.outputs;
        let begun = outputs.look(Event::Disconnect.into(), |entry, told| {
            let held = outputs.held.iter();
            held.map(|held| held.record(entry.clone(), told))
                .collect::<Vec<_>>()
        });
        let mut result = Ok(());
        for (held, begun) in outputs.held.iter().zip(begun) {
            result = result.and(held.finish(begun).await);
        }
        result
    }
}

impl Outputs {
    /// Has the tap look at an event, and then has it recorded, behind what was told of it.
    fn look<T>(&self, entry: Entry, record: impl FnOnce(Entry, &[Entry]) -> T) -> T {
        match &self.tapped {
            None => record(entry, &[]),
            Some(tapped) => tapped.look(entry, record),
        }
    }

    fn append(&self, since: Instant, entry: Entry) -> Commit {
        self.look(entry, |entry, told| self.record(since, entry, told))
    }

    /// Gives an event its place in each log, behind what a tap tells of it.
    fn record(&self, since: Instant, entry: Entry, told: &[Entry]) -> Commit {
        if let [only] = &*self.held {
            return Commit(match only.record(entry, told) {
                Ok(Some((log, ticket))) => State::One(Wait(since, log, ticket)),
                Ok(None) => State::Known(Ok(())),
                Err(error) => State::Known(Err(error)),
            });
        }
        let (mut waits, mut failure, mut failures) = (Vec::new(), None, 0);
        for held in &self.held {
            match held.record(entry.clone(), told) {
                Ok(Some((log, ticket))) => waits.push(Wait(since, log, ticket)),
                Ok(None) => {}
                Err(error) => {
                    failures += 1;
                    let goes_on = held.log().shared.goes_on();
                    if failure.is_none() || !goes_on {
                        failure = Some((error, goes_on));
                    }
                }
            }
        }
        Commit(match failure {
            Some((error, goes_on)) if !goes_on || failures == self.held.len() => {
                State::Known(Err(error))
            }
            _ => State::Several(waits),
        })
    }
}

impl Held {
    /// Waits until the log is closed whose end was appended.
    async fn finish(
        &self,
        begun: Result<Option<(Arc<Log>, u64)>, RecordError>,
    ) -> Result<(), RecordError> {
        match begun {
            Ok(Some((log, ticket))) => {
                let end = Commit(State::One(Wait(Instant::now(), Arc::clone(&log), ticket)));
                // One that goes on unrecorded is not waited for when it waits for room itself.
                let ended = if log.shared.goes_on() {
                    tokio::select! {
                        closed = log.progress.closed() => return closed,
                        ended = end => ended,
                    }
                } else {
                    end.await
                };
                match ended {
                    Ok(()) | Err(RecordError::Ended) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(None) | Err(RecordError::Ended) => {}
            Err(error) => return Err(error),
        }
        self.log().progress.closed().await
    }

    fn log(&self) -> Arc<Log> {
        Arc::clone(&lock(&self.0))
    }

    /// Appends what a tap tells of an event, and the event. Returns the place of the last that was
    /// kept: when that is recorded, so are those before it.
    fn record(
        &self,
        mut entry: Entry,
        told: &[Entry],
    ) -> Result<Option<(Arc<Log>, u64)>, RecordError> {
        let mut place = None;
        for told in told {
            let mut told = told.clone();
            told.follows = std::mem::replace(&mut entry.follows, true);
            match self.append(told) {
                Ok(next) => place = next.or(place),
                // How a session ends is recorded even then.
                Err(_) if closes(&entry.event) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.append(entry)?.or(place))
    }

    fn append(&self, entry: Entry) -> Result<Option<(Arc<Log>, u64)>, RecordError> {
        let log = self.log();
        let taken = log.append(entry)?;
        if let Some((heir, _)) = taken
            .as_ref()
            .filter(|(taker, _)| !Arc::ptr_eq(taker, &log))
        {
            // Another thread may be further already; the next append finds that out.
            *lock(&self.0) = Arc::clone(heir);
        }
        Ok(taken)
    }
}

impl Drop for Outputs {
    fn drop(&mut self) {
        drop(self.append(Instant::now(), Event::Disconnect.into()));
    }
}

impl Future for Commit {
    type Output = Result<(), RecordError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Known(result) => Poll::Ready(result.clone()),
            State::One(wait) => wait.poll(context),
            State::Several(waits) => {
                let mut failure = None;
                waits.retain(|wait| match wait.poll(context) {
                    Poll::Pending => true,
                    Poll::Ready(Ok(())) => false,
                    Poll::Ready(Err(error)) => {
                        if !wait.1.shared.goes_on() {
                            failure.get_or_insert(error);
                        }
                        false
                    }
                });
                match failure {
                    Some(error) => Poll::Ready(Err(error)),
                    None if waits.is_empty() => Poll::Ready(Ok(())),
                    None => Poll::Pending,
                }
            }
        }
    }
}

impl Wait {
    fn poll(&self, context: &Context<'_>) -> Poll<Result<(), RecordError>> {
        let Self(since, log, ticket) = self;
        let fate = log.progress.poll(*ticket, context);
        if matches!(fate, Poll::Ready(Ok(()))) {
            log.shared.counters.commits.observe(since.elapsed());
        }
        fate
    }
}

/// 128 random bits, as ContainerSSH writes its ids.
pub(crate) fn new_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
