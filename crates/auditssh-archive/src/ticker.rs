//! What is to be done once a while: syncs, ages, second tries, free space, files that vanish.

use crate::directory::tail_name;
use crate::disk::{DiskFile, Space};
use crate::log::Log;
use crate::recovery::{Recovered, Recovery};
use crate::sealer::Job;
use crate::shared::Shared;
use crate::status::Counters;
use crate::sync::lock;
use auditssh_log::seal::Deflate;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Free space in percent at which a warning is given, each once until there is more again.
const LADDER: [u64; 3] = [25, 10, 5];
/// Ticks between looks at the files of live logs, and between second tries of recovery.
const FILES: u64 = 20;
const LEFT: u64 = 5;

/// Pushes what is dirty to the disk, twice an interval: what was written waits for one half of it at
/// most, and the other is left for the sync.
pub(crate) fn sync(shared: &Arc<Shared>, interval: Duration) {
    while !shared.ticks.pause(interval / 2) {
        for log in shared.live() {
            for dirty in std::mem::take(&mut *lock(&log.dirty)) {
                shared.sync(dirty);
            }
        }
    }
}

/// Everything else, every tick.
pub(crate) fn run(shared: &Arc<Shared>) {
    let (mut ticks, mut warned) = (0_u64, 0);
    while !shared.ticks.pause(shared.settings.tick) {
        ticks = ticks.wrapping_add(1);
        space(shared, &mut warned);
        for log in shared.live() {
            look(shared, &log);
            if ticks.is_multiple_of(FILES) {
                files(shared, &log);
            }
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

fn space(shared: &Shared, warned: &mut usize) {
    let Ok(Space { total, free }) = shared.disk.space() else {
        return;
    };
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

/// Someone may delete or cut files under a running server.
fn files(shared: &Shared, log: &Arc<Log>) {
    let mut wrong = Vec::new();
    if let Ok(seals) = log.seals.try_lock() {
        check(&*log.file, &log.id, seals.length(), &mut wrong);
    }
    if let Ok(spool) = log.spool.try_lock() {
        for (chunk, tail) in (0..).zip(spool.tails().files()) {
            let name = tail_name(&log.id, chunk);
            check(&*tail.file, &name, tail.allocated(), &mut wrong);
        }
    }
    if !lock(&shared.live).contains_key(&log.id) {
        return; // closed meanwhile
    }
    for text in wrong {
        Counters::add(&shared.counters.tampered, 1);
        tracing::error!(connection = %log.id, "a file of a log that is being written {text}");
    }
}

fn check(file: &dyn DiskFile, name: &str, length: u64, wrong: &mut Vec<String>) {
    let Ok(status) = file.status() else {
        return;
    };
    if status.links == 0 {
        wrong.push(format!("was deleted: {name}"));
    } else if status.length < length {
        wrong.push(format!(
            "was cut: {name} has {} bytes of {length}",
            status.length
        ));
    }
}

/// Recovers what earlier runs left, as far as it can be.
pub(crate) fn recover(shared: &Shared) {
    let left = std::mem::take(&mut *lock(&shared.left));
    if left.is_empty() {
        return;
    }
    let mut recovery = Recovery {
        disk: &*shared.disk,
        format: shared.settings.format,
        key: shared.settings.signing_key.as_ref(),
        deflate: Deflate::new(),
    };
    for id in left {
        match recovery.run(&id) {
            Ok(Recovered::Closed) => {}
            Ok(Recovered::Log { messages, damaged }) => {
                Counters::add(&shared.counters.recovered, 1);
                tracing::info!(connection = %id, messages, "a log was recovered");
                if damaged {
                    tracing::error!(connection = %id, "frames behind a damaged one are kept for `auditssh salvage`");
                }
            }
            Ok(Recovered::Refused(reason)) => {
                tracing::error!(connection = %id, reason, "a log is damaged and left as it is");
            }
            Err(error) => {
                tracing::error!(%error, "a log cannot be recovered yet; it is tried again");
                lock(&shared.left).push(id);
            }
        }
    }
}
