//! What is behind the gateway: requests to it, and the places for programs that it makes.

use super::sheet::Sheet;
use auditssh_archive::Latency;
use auditssh_gateway::{BackendCounters, Counter, PlaceCounters, RequestCounters};
use std::fmt;

/// Classes of what is quicker than any start are told as one.
const QUICKEST: usize = 9;

pub(super) fn write(sheet: &mut Sheet<'_>, counters: &BackendCounters) -> fmt::Result {
    let BackendCounters {
        docker,
        kubernetes,
        sshproxy,
        waiting,
    } = counters;
    let asked = [
        ("docker", &docker.requests),
        ("kubernetes", &kubernetes.requests),
        ("sshproxy", &**sshproxy),
    ];
    let of = |value: fn(&RequestCounters) -> &Counter| {
        asked.map(|(backend, one)| ([("backend", backend)], value(one).value()))
    };
    sheet.counters(
        "containerssh_backend_requests",
        "Requests to what is behind the server: to the engine, to the API server, connections to hosts",
        of(|one| &one.all),
    )?;
    sheet.counters(
        "containerssh_backend_errors",
        "Of these, those that got no answer, or a refusal",
        of(|one| &one.failed),
    )?;
    sheet.gauge_of_bytes(
        "auditssh_waiting_for_clients",
        "Bytes of all hosts behind sshproxy that wait for clients to take them",
        waiting.bytes() as u64,
    )?;
    places(
        sheet,
        [("docker", &**docker), ("kubernetes", &**kubernetes)],
    )
}

fn places(sheet: &mut Sheet<'_>, all: [(&'static str, &PlaceCounters); 2]) -> fmt::Result {
    type Of = fn(&PlaceCounters) -> &Counter;
    let metrics: [(&str, &str, Of); 4] = [
        ("created", "Containers and pods that were made", |one| {
            &one.created
        }),
        (
            "failed",
            "Containers and pods that could not be made, or did not come to run programs",
            |one| &one.failed,
        ),
        (
            "removed",
            "Containers and pods that were removed, those of former runs among them",
            |one| &one.removed,
        ),
        (
            "left",
            "Containers and pods that could not be removed; the next start tries again",
            |one| &one.left,
        ),
    ];
    for (name, help, of) in metrics {
        let series = all.map(|(backend, one)| ([("backend", backend)], of(one).value()));
        sheet.counters(&format!("auditssh_containers_{name}"), help, series)?;
    }
    let starts = all.map(|(backend, one)| {
        let sum = one.starts.sum().as_secs_f64();
        ([("backend", backend)], sum, classes(&one.starts))
    });
    sheet.histograms_of_seconds(
        "auditssh_container_start",
        "How long it took until programs could run in a container or pod",
        &starts,
    )
}

fn classes(starts: &Latency) -> Vec<(f64, u64)> {
    let mut classes = super::archive::classes(starts);
    let quickest: u64 = classes.drain(..QUICKEST).map(|(_, count)| count).sum();
    if let Some((_, first)) = classes.first_mut() {
        *first += quickest;
    }
    classes
}
