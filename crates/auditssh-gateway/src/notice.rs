//! Warnings that a client can cause as often as it likes, written now and then.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often one kind of warning is written at most.
const EVERY: Duration = Duration::from_secs(10);

/// Lets one in [`EVERY`] pass and counts the others.
#[derive(Debug, Default)]
pub(crate) struct Notice(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    withheld: u64,
}

impl Notice {
    /// `Some` if it is time to write: how many were withheld since the last one.
    pub(crate) fn due(&self) -> Option<u64> {
        self.due_at(Instant::now())
    }

    fn due_at(&self, now: Instant) -> Option<u64> {
        let mut state = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if state
            .last
            .is_some_and(|last| now.duration_since(last) < EVERY)
        {
            state.withheld += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.withheld))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_passes_and_the_rest_are_counted() {
        let notice = Notice::default();
        let start = Instant::now();
        assert_eq!(notice.due_at(start), Some(0));
        assert_eq!(notice.due_at(start), None);
        assert_eq!(notice.due_at(start + EVERY / 2), None);
        assert_eq!(notice.due_at(start + EVERY), Some(2));
        assert_eq!(notice.due_at(start + EVERY * 2), Some(0));
    }
}
