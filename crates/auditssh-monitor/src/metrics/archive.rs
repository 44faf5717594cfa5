//! Logs, and the disk that they are on.

use super::sheet::Sheet;
use auditssh_archive::{Counters, Latency, Status};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) fn write(sheet: &mut Sheet<'_>, counters: &Counters, status: &Status) -> fmt::Result {
    let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    sheet.counter_of_bytes(
        "auditssh_log",
        "Bytes sealed into logs",
        value(&counters.bytes),
    )?;
    for (name, help, counter) in [
        (
            "auditssh_log_messages",
            "Messages recorded",
            &counters.messages,
        ),
        (
            "auditssh_log_messages_missing",
            "Messages that could not be recorded while sessions went on (audit.onFailure: continue)",
            &counters.missing,
        ),
        ("auditssh_logs_begun", "Logs begun", &counters.begun),
        (
            "auditssh_logs_closed",
            "Logs closed properly",
            &counters.closed,
        ),
        (
            "auditssh_logs_recovered",
            "Logs of earlier runs that were recovered",
            &counters.recovered,
        ),
        (
            "auditssh_logs_damaged",
            "Logs of earlier runs that no crash leaves so, or of which recovery set something aside",
            &counters.damaged,
        ),
        (
            "auditssh_logs_tampered",
            "Files that someone deleted, replaced or cut while they were written",
            &counters.tampered,
        ),
        (
            "auditssh_storage_failures",
            "File operations of the logs that failed",
            &counters.failures,
        ),
    ] {
        sheet.counter(name, help, value(counter))?;
    }
    sheet.gauge(
        "auditssh_logs_open",
        "Logs that are not closed",
        number(status.open),
    )?;
    sheet.gauge(
        "auditssh_logs_unrecovered",
        "Logs of earlier runs that are still to be recovered",
        number(status.unrecovered),
    )?;
    commits(sheet, &counters.commits)?;
    let [few, fewer, fewest] = &counters.space_warnings;
    sheet.counters(
        "auditssh_space_warnings",
        "Times that free space fell below so many percent",
        [("25", few), ("10", fewer), ("5", fewest)]
            .map(|(percent, counter)| ([("percent", percent)], value(counter))),
    )?;
    if let Some(space) = status.space {
        let (free, all) = ("auditssh_spool_free", "auditssh_spool_capacity");
        sheet.gauge_of_bytes(free, "Free space where logs are written", space.free)?;
        sheet.gauge_of_bytes(all, "All space where logs are written", space.total)?;
    }
    Ok(())
}

fn commits(sheet: &mut Sheet<'_>, commits: &Latency) -> fmt::Result {
    sheet.histogram_of_seconds(
        "auditssh_commit",
        "How long what happened waited to be recorded before it had its effect",
        commits.sum().as_secs_f64(),
        &classes(commits),
    )
}

/// The classes of a duration: up to how many seconds each goes, and how many fell into it.
pub(super) fn classes(latency: &Latency) -> Vec<(f64, u64)> {
    // Exact: a minute has fewer nanoseconds than an f64 digits for.
    #[expect(clippy::cast_precision_loss, reason = "classes end at a minute")]
    let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
    let bounds = Latency::BOUNDS.map(seconds);
    let bounds = bounds.into_iter().chain([f64::INFINITY]);
    bounds.zip(latency.classes()).collect()
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
