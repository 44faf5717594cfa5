//! The way of logs into a bucket.

use super::sheet::{Names, Sheet};
use auditssh_s3::{Counter, Counters, Kind, Status};
use prometheus_client::registry::Unit;
use std::fmt;
use std::time::UNIX_EPOCH;

/// One output: its labels, and what it tells.
pub(super) type Output<'a> = (Names, &'a Counters, Status);

pub(super) fn write(sheet: &mut Sheet<'_>, outputs: &[Output<'_>]) -> fmt::Result {
    if outputs.is_empty() {
        return Ok(());
    }
    for (name, help, unit, counter) in COUNTERS {
        let of = |(labels, counters, _): &Output<'_>| (labels.clone(), counter(counters).value());
        sheet.counter_of(
            name,
            help,
            unit.then_some(&Unit::Bytes),
            outputs.iter().map(of),
        )?;
    }
    let failures = outputs.iter().flat_map(|(labels, counters, _)| {
        let kinds = Kind::ALL.into_iter().zip(&counters.failures);
        kinds.map(|(kind, counter)| {
            let mut labels = labels.clone();
            labels.push(("kind", name(kind).to_owned()));
            (labels, counter.value())
        })
    });
    let help = "Requests to the bucket that failed";
    sheet.counter_of("auditssh_upload_failures", help, None, failures)?;
    present(sheet, outputs)
}

type Place = fn(&Counters) -> &Counter;

/// Names, what they mean, whether they are bytes, and where they are counted.
const COUNTERS: [(&str, &str, bool, Place); 6] = [
    (
        "auditssh_upload_logs",
        "Logs that the bucket has got",
        false,
        |counters| &counters.logs,
    ),
    (
        "auditssh_upload_parts",
        "Parts that the bucket has got, of logs that are uploaded in parts",
        false,
        |counters| &counters.parts,
    ),
    (
        "auditssh_upload",
        "Bytes that the bucket has got",
        true,
        |counters| &counters.bytes,
    ),
    (
        "auditssh_upload_quarantined",
        "Logs that were set aside since they cannot be uploaded",
        false,
        |counters| &counters.quarantined,
    ),
    (
        "auditssh_upload_vanished",
        "Logs that someone deleted before the bucket had them",
        false,
        |counters| &counters.vanished,
    ),
    (
        "auditssh_upload_damaged",
        "Files that recovery set aside beside a log and that the bucket has got",
        false,
        |counters| &counters.damaged,
    ),
];

fn present(sheet: &mut Sheet<'_>, outputs: &[Output<'_>]) -> fmt::Result {
    let gauge = |of: fn(&Status) -> u64| {
        let outputs = outputs.iter();
        outputs.map(move |(labels, _, status)| (labels.clone(), of(status)))
    };
    let help = "Whether the bucket takes logs (1) or not (0), as far as is known";
    let up = gauge(|status| u64::from(!status.is_down));
    sheet.gauge_of("auditssh_upload_up", help, None, up)?;
    let help = "Logs that the bucket does not have, or not whole";
    let staged = gauge(|status| number(status.staged));
    sheet.gauge_of("auditssh_upload_pending_logs", help, None, staged)?;
    let help = "Those of them whose connection has ended";
    let closed = gauge(|status| number(status.closed));
    sheet.gauge_of("auditssh_upload_pending_closed_logs", help, None, closed)?;
    let help = "Those of them whose last try failed";
    let failing = gauge(|status| number(status.failing));
    sheet.gauge_of("auditssh_upload_failing_logs", help, None, failing)?;
    let help = "Bytes of logs that the bucket does not have, or not whole";
    let bytes = gauge(|status| status.bytes);
    sheet.gauge_of("auditssh_upload_pending", help, Some(&Unit::Bytes), bytes)?;
    let since = outputs.iter().filter_map(|(labels, _, status)| {
        let since = status.oldest?.duration_since(UNIX_EPOCH).ok()?;
        Some((labels.clone(), since.as_secs_f64()))
    });
    let since: Vec<_> = since.collect();
    if since.is_empty() {
        return Ok(());
    }
    sheet.gauge_of(
        "auditssh_upload_oldest_timestamp",
        "Since when the oldest of them waits, if there is one",
        Some(&Unit::Seconds),
        since,
    )
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Unanswered => "unanswered",
        Kind::Busy => "busy",
        Kind::Corrupt => "corrupt",
        Kind::Clock => "clock",
        Kind::Credentials => "credentials",
        Kind::Denied => "denied",
        Kind::NoBucket => "no_bucket",
        Kind::NoUpload => "no_upload",
        Kind::BadParts => "bad_parts",
        Kind::Exists => "exists",
        Kind::Unsupported => "unsupported",
        Kind::Refused => "refused",
    }
}
