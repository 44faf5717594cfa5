//! The way of logs into a bucket.

use super::sheet::Sheet;
use auditssh_s3::{Counters, Kind, Status};
use std::fmt;
use std::time::UNIX_EPOCH;

pub(super) fn write(sheet: &mut Sheet<'_>, counters: &Counters, status: &Status) -> fmt::Result {
    let Counters {
        logs,
        parts,
        bytes,
        quarantined,
        vanished,
        damaged,
        failures,
    } = counters;
    sheet.counter(
        "auditssh_upload_logs",
        "Logs that the bucket has got",
        logs.value(),
    )?;
    sheet.counter(
        "auditssh_upload_parts",
        "Parts that the bucket has got, of logs that are uploaded in parts",
        parts.value(),
    )?;
    let help = "Bytes that the bucket has got";
    sheet.counter_of_bytes("auditssh_upload", help, bytes.value())?;
    sheet.counter(
        "auditssh_upload_quarantined",
        "Logs that were set aside since they cannot be uploaded",
        quarantined.value(),
    )?;
    sheet.counter(
        "auditssh_upload_vanished",
        "Logs that someone deleted before the bucket had them",
        vanished.value(),
    )?;
    sheet.counter(
        "auditssh_upload_damaged",
        "Files that recovery set aside beside a log and that the bucket has got",
        damaged.value(),
    )?;
    sheet.counters(
        "auditssh_upload_failures",
        "Requests to the bucket that failed",
        Kind::ALL
            .into_iter()
            .zip(failures)
            .map(|(kind, counter)| ([("kind", name(kind))], counter.value())),
    )?;
    present(sheet, status)
}

fn present(sheet: &mut Sheet<'_>, status: &Status) -> fmt::Result {
    let number = |count| u64::try_from(count).unwrap_or(u64::MAX);
    sheet.gauge(
        "auditssh_upload_up",
        "Whether the bucket takes logs (1) or not (0), as far as is known",
        u64::from(!status.is_down),
    )?;
    sheet.gauge(
        "auditssh_upload_pending_logs",
        "Logs that the bucket does not have, or not whole",
        number(status.staged),
    )?;
    sheet.gauge(
        "auditssh_upload_pending_closed_logs",
        "Those of them whose connection has ended",
        number(status.closed),
    )?;
    sheet.gauge(
        "auditssh_upload_failing_logs",
        "Those of them whose last try failed",
        number(status.failing),
    )?;
    let help = "Bytes of logs that the bucket does not have, or not whole";
    sheet.gauge_of_bytes("auditssh_upload_pending", help, status.bytes)?;
    let since = status
        .oldest
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    if let Some(since) = since {
        sheet.time(
            "auditssh_upload_oldest_timestamp",
            "Since when the oldest of them waits, if there is one",
            since.as_secs_f64(),
        )?;
    }
    Ok(())
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
