//! How far a log is: which of its events are recorded, and whether it still can be.

use crate::error::RecordError;
use crate::sync::lock;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use tokio::sync::watch;

/// A watermark over the events of a log, counted by tickets in the order in which they came.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The fate of every ticket below this is known.
    resolved: AtomicU64,
    any_failure: AtomicBool,
    state: Mutex<State>,
    failed: watch::Sender<Option<RecordError>>,
    closed: watch::Sender<Option<Result<(), RecordError>>>,
}

#[derive(Debug, Default)]
struct State {
    waiters: Vec<(u64, Waker)>,
    /// Tickets that were not recorded. Neighbours are one, so there are few.
    failures: Vec<(Range<u64>, RecordError)>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            resolved: AtomicU64::new(0),
            any_failure: AtomicBool::new(false),
            state: Mutex::default(),
            failed: watch::Sender::new(None),
            closed: watch::Sender::new(None),
        }
    }

    /// Every ticket below `end` that was not rejected is recorded.
    pub(crate) fn resolve(&self, end: u64) {
        let mut state = lock(&self.state);
        self.advance(&mut state, end);
    }

    /// These tickets are not recorded and will not be.
    pub(crate) fn reject(&self, tickets: Range<u64>, error: &RecordError) {
        if tickets.is_empty() {
            return;
        }
        let mut state = lock(&self.state);
        match state.failures.last_mut() {
            Some((last, _)) if last.end == tickets.start => last.end = tickets.end,
            _ => state.failures.push((tickets.clone(), error.clone())),
        }
        self.any_failure.store(true, Ordering::Release);
        wake(&mut state.waiters, |ticket| tickets.contains(&ticket));
        let resolved = self.resolved.load(Ordering::Acquire);
        self.advance(&mut state, resolved);
    }

    /// Nothing whose fate is not known yet is recorded, nor anything after it.
    pub(crate) fn reject_all(&self, error: &RecordError) {
        let resolved = self.resolved.load(Ordering::Acquire);
        self.reject(resolved..u64::MAX, error);
    }

    fn advance(&self, state: &mut State, end: u64) {
        let mut end = end.max(self.resolved.load(Ordering::Acquire));
        for (failed, _) in &state.failures {
            if failed.contains(&end) {
                end = failed.end;
            }
        }
        self.resolved.store(end, Ordering::Release);
        wake(&mut state.waiters, |ticket| ticket < end);
    }

    /// Waits for the fate of a ticket.
    pub(crate) fn poll(&self, ticket: u64, context: &Context<'_>) -> Poll<Result<(), RecordError>> {
        if ticket < self.resolved.load(Ordering::Acquire)
            && !self.any_failure.load(Ordering::Acquire)
        {
            return Poll::Ready(Ok(()));
        }
        let mut state = lock(&self.state);
        let failure = state
            .failures
            .iter()
            .find(|(failed, _)| failed.contains(&ticket));
        if let Some((_, error)) = failure {
            return Poll::Ready(Err(error.clone()));
        }
        if ticket < self.resolved.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        let waker = context.waker();
        match state
            .waiters
            .iter_mut()
            .find(|(waiting, _)| *waiting == ticket)
        {
            Some((_, known)) => known.clone_from(waker),
            None => state.waiters.push((ticket, waker.clone())),
        }
        Poll::Pending
    }

    /// Tells the session that it can no longer be recorded. The first reason stands.
    pub(crate) fn fail(&self, error: &RecordError) {
        self.failed.send_if_modified(|failed| {
            let first = failed.is_none();
            if first {
                *failed = Some(error.clone());
            }
            first
        });
    }

    pub(crate) async fn failed(&self) -> RecordError {
        let mut watch = self.failed.subscribe();
        loop {
            let failed = watch.borrow_and_update().clone();
            match failed {
                Some(error) => return error,
                None if watch.changed().await.is_err() => std::future::pending().await,
                None => {}
            }
        }
    }

    /// The log is closed, or is left as it is. A good end replaces a bad one.
    pub(crate) fn close(&self, result: Result<(), RecordError>) {
        self.closed.send_if_modified(|closed| {
            let news = !matches!(closed, Some(Ok(())));
            if news {
                *closed = Some(result);
            }
            news
        });
    }

    pub(crate) async fn closed(&self) -> Result<(), RecordError> {
        let mut watch = self.closed.subscribe();
        loop {
            let closed = watch.borrow_and_update().clone();
            match closed {
                Some(result) => return result,
                None if watch.changed().await.is_err() => return Err(RecordError::Ended),
                None => {}
            }
        }
    }
}

fn wake(waiters: &mut Vec<(u64, Waker)>, which: impl Fn(u64) -> bool) {
    waiters.retain(|(ticket, waker)| {
        let due = which(*ticket);
        if due {
            waker.wake_by_ref();
        }
        !due
    });
}
