//! Locks and queues between threads.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Locks. What a panicking thread left is taken as it is: each state here holds at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Work for threads. What is in it is bounded by those who push: each log is in it once.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    change: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                items: VecDeque::new(),
                closed: false,
            }),
            change: Condvar::new(),
        }
    }

    pub(crate) fn push(&self, item: T) {
        lock(&self.state).items.push_back(item);
        self.change.notify_one();
    }

    /// The next item; `None` once the queue is closed and empty.
    pub(crate) fn pop(&self) -> Option<T> {
        let mut state = lock(&self.state);
        loop {
            match state.items.pop_front() {
                Some(item) => return Some(item),
                None if state.closed => return None,
                None => {
                    state = self
                        .change
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// All items, as soon as there is one; `None` once the queue is closed and empty.
    pub(crate) fn pop_all(&self) -> Option<VecDeque<T>> {
        let first = self.pop()?;
        let mut items = std::mem::take(&mut lock(&self.state).items);
        items.push_front(first);
        Some(items)
    }

    /// Waits for that long, or until the queue is closed; whether it is.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mut state = lock(&self.state);
        while !state.closed {
            let Some(left) = end.checked_duration_since(Instant::now()) else {
                break;
            };
            state = self
                .change
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.closed
    }

    /// Lets the threads end once all is done.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.change.notify_all();
    }
}
