//! What happened how often, as lines of the server's log. Of each counter there is only what is not
//! zero.

use auditssh_archive as archive;
use auditssh_gateway as gateway;
use auditssh_s3 as s3;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// Connections.
pub(super) fn of_gateway(counters: &gateway::Counters) {
    let count = |counter: &gateway::Counter| some(counter.value());
    let gateway::Counters {
        connections,
        origins: _,
        service_questions,
        service_failures,
        config_questions,
        config_failures,
        none_probes,
        refused_unauthenticated,
        refused_connections,
        refused_unintroduced,
        refused_unrecorded,
        accept_failures,
        login_timeouts,
        refused_channels,
        refused_requests,
        waiting: _,
        queue_waits,
        recording_failures,
        panics,
    } = counters;
    tracing::info!(
        connections = count(connections),
        logins = some(counters.logins()),
        auth_failures = some(counters.auth_failures()),
        service_questions = count(service_questions),
        service_failures = count(service_failures),
        config_questions = count(config_questions),
        config_failures = count(config_failures),
        none_probes = count(none_probes),
        failed_handshakes = some(counters.failed_handshakes()),
        refused_unauthenticated = count(refused_unauthenticated),
        refused_connections = count(refused_connections),
        refused_unintroduced = count(refused_unintroduced),
        refused_unrecorded = count(refused_unrecorded),
        accept_failures = count(accept_failures),
        login_timeouts = count(login_timeouts),
        refused_channels = count(refused_channels),
        refused_requests = count(refused_requests),
        queue_waits = count(queue_waits),
        recording_failures = count(recording_failures),
        panics = count(panics),
        "counted of connections"
    );
}

/// The logs of one output.
pub(super) fn of_archive(counters: &archive::Counters) {
    let count = |counter: &AtomicU64| some(counter.load(Ordering::Relaxed));
    let archive::Counters {
        messages,
        bytes,
        begun,
        closed,
        recovered,
        damaged,
        refused,
        failures,
        missing,
        tampered,
        space_warnings,
        ..
    } = counters;
    let warnings = space_warnings
        .iter()
        .map(|counter| counter.load(Ordering::Relaxed));
    tracing::info!(
        messages = count(messages),
        bytes = count(bytes),
        begun = count(begun),
        closed = count(closed),
        recovered = count(recovered),
        damaged = count(damaged),
        refused = count(refused),
        failures = count(failures),
        missing = count(missing),
        tampered = count(tampered),
        space_warnings = some(warnings.sum()),
        "counted of logs"
    );
}

/// The uploads of one output.
pub(super) fn of_uploads(counters: &s3::Counters) {
    let count = |counter: &s3::Counter| some(counter.value());
    let s3::Counters {
        logs,
        parts,
        bytes,
        quarantined,
        vanished,
        damaged,
        failures,
    } = counters;
    let mut failed = String::new();
    for (kind, counter) in s3::Kind::ALL.iter().zip(failures) {
        if let Some(number) = count(counter) {
            let space = if failed.is_empty() { "" } else { ", " };
            // Writing to a string never fails.
            let _ = write!(failed, "{space}{kind:?} {number}");
        }
    }
    tracing::info!(
        logs = count(logs),
        parts = count(parts),
        bytes = count(bytes),
        quarantined = count(quarantined),
        vanished = count(vanished),
        damaged = count(damaged),
        failures = Some(failed.as_str()).filter(|failed| !failed.is_empty()),
        "counted of uploads"
    );
}

fn some(number: u64) -> Option<u64> {
    Some(number).filter(|number| *number > 0)
}
