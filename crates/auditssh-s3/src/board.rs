//! Which logs there are to upload, and whose turn it is.

use crate::lock::lock;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The logs that are not in the bucket as a whole.
#[derive(Debug, Default)]
pub(crate) struct Board {
    state: Mutex<State>,
    change: Notify,
}

#[derive(Debug, Default)]
struct State {
    logs: HashMap<String, Log>,
    ready: VecDeque<String>,
    later: BTreeSet<(Instant, String)>,
    running: usize,
}

/// What is known of a log.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    /// So many bytes are safe, and may be uploaded.
    pub(crate) sealed: u64,
    /// It is complete.
    pub(crate) closed: bool,
    /// Since when it waits.
    pub(crate) since: SystemTime,
    /// What its uploads met so far.
    pub(crate) history: History,
    turn: Turn,
    /// What is uploaded of it is to be compared with it once more.
    recheck: bool,
    /// Something happened while it was its turn.
    again: bool,
    /// Nothing is to be done before so many bytes are safe.
    wanted: u64,
}

/// What the uploads of a log met so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// The manifest on the disk was compared with the log, or was made in this run.
    pub(crate) verified: bool,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// How often an answer took too long, in a row.
    pub(crate) expired: u32,
    /// How often an answer did not fit what was sent, in a row.
    pub(crate) doubts: u32,
    /// How often its upload began anew, since parts were lost.
    pub(crate) restarts: u32,
    /// Failures in a row that only this log has.
    pub(crate) strikes: u32,
    /// How many requests had succeeded at the last failure.
    pub(crate) successes: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Turn {
    #[default]
    None,
    Ready,
    Later(Instant),
    Now,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The log needs no further turn.
    Gone,
    /// Nothing is to be done before so many bytes are safe, or the log is complete.
    Until(u64),
    /// It is tried again after a while.
    Wait(Duration),
}

/// How much there is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) logs: usize,
    pub(crate) closed: usize,
    pub(crate) failing: usize,
    pub(crate) bytes: u64,
    pub(crate) oldest: Option<SystemTime>,
}

impl Board {
    /// So many bytes of a log are safe. `first` is the least with which anything is to be done.
    pub(crate) fn sealed(&self, id: &str, length: u64, first: u64) {
        let mut state = lock(&self.state);
        let log = state.log(id, SystemTime::now(), first);
        log.sealed = log.sealed.max(length);
        if log.sealed >= log.wanted {
            state.call(id);
        }
        self.change.notify_one();
    }

    /// A log is complete, and may be another than it was: it was recovered.
    pub(crate) fn recovered(&self, id: &str) {
        if let Some(log) = lock(&self.state).logs.get_mut(id) {
            log.recheck = true;
        }
        self.closed(id, None, 0);
    }

    /// A log is complete.
    pub(crate) fn closed(&self, id: &str, since: Option<SystemTime>, length: u64) {
        let mut state = lock(&self.state);
        let log = state.log(id, since.unwrap_or_else(SystemTime::now), 0);
        (log.closed, log.wanted) = (true, 0);
        log.sealed = log.sealed.max(length);
        state.call(id);
        self.change.notify_one();
    }

    /// Waits for a log whose turn it is.
    pub(crate) async fn next(&self) -> String {
        loop {
            let changed = self.change.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let (found, due) = lock(&self.state).take(Instant::now());
            if let Some(id) = found {
                // Another worker may be needed for the next.
                self.change.notify_one();
                return id;
            }
            match due {
                Some(due) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(due) => {}
                        () = changed => {}
                    }
                }
                None => changed.await,
            }
        }
    }

    pub(crate) fn log(&self, id: &str) -> Option<Log> {
        lock(&self.state).logs.get(id).cloned()
    }

    /// Whether a log has as much as is wanted of it, after its turn ended with nothing to do.
    pub(crate) fn ended(&self, id: &str, ended: Ended, history: History) {
        let mut state = lock(&self.state);
        state.running = state.running.saturating_sub(1);
        let now = Instant::now();
        let Some(log) = state.logs.get_mut(id) else {
            return;
        };
        log.history = history;
        log.turn = Turn::None;
        let again = std::mem::take(&mut log.again);
        match ended {
            Ended::Gone => {
                state.logs.remove(id);
            }
            Ended::Until(wanted) => {
                log.wanted = wanted;
                if again || log.sealed >= wanted {
                    state.call(id);
                }
            }
            Ended::Wait(time) => {
                log.turn = Turn::Later(now + time);
                state.later.insert((now + time, id.to_owned()));
            }
        }
        self.change.notify_one();
    }

    /// Whether a log has its turn, or a complete one will have it by then.
    pub(crate) fn is_busy(&self, until: Instant) -> bool {
        let state = lock(&self.state);
        let mut complete = state.logs.values().filter(|log| log.closed);
        state.running > 0
            || complete.any(|log| match log.turn {
                Turn::None => false,
                Turn::Ready | Turn::Now => true,
                Turn::Later(due) => due <= until,
            })
    }

    pub(crate) fn load(&self) -> Load {
        let state = lock(&self.state);
        let logs = state.logs.values();
        Load {
            logs: state.logs.len(),
            closed: logs.clone().filter(|log| log.closed).count(),
            failing: logs.clone().filter(|log| log.history.failures > 0).count(),
            bytes: logs.clone().map(|log| log.sealed).sum(),
            oldest: logs.map(|log| log.since).min(),
        }
    }
}

impl State {
    fn log(&mut self, id: &str, since: SystemTime, wanted: u64) -> &mut Log {
        self.logs.entry(id.to_owned()).or_insert_with(|| Log {
            sealed: 0,
            closed: false,
            since,
            history: History::default(),
            turn: Turn::None,
            recheck: false,
            again: false,
            wanted,
        })
    }

    /// It is a log's turn, as soon as someone has time. One that failed keeps its wait.
    fn call(&mut self, id: &str) {
        let Some(log) = self.logs.get_mut(id) else {
            return;
        };
        match log.turn {
            Turn::None => {
                log.turn = Turn::Ready;
                self.ready.push_back(id.to_owned());
            }
            Turn::Now => log.again = true,
            Turn::Ready | Turn::Later(_) => {}
        }
    }

    /// The log whose turn it is, or the time at which it is one's.
    fn take(&mut self, now: Instant) -> (Option<String>, Option<Instant>) {
        let due = self.later.first().map(|(due, _)| *due);
        let id = match due {
            Some(due) if due <= now => self.later.pop_first().map(|(_, id)| id),
            _ => self.ready.pop_front(),
        };
        if let Some(log) = id.as_ref().and_then(|id| self.logs.get_mut(id)) {
            log.turn = Turn::Now;
            log.history.verified &= !std::mem::take(&mut log.recheck);
            self.running += 1;
        }
        (id, due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_log_has_its_turn_when_there_is_something_to_do() {
        let board = Board::default();
        board.sealed("a", 10, 100);
        let nothing = tokio::time::timeout(Duration::from_secs(9), board.next());
        assert!(nothing.await.is_err());
        board.sealed("a", 100, 100);
        assert_eq!(board.next().await, "a");
        board.sealed("a", 150, 100); // while it runs
        let nothing = tokio::time::timeout(Duration::from_secs(9), board.next());
        assert!(nothing.await.is_err(), "twice at a time");
        board.ended("a", Ended::Until(200), History::default());
        assert_eq!(board.next().await, "a", "what came meanwhile is looked at");
        board.ended("a", Ended::Until(200), History::default());
        board.closed("a", None, 160);
        assert_eq!(board.next().await, "a");
        board.ended("a", Ended::Gone, History::default());
        assert_eq!(board.load(), Load::default());
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_waits_and_holds_up_nobody() {
        let board = Board::default();
        board.closed("bad", None, 1);
        assert_eq!(board.next().await, "bad");
        let begun = Instant::now();
        board.ended(
            "bad",
            Ended::Wait(Duration::from_secs(30)),
            History::default(),
        );
        board.closed("bad", None, 1);
        board.closed("good", None, 1);
        assert_eq!(board.next().await, "good");
        assert_eq!(board.next().await, "bad");
        assert_eq!(begun.elapsed(), Duration::from_secs(30));
        assert!(board.is_busy(begun), "both have their turn");
        board.ended("good", Ended::Gone, History::default());
        board.ended(
            "bad",
            Ended::Wait(Duration::from_mins(1)),
            History::default(),
        );
        assert!(!board.is_busy(Instant::now() + Duration::from_secs(59)));
        assert!(board.is_busy(Instant::now() + Duration::from_mins(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_that_is_complete_is_to_be_uploaded_at_once() {
        let board = Board::default();
        board.sealed("live", 10, 100);
        assert!(!board.is_busy(Instant::now()), "nothing is to be done yet");
        board.closed("complete", None, 1);
        assert!(board.is_busy(Instant::now()));
    }
}
