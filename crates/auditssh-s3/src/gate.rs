//! What all uploads know of the store together: while it does not work, one request at a time is
//! tried, and the others wait.

use crate::backoff;
use crate::error::{Kind, StoreError};
use crate::lock::lock;
use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// So many failures in a row, of whatever uploads, say that the store does not work.
const CLOSES: u32 = 8;

/// How often an error that someone must mend is told again.
const REMIND: Duration = Duration::from_hours(1);

/// Lets requests through.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    change: Notify,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    successes: u64,
    /// When the next request is tried while the store does not work.
    next: Option<Instant>,
    probing: bool,
    told: HashSet<Kind>,
    reminded: Option<Instant>,
}

/// Leave to make a request. Whoever has it reports what came of it, or drops it.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    gate: &'a Gate,
    probes: bool,
}

impl Gate {
    /// Waits until a request may be made.
    pub(crate) async fn enter(&self) -> Pass<'_> {
        loop {
            let changed = self.change.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let wait = {
                let mut state = lock(&self.state);
                match state.next {
                    None => return self.pass(false),
                    Some(next) if !state.probing && next <= Instant::now() => {
                        state.probing = true;
                        return self.pass(true);
                    }
                    Some(_) if state.probing => None,
                    Some(next) => Some(next),
                }
            };
            match wait {
                Some(next) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(next) => {}
                        () = changed => {}
                    }
                }
                None => changed.await,
            }
        }
    }

    const fn pass(&self, probes: bool) -> Pass<'_> {
        Pass { gate: self, probes }
    }

    /// Whether the store works, as far as is known.
    pub(crate) fn is_open(&self) -> bool {
        lock(&self.state).next.is_none()
    }

    /// How many requests the store has answered well.
    pub(crate) fn successes(&self) -> u64 {
        lock(&self.state).successes
    }

    fn succeeded(&self) {
        let mut state = lock(&self.state);
        state.successes += 1;
        state.failures = 0;
        let was_closed = state.next.take().is_some();
        let was_told = !std::mem::take(&mut state.told).is_empty();
        drop(state);
        if was_closed || was_told {
            tracing::info!("the bucket takes logs again");
        }
        self.change.notify_waiters();
    }

    fn failed(&self, error: &StoreError) {
        let mut state = lock(&self.state);
        state.failures = state.failures.saturating_add(1);
        let permanent = error.kind.is_permanent();
        let due = state.reminded.is_none_or(|at| at.elapsed() >= REMIND);
        if due {
            state.told.clear();
        }
        // One failure that passes is nothing to speak of.
        let worth_telling = permanent || state.failures >= CLOSES;
        let news = worth_telling && state.told.insert(error.kind);
        if news {
            state.reminded = Some(Instant::now());
        }
        if state.failures >= CLOSES {
            let beyond = state.failures - CLOSES + 1;
            let wait = backoff::wait(beyond, permanent, error.retry_after);
            state.next = Some(Instant::now() + wait);
        }
        drop(state);
        if news && permanent {
            tracing::error!(
                %error,
                "logs cannot be uploaded until someone mends this; they wait on the disk"
            );
        } else if news {
            tracing::error!(%error, "the bucket cannot be reached; logs wait on the disk");
        }
        self.change.notify_waiters();
    }
}

impl Pass<'_> {
    /// What came of the request.
    pub(crate) fn report<T>(self, result: &Result<T, StoreError>) {
        match result {
            Ok(_) => self.gate.succeeded(),
            Err(error) if error.kind.is_answer() => self.gate.succeeded(),
            Err(error) => self.gate.failed(error),
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probes {
            lock(&self.gate.state).probing = false;
            self.gate.change.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken() -> Result<(), StoreError> {
        Err(StoreError::new(Kind::Busy, "PutObject", "503"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_fails_is_asked_by_one_at_a_time_until_it_works() {
        let gate = Gate::default();
        for _ in 0..CLOSES {
            assert!(gate.is_open());
            gate.enter().await.report(&broken());
        }
        assert!(!gate.is_open());
        let mut waits = Vec::new();
        for _ in 0..12 {
            let begun = Instant::now();
            let pass = gate.enter().await;
            waits.push(begun.elapsed());
            let second = tokio::time::timeout(Duration::from_hours(1), gate.enter());
            assert!(second.await.is_err(), "two at a time");
            pass.report(&broken());
        }
        assert!(waits[0] <= Duration::from_secs(1), "{waits:?}");
        assert!(
            waits.iter().all(|wait| *wait <= Duration::from_secs(31)),
            "{waits:?}"
        );
        gate.enter().await.report(&Ok(()));
        assert!(gate.is_open());
        let _many = (gate.enter().await, gate.enter().await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_does_not_keep_others_out() {
        let gate = Gate::default();
        for _ in 0..CLOSES {
            gate.enter().await.report(&broken());
        }
        drop(gate.enter().await);
        drop(gate.enter().await);
    }
}
