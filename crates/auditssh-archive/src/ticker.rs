//! What is to be done once a while: syncs, ages, second tries, free space, files that vanish.

mod trial;
pub(crate) mod watch;

use crate::disk::Space;
use crate::log::Log;
use crate::recovery::{Recovered, Recovery};
use crate::sealer::Job;
use crate::shared::{Left, Shared};
use crate::spool;
use crate::status::Counters;
use crate::sync::lock;
use auditssh_log::seal::Deflate;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Free space in percent at which a warning is given, each once until there is more again.
const LADDER: [u64; 3] = [25, 10, 5];
/// Ticks between looks at the directory and the files of live logs, and between second tries of recovery.
const FILES: u64 = 20;
const LEFT: u64 = 5;

/// Pushes what is dirty to the disk, twice an interval: what was written waits for one half of it at
/// most, and the other is left for the sync.
pub(crate) fn sync(shared: &Arc<Shared>, interval: Duration) {
    let mut wait = |time| shared.ticks.pause(time);
    while !shared.clock.pause(interval / 2, &mut wait) {
        for log in shared.live() {
            for dirty in std::mem::take(&mut *lock(&log.dirty)) {
                shared.sync(dirty);
            }
        }
    }
}

/// Everything else, every tick.
pub(crate) fn run(shared: &Arc<Shared>) {
    let (mut ticks, mut warned, mut in_place) = (0_u64, 0, true);
    while !shared.ticks.pause(shared.settings.tick) {
        ticks = ticks.wrapping_add(1);
        lock(&shared.looked).0 = Instant::now();
        space(shared, &mut warned);
        trial::run(shared, ticks);
        // No longer than a tick, however slow the disk is.
        let mut makes = true;
        let begun = Instant::now();
        for log in shared.live() {
            look(shared, &log);
            makes = makes && succeed(shared, &log) && begun.elapsed() < shared.settings.tick;
            if ticks.is_multiple_of(FILES) {
                watch::files(shared, &log);
            }
        }
        if ticks.is_multiple_of(FILES) {
            watch::directory(shared, &mut in_place);
        }
        if ticks.is_multiple_of(LEFT) {
            recover(shared);
        }
    }
}

fn look(shared: &Shared, log: &Arc<Log>) {
    if log.is_blocked() {
        shared.seal(Job::Retry(Arc::clone(log)));
    }
    let since = log.since.load(Ordering::Acquire);
    let age = shared.clock.now().mono.saturating_sub(since);
    let old = since > 0 && u128::from(age) >= shared.settings.seal_interval.as_nanos();
    if old || log.gapped.load(Ordering::Acquire) {
        log.wake();
    }
}

/// Begins another log for a session that goes on without a trusted one. Whether that is worth a
/// try with the next one, too.
fn succeed(shared: &Shared, log: &Arc<Log>) -> bool {
    if !shared.goes_on() || !log.is_condemned() {
        return true;
    }
    let made = spool::make_heir(log);
    if let Err(error) = &made {
        tracing::debug!(connection = %log.id, %error, "no other log can be begun yet");
    }
    made.is_ok()
}

fn space(shared: &Shared, warned: &mut usize) {
    let Ok(Space { total, free }) = shared.disk.space() else {
        return;
    };
    lock(&shared.looked).1 = Some(Space { total, free });
    let percent = free.saturating_mul(100) / total.max(1);
    let steps = LADDER.iter().filter(|&&step| percent < step).count();
    for (step, counter) in LADDER
        .iter()
        .zip(&shared.counters.space_warnings)
        .take(steps)
        .skip(*warned)
    {
        Counters::add(counter, 1);
        tracing::warn!(
            free_bytes = free,
            "less than {step} % of the space for logs is free"
        );
    }
    *warned = steps;
}

/// Recovers what earlier runs left, as far as it can be.
pub(crate) fn recover(shared: &Shared) {
    let left = std::mem::take(&mut *lock(&shared.left));
    if left.is_empty() {
        return;
    }
    let observer = shared.settings.observer.as_ref();
    let mut recovery = Recovery {
        disk: &*shared.disk,
        form: &shared.settings.form,
        key: shared.settings.signing_key.as_ref(),
        deflate: Deflate::new(),
        gives_away: observer.is_some_and(|observer| observer.takes_damaged()),
        files: Vec::new(),
        casts: None,
    };
    for Left { id, told } in left {
        lock(&shared.looked).0 = Instant::now();
        let result = recovery.run(&id);
        let done = match &result {
            Ok(Recovered::Closed { .. } | Recovered::Log { .. }) => true,
            Ok(Recovered::Refused(_)) => recovery.gives_away,
            Err(_) => false,
        };
        if let Some(observer) = observer.filter(|_| done) {
            recovery
                .files
                .iter()
                .for_each(|name| observer.recovered(name));
        }
        match result {
            Ok(recovered) => tell(&shared.counters, &id, recovered),
            Err(error) => {
                if !told {
                    tracing::error!(connection = %id, %error, "a log cannot be recovered yet; it is tried again");
                }
                lock(&shared.left).push(Left { id, told: true });
            }
        }
    }
}

fn tell(counters: &Counters, id: &str, recovered: Recovered) {
    let damaged = match recovered {
        Recovered::Closed { damaged } => damaged,
        Recovered::Log { messages, damaged } => {
            Counters::add(&counters.recovered, 1);
            tracing::info!(connection = %id, messages, "a log was recovered");
            damaged
        }
        Recovered::Refused(reason) => {
            Counters::add(&counters.damaged, 1);
            tracing::error!(connection = %id, reason, "a log is damaged and left as it is");
            return;
        }
    };
    if damaged {
        Counters::add(&counters.damaged, 1);
        tracing::error!(connection = %id, "frames behind a damaged one are kept for `auditssh salvage`");
    }
}
