//! Logs, and the disk that they are on.

use super::sheet::{Names, Sheet};
use auditssh_archive::{Counters, Latency, Status};
use prometheus_client::registry::Unit;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// One output: its labels, and what it tells.
pub(super) type Output<'a> = (Names, &'a Counters, Status);

pub(super) fn write(sheet: &mut Sheet<'_>, outputs: &[Output<'_>]) -> fmt::Result {
    if outputs.is_empty() {
        return Ok(());
    }
    let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let bytes = outputs.iter();
    let bytes = bytes.map(|(labels, counters, _)| (labels.clone(), value(&counters.bytes)));
    let help = "Bytes sealed into logs";
    sheet.counter_of("auditssh_log", help, Some(&Unit::Bytes), bytes)?;
    for (name, help, counter) in COUNTERS {
        let of = |(labels, counters, _): &Output<'_>| (labels.clone(), value(counter(counters)));
        sheet.counter_of(name, help, None, outputs.iter().map(of))?;
    }
    let gauge = |of: fn(&Status) -> usize| {
        let outputs = outputs.iter();
        outputs.map(move |(labels, _, status)| (labels.clone(), number(of(status))))
    };
    let help = "Logs that are not closed";
    sheet.gauge_of(
        "auditssh_logs_open",
        help,
        None,
        gauge(|status| status.open),
    )?;
    let help = "Logs of earlier runs that are still to be recovered";
    let unrecovered = gauge(|status| status.unrecovered);
    sheet.gauge_of("auditssh_logs_unrecovered", help, None, unrecovered)?;
    commits(sheet, outputs)?;
    let warnings = outputs.iter().flat_map(|(labels, counters, _)| {
        let percents = ["25", "10", "5"].into_iter().zip(&counters.space_warnings);
        percents.map(|(percent, counter)| {
            let mut labels = labels.clone();
            labels.push(("percent", percent.to_owned()));
            (labels, value(counter))
        })
    });
    let help = "Times that free space fell below so many percent";
    sheet.counter_of("auditssh_space_warnings", help, None, warnings)?;
    space(sheet, outputs)
}

type Place = fn(&Counters) -> &AtomicU64;

/// Names, what they mean, and where they are counted.
const COUNTERS: [(&str, &str, Place); 8] = [
    ("auditssh_log_messages", "Messages recorded", |counters| {
        &counters.messages
    }),
    (
        "auditssh_log_messages_missing",
        "Messages that could not be recorded while sessions went on (audit.onFailure: continue)",
        |counters| &counters.missing,
    ),
    ("auditssh_logs_begun", "Logs begun", |counters| {
        &counters.begun
    }),
    ("auditssh_logs_closed", "Logs closed properly", |counters| {
        &counters.closed
    }),
    (
        "auditssh_logs_recovered",
        "Logs of earlier runs that were recovered",
        |counters| &counters.recovered,
    ),
    (
        "auditssh_logs_damaged",
        "Logs of earlier runs that no crash leaves so, or of which recovery set something aside",
        |counters| &counters.damaged,
    ),
    (
        "auditssh_logs_tampered",
        "Files, or their directory, that someone deleted, replaced or cut while they were written",
        |counters| &counters.tampered,
    ),
    (
        "auditssh_storage_failures",
        "File operations of the logs that failed",
        |counters| &counters.failures,
    ),
];

fn space(sheet: &mut Sheet<'_>, outputs: &[Output<'_>]) -> fmt::Result {
    let known: Vec<_> = outputs
        .iter()
        .filter_map(|(labels, _, status)| Some((labels, status.space?)))
        .collect();
    if known.is_empty() {
        return Ok(());
    }
    let (free, all) = ("auditssh_spool_free", "auditssh_spool_capacity");
    let (unit, series) = (Some(&Unit::Bytes), known.iter());
    let frees = series
        .clone()
        .map(|(labels, space)| ((*labels).clone(), space.free));
    sheet.gauge_of(free, "Free space where logs are written", unit, frees)?;
    let totals = series.map(|(labels, space)| ((*labels).clone(), space.total));
    sheet.gauge_of(all, "All space where logs are written", unit, totals)
}

fn commits(sheet: &mut Sheet<'_>, outputs: &[Output<'_>]) -> fmt::Result {
    let series = outputs.iter().map(|(labels, counters, _)| {
        let commits = &counters.commits;
        (
            labels.clone(),
            commits.sum().as_secs_f64(),
            classes(commits),
        )
    });
    sheet.histogram_of_seconds(
        "auditssh_commit",
        "How long what happened waited to be recorded before it had its effect",
        series,
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
