//! Many logs at once, handed on in their order.

use super::log::{self, Searched};
use super::{Found, Options, Outcome, Query};
use crate::place::{Listed, Place};
use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

/// How far ahead of the log whose turn it is others are searched: so many times as there are threads.
const AHEAD: usize = 4;

type Result = io::Result<Searched>;

pub(super) fn search(
    place: &dyn Place,
    logs: &[Listed],
    query: &Query,
    options: &Options,
    to: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
) -> Outcome {
    let threads = options.threads.clamp(1, 64).min(logs.len().max(1));
    if threads == 1 {
        return one_by_one(place, logs, query, options, to);
    }
    let line = Line {
        ahead: threads.saturating_mul(AHEAD),
        ..Line::default()
    };
    let (sender, receiver) = sync_channel(threads);
    let mut outcome = Outcome {
        complete: true,
        ..Outcome::default()
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, line) = (sender.clone(), &line);
            scope.spawn(move || work(place, logs, query, options, line, &sender));
        }
        drop(sender);
        let receiver = receiver;
        let mut waiting: BTreeMap<usize, Result> = BTreeMap::new();
        let mut turn = 0;
        'found: while let Ok((number, result)) = receiver.recv() {
            waiting.insert(number, result);
            while let Some(result) = waiting.remove(&turn) {
                let log = logs.get(turn);
                turn += 1;
                line.next(turn);
                if let Some(log) = log
                    && hand_on(log, result, &mut outcome, to).is_break()
                {
                    outcome.complete = false;
                    line.end();
                    break 'found;
                }
            }
        }
        // Nobody waits for what is still found.
        drop(receiver);
    });
    outcome.complete &= !options.is_over();
    outcome
}

/// The same without further threads, each of which would have memory of its own.
fn one_by_one(
    place: &dyn Place,
    logs: &[Listed],
    query: &Query,
    options: &Options,
    to: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
) -> Outcome {
    let mut outcome = Outcome {
        complete: true,
        ..Outcome::default()
    };
    for log in logs {
        let is_over = options.is_over()
            || hand_on(
                log,
                log::search(place, log, query, options),
                &mut outcome,
                to,
            )
            .is_break();
        if is_over {
            outcome.complete = false;
            break;
        }
    }
    outcome
}

fn hand_on(
    log: &Listed,
    result: Result,
    outcome: &mut Outcome,
    to: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    match result {
        Ok(found) => {
            outcome.logs += 1;
            outcome.read += u64::from(found.read);
            outcome.damaged += u64::from(found.damaged);
            outcome.complete &= !found.more && !found.damaged;
            for hit in &found.hits {
                outcome.hits += 1;
                to(Found::Hit(hit))?;
            }
            to(Found::Done(log))
        }
        // It was brought elsewhere since it was listed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => to(Found::Done(log)),
        Err(error) => {
            outcome.problems += 1;
            outcome.complete = false;
            to(Found::Problem(log, &error))?;
            to(Found::Done(log))
        }
    }
}

/// Searches one log after the other.
fn work(
    place: &dyn Place,
    logs: &[Listed],
    query: &Query,
    options: &Options,
    line: &Line,
    to: &SyncSender<(usize, Result)>,
) {
    while let Some(number) = line.take() {
        let Some(log) = logs.get(number) else { return };
        if options.is_over() {
            return;
        }
        let result = log::search(place, log, query, options);
        if to.send((number, result)).is_err() {
            return;
        }
    }
}

/// Whose turn it is.
#[derive(Debug, Default)]
struct Line {
    ahead: usize,
    next: AtomicUsize,
    ended: AtomicBool,
    turn: Mutex<usize>,
    moved: Condvar,
}

impl Line {
    /// The next log; waits while too much is waiting already.
    fn take(&self) -> Option<usize> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        while number >= turn.saturating_add(self.ahead) && !self.ended.load(Ordering::Acquire) {
            turn = self
                .moved
                .wait(turn)
                .unwrap_or_else(PoisonError::into_inner);
        }
        (!self.ended.load(Ordering::Acquire)).then_some(number)
    }

    fn next(&self, turn: usize) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = turn;
        self.moved.notify_all();
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Release);
        // Under the lock: nobody looks at it and then waits.
        drop(self.turn.lock().unwrap_or_else(PoisonError::into_inner));
        self.moved.notify_all();
    }
}
