//! Several outputs at once: each with its own policy and its own fate.

#![expect(clippy::unwrap_used, reason = "a test")]

use auditssh_archive::disk::LocalDisk;
use auditssh_archive::testing::{Fault, FaultyDisk, Plan};
use auditssh_archive::{Archive, OnFailure, Settings, Sync, SystemClock};
use auditssh_log::codec::Decoder;
use auditssh_log::message::{Event, Io, Stream};
use auditssh_log::policy::Intercept;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn settings(home: &Path, on_failure: OnFailure) -> Settings {
    Settings {
        sync: Sync::None,
        on_failure,
        intercept: Intercept::ALL,
        tick: Duration::from_millis(10),
        ..Settings::new(home)
    }
}

/// An output whose every file operation from the `first` on fails, until it is healed.
fn faulty(home: &Path, on_failure: OnFailure, first: u64) -> (Archive, Arc<Plan>) {
    std::fs::create_dir_all(home).unwrap();
    let plan = Arc::new(Plan::new(Fault::Error(28), first, true));
    let disk = LocalDisk::new(File::open(home).unwrap().into(), None);
    let disk = FaultyDisk::new(Arc::new(disk), Arc::clone(&plan));
    let archive = Archive::open_on(
        settings(home, on_failure),
        Arc::new(disk),
        Arc::new(SystemClock),
    );
    (archive.unwrap(), plan)
}

fn io(stream: Stream) -> Event {
    let data = b"x".repeat(20_000);
    Event::Io(Io { stream, data })
}

fn streams(home: &Path, id: &str) -> Vec<Stream> {
    let decoder = Decoder::new(File::open(home.join(id)).unwrap());
    let events = decoder.map(|message| message.unwrap().event);
    let streams = events.filter_map(|event| match event {
        Event::Io(io) => Some(io.stream),
        _ => None,
    });
    streams.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_keeps_what_its_policy_says_under_one_id() {
    let home = tempfile::tempdir().unwrap();
    let (all, little) = (home.path().join("all"), home.path().join("little"));
    let quiet = Settings {
        intercept: Intercept {
            stdout: true,
            ..Intercept::default()
        },
        ..settings(&little, OnFailure::Continue)
    };
    let archive = Archive::of([
        Archive::open(settings(&all, OnFailure::Terminate)).unwrap(),
        Archive::open(quiet).unwrap(),
    ]);
    let recorder = archive.create().await.unwrap();
    for stream in [Stream::Stdin, Stream::Stdout] {
        recorder.append(io(stream)).await.unwrap();
    }
    assert_eq!(archive.status().unwrap().open, 2);
    recorder.finish().await.unwrap();
    assert_eq!(archive.shutdown(Duration::from_secs(5)).await, 0);
    let id = recorder.connection_id();
    assert_eq!(streams(&all, id), [Stream::Stdin, Stream::Stdout]);
    assert_eq!(streams(&little, id), [Stream::Stdout]);
    assert_eq!(archive.outputs().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_that_must_have_it_has_not_does_not_happen() {
    let home = tempfile::tempdir().unwrap();
    let good = home.path().join("good");
    let (bad, _) = faulty(&home.path().join("bad"), OnFailure::Terminate, 12);
    let archive = Archive::of([
        Archive::open(settings(&good, OnFailure::Terminate)).unwrap(),
        bad,
    ]);
    let recorder = archive.create().await.unwrap();
    let mut result = Ok(());
    for _ in 0..50 {
        result = recorder.append(io(Stream::Stdout)).await;
        if result.is_err() {
            break;
        }
    }
    assert!(result.is_err(), "the other one had it");
    recorder.failed().await;
    let refused = archive.create().await;
    assert!(refused.is_err(), "no session begins");
    // Nothing is left of the one that could begin.
    drop(recorder);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let logs = std::fs::read_dir(&good).unwrap();
    let names = logs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| !name.starts_with('.')).count(), 1);
    assert!(archive.status().unwrap().refusal.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_may_go_without_fails_alone() {
    let home = tempfile::tempdir().unwrap();
    let good = home.path().join("good");
    let (bad, plan) = faulty(&home.path().join("bad"), OnFailure::Continue, 12);
    let archive = Archive::of([
        bad,
        Archive::open(settings(&good, OnFailure::Terminate)).unwrap(),
    ]);
    let first = archive.create().await.unwrap();
    for _ in 0..50 {
        first.append(io(Stream::Stdout)).await.unwrap();
    }
    assert!(plan.was_hit());
    let second = archive.create().await.unwrap();
    second.append(io(Stream::Stdin)).await.unwrap();
    assert_eq!(
        archive.status().unwrap().refusal,
        None,
        "connections are let in"
    );
    second.finish().await.unwrap();
    let _ = tokio::time::timeout(Duration::from_secs(2), first.finish()).await;
    for (recorder, count) in [(&first, 50), (&second, 1)] {
        let recorded = streams(&good, recorder.connection_id());
        assert_eq!(recorded.len(), count);
    }
    plan.heal();
    archive.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn someone_must_record_a_session() {
    let home = tempfile::tempdir().unwrap();
    let (one, healed) = faulty(&home.path().join("one"), OnFailure::Continue, 2);
    let (two, _) = faulty(&home.path().join("two"), OnFailure::Continue, 2);
    let archive = Archive::of([one, two]);
    let mut begun = archive.create().await;
    for _ in 0..5 {
        begun = archive.create().await;
    }
    assert!(begun.is_err());
    assert!(archive.status().unwrap().refusal.is_some());
    healed.heal();
    archive.create().await.unwrap().finish().await.unwrap();
}
