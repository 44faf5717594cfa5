//! Every file operation fails once, and from some moment on: nothing panics, hangs or is lost unseen.

#![expect(clippy::unwrap_used, reason = "a test")]

use auditssh_archive::disk::LocalDisk;
use auditssh_archive::testing::{Fault, FaultyDisk, Plan};
use auditssh_archive::verify::{Verdict, verify};
use auditssh_archive::{Archive, OnFailure, Settings, Sync, SystemClock};
use auditssh_log::codec::Decoder;
use auditssh_log::extension::Gap;
use auditssh_log::message::{Event, Io, Message, Stream};
use auditssh_log::policy::Intercept;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const ENOSPC: i32 = 28;
const EIO: i32 = 5;
const EDQUOT: i32 = 122;
const EINTR: i32 = 4;

const MESSAGES: usize = 24;

fn settings(home: &Path, sync: Sync, on_failure: OnFailure) -> Settings {
    Settings {
        sync,
        on_failure,
        intercept: Intercept::ALL,
        tick: Duration::from_millis(10),
        ..Settings::new(home)
    }
}

fn local(home: &Path) -> Arc<LocalDisk> {
    Arc::new(LocalDisk::new(File::open(home).unwrap().into(), None))
}

fn event(number: usize) -> Event {
    let data = format!("{number}\n").repeat(8_000).into_bytes();
    Event::Io(Io {
        stream: Stream::Stdout,
        data,
    })
}

/// Records until it is told to stop; returns the events that counted as recorded, with numbers
/// from `first` on.
async fn session(archive: &Archive, pause: Duration, first: usize) -> Vec<Event> {
    let Ok(recorder) = archive.create().await else {
        return Vec::new();
    };
    let mut held = Vec::new();
    for number in first..first + MESSAGES {
        let event = event(number);
        if recorder.append(event.clone()).await.is_err() {
            break;
        }
        held.push(event);
        if number % 8 == 7 {
            tokio::time::sleep(pause).await;
        }
    }
    let _ = tokio::time::timeout(Duration::from_secs(2), recorder.finish()).await;
    held
}

/// One run; returns whether the fault came.
async fn run(plan: Plan, sync: Sync, on_failure: OnFailure) -> bool {
    let what = format!("{plan:?} {sync:?} {on_failure:?}");
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path(), sync, on_failure);
    let plan = Arc::new(plan);
    let disk = FaultyDisk::new(local(home.path()), Arc::clone(&plan));
    let archive =
        Archive::open_on(settings.clone(), Arc::new(disk), Arc::new(SystemClock)).unwrap();
    let within = tokio::time::timeout(
        Duration::from_secs(10),
        session(&archive, Duration::from_millis(3), 0),
    )
    .await;
    assert!(within.is_ok(), "it hangs: {what}");
    let recorded = within.unwrap();
    let whole = recorded.is_empty() || recorded.len() == MESSAGES;
    assert!(
        whole || on_failure == OnFailure::Terminate,
        "it ends: {what}"
    );
    let hit = plan.was_hit();
    plan.heal();
    for _ in 0..300 {
        if on_failure != OnFailure::Continue || archive.status().unwrap().open == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let after = session(&archive, Duration::ZERO, 1000).await;
    assert_eq!(after.len(), MESSAGES, "service does not resume: {what}");
    archive.shutdown(Duration::from_secs(2)).await;
    drop(archive);
    // What could not be sealed is recovered by the next start.
    drop(Archive::open_on(settings, local(home.path()), Arc::new(SystemClock)).unwrap());
    judge(home.path(), &recorded, on_failure, &what);
    hit
}

/// Every event that counted as recorded is in a log; if the session went on, it may also be one of
/// those that gaps count.
fn judge(home: &Path, recorded: &[Event], on_failure: OnFailure, what: &str) {
    let (mut gaps, mut logs) = (0, Vec::new());
    for entry in std::fs::read_dir(home).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(!name.starts_with('.'), "{name} is left: {what}");
        let report = verify(File::open(&path).unwrap()).unwrap();
        let fine = matches!(report.verdict, Verdict::Intact | Verdict::Recovered);
        assert!(fine, "{:?}: {what}", report.verdict);
        let decoder = Decoder::new(File::open(&path).unwrap());
        let messages: Vec<Message> = decoder.map(Result::unwrap).collect();
        gaps += messages
            .iter()
            .filter_map(Gap::read)
            .map(|gap| gap.messages)
            .sum::<u64>();
        logs.push(messages);
    }
    assert!(
        on_failure == OnFailure::Continue || gaps == 0,
        "a gap: {what}"
    );
    let held = |event: &&Event| {
        !logs
            .iter()
            .flatten()
            .any(|message| message.event == **event)
    };
    let missing = recorded.iter().filter(held).count() as u64;
    assert!(
        missing <= gaps,
        "{missing} of {} events that counted as recorded are in no log, {gaps} are told: {what}",
        recorded.len()
    );
    for messages in logs {
        let numbers: Vec<_> = messages.iter().filter_map(number).collect();
        assert!(numbers.is_sorted(), "out of order: {numbers:?}: {what}");
    }
}

fn number(message: &Message) -> Option<u32> {
    let Event::Io(io) = &message.event else {
        return None;
    };
    let line = io.data.split(|&byte| byte == b'\n').next()?;
    std::str::from_utf8(line).ok()?.parse().ok()
}

async fn every_call(fault: Fault, lasting: bool, sync: Sync, on_failure: OnFailure) {
    let mut call = 0;
    while run(Plan::new(fault, call, lasting), sync, on_failure).await {
        // With a gap to wait for, each run takes a while.
        call += if on_failure == OnFailure::Continue {
            3
        } else {
            1
        };
        assert!(call < 2_000, "the workload has no end");
    }
    assert!(call > 20, "the workload makes only {call} calls");
}

const INTERVAL: Sync = Sync::Interval(Duration::from_millis(2));

#[tokio::test(flavor = "multi_thread")]
async fn any_call_fails_for_want_of_space() {
    every_call(
        Fault::Error(ENOSPC),
        false,
        Sync::Always,
        OnFailure::Terminate,
    )
    .await;
    every_call(Fault::Error(ENOSPC), true, INTERVAL, OnFailure::Terminate).await;
    every_call(
        Fault::Error(EDQUOT),
        false,
        Sync::None,
        OnFailure::Terminate,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_call_fails_with_an_error_of_the_device() {
    every_call(Fault::Error(EIO), false, Sync::Always, OnFailure::Terminate).await;
    every_call(Fault::Error(EIO), true, INTERVAL, OnFailure::Terminate).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_call_is_interrupted_or_shortened_without_a_trace() {
    for fault in [Fault::Error(EINTR), Fault::Short] {
        every_call(fault, false, Sync::Always, OnFailure::Terminate).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_call_fails_and_the_session_goes_on_with_a_gap() {
    every_call(Fault::Error(ENOSPC), false, Sync::None, OnFailure::Continue).await;
    every_call(Fault::Error(ENOSPC), true, Sync::None, OnFailure::Continue).await;
}

/// Syncs among them, after which a file is not trusted again.
#[tokio::test(flavor = "multi_thread")]
async fn any_call_fails_and_the_session_goes_on_in_another_log() {
    every_call(Fault::Error(EIO), false, Sync::Always, OnFailure::Continue).await;
    every_call(Fault::Error(EIO), true, INTERVAL, OnFailure::Continue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_disk_delays_nobody_who_does_not_wait_for_it() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(
        home.path(),
        Sync::Interval(Duration::from_millis(20)),
        OnFailure::Terminate,
    );
    let slow = Plan::new(Fault::SlowSync(Duration::from_secs(2)), 0, true);
    let disk = FaultyDisk::new(local(home.path()), Arc::new(slow));
    let archive = Archive::open_on(settings, Arc::new(disk), Arc::new(SystemClock)).unwrap();
    let bulk = archive.create().await.unwrap();
    let busy = tokio::spawn(async move {
        for number in 0..40 {
            let _ = bulk.append(event(number)).await;
        }
    });
    let typist = archive.create().await.unwrap();
    let mut waits = Vec::new();
    for _ in 0..100 {
        let began = std::time::Instant::now();
        typist
            .append(Event::Io(Io {
                stream: Stream::Stdin,
                data: b"x".to_vec(),
            }))
            .await
            .unwrap();
        waits.push(began.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    waits.sort();
    let most = waits.iter().rev().nth(1).unwrap();
    assert!(
        *most < Duration::from_millis(500),
        "{most:?}: echo waits for the disk"
    );
    busy.abort();
}
