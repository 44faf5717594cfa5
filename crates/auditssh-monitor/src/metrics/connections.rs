//! Connections, logins, and what was refused.

use super::sheet::Sheet;
use auditssh_gateway::{Attempts, Counter, Counters, Method};
use std::fmt;

pub(super) fn write(sheet: &mut Sheet<'_>, counters: &Counters) -> fmt::Result {
    // Taken apart, so that what is added there is not forgotten here.
    let Counters {
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
        waiting,
        queue_waits,
        recording_failures,
        panics,
    } = counters;
    sheet.counter(
        "auditssh_connections",
        "Connections accepted from the network, refused ones among them",
        connections.value(),
    )?;
    sheet.counters(
        "auditssh_connections_refused",
        "Connections refused: since too many are not logged in, since there are too many, since a balancer did not say whose they are, since they could not be recorded",
        [
            ([("reason", "unauthenticated")], refused_unauthenticated.value()),
            ([("reason", "connections")], refused_connections.value()),
            ([("reason", "unintroduced")], refused_unintroduced.value()),
            ([("reason", "unrecorded")], refused_unrecorded.value()),
        ],
    )?;
    attempts(sheet, counters)?;
    config_server(sheet, config_questions, config_failures)?;
    for (name, help, counter) in [
        (
            "auditssh_auth_probes",
            "Requests by which clients ask for the methods of logging in",
            none_probes,
        ),
        (
            "containerssh_auth_server_requests",
            "Questions put to the service that is asked who may log in",
            service_questions,
        ),
        (
            "containerssh_auth_server_failures",
            "Of these questions, those that got no answer; nobody was let in by them",
            service_failures,
        ),
        (
            "auditssh_login_timeouts",
            "Connections ended since nobody logged in in time",
            login_timeouts,
        ),
        (
            "auditssh_accept_failures",
            "Times that a connection could not be accepted",
            accept_failures,
        ),
        (
            "auditssh_channels_refused",
            "Session channels refused by a limit",
            refused_channels,
        ),
        (
            "auditssh_requests_refused",
            "Channel requests refused by a limit",
            refused_requests,
        ),
        (
            "auditssh_queue_waits",
            "Times that a connection waited since a program did not read what was sent to it",
            queue_waits,
        ),
        (
            "auditssh_recording_failures",
            "Connections ended since they could no longer be recorded",
            recording_failures,
        ),
        (
            "auditssh_panics",
            "Errors of the program that ended a connection",
            panics,
        ),
    ] {
        sheet.counter(name, help, counter.value())?;
    }
    sheet.gauge_of_bytes(
        "auditssh_waiting_for_programs",
        "Bytes of all clients that wait for programs to read them",
        waiting.bytes() as u64,
    )
}

fn config_server(sheet: &mut Sheet<'_>, questions: &Counter, failures: &Counter) -> fmt::Result {
    sheet.counter(
        "containerssh_config_server_requests",
        "Questions to the configuration server what a connection is served by",
        questions.value(),
    )?;
    sheet.counter(
        "containerssh_config_server_failures",
        "Of these questions, those without an answer that could be taken; those connections were ended",
        failures.value(),
    )
}

/// Reads one of several counters.
type Count = fn(&Attempts) -> u64;

fn attempts(sheet: &mut Sheet<'_>, counters: &Counters) -> fmt::Result {
    let origins = counters.origins.all();
    let sum = |place: usize, of: Count| -> u64 {
        let here = origins
            .iter()
            .filter_map(|(_, origin)| origin.attempts.get(place));
        here.map(of).sum()
    };
    let results: [(&str, Count); 3] = [
        ("accepted", |one| one.accepted.value()),
        ("refused", |one| one.refused.value()),
        ("failed", |one| one.failed.value()),
    ];
    let series = Method::ALL
        .into_iter()
        .enumerate()
        .flat_map(|(place, method)| {
            results.map(|(result, of)| {
                let labels = [("method", method.name()), ("result", result)];
                (labels, sum(place, of))
            })
        });
    sheet.counters(
        "auditssh_auth_attempts",
        "Passwords, keys and answers: accepted, refused, or failed to be checked",
        series,
    )
}
