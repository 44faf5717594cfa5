//! Power cuts on a model of the disk that loses, reorders and tears what was not synced.

#![expect(clippy::unwrap_used, reason = "a test")]

use auditssh_archive::testing::{ManualClock, PowerDisk};
use auditssh_archive::verify::{Verdict, verify};
use auditssh_archive::{Archive, Form, OnFailure, Settings, Sync, SystemClock};
use auditssh_log::codec::{Decoder, Format};
use auditssh_log::extension::Gap;
use auditssh_log::message::{Event, Io, Stream};
use auditssh_log::policy::Intercept;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const MESSAGES: u64 = 40;

fn settings(sync: Sync) -> Settings {
    Settings {
        sync,
        form: Form::Messages(Format::Audit),
        intercept: Intercept::ALL,
        tick: Duration::from_millis(50),
        ..Settings::new("unused")
    }
}

fn open(disk: &PowerDisk, sync: Sync) -> Archive {
    Archive::open_on(
        settings(sync),
        Arc::new(disk.clone()),
        Arc::new(SystemClock),
    )
    .unwrap()
}

fn event(number: u64) -> Event {
    let data = format!("{number}\n").repeat(5_000).into_bytes();
    Event::Io(Io {
        stream: Stream::Stdout,
        data,
    })
}

/// Two sessions; the second one's syncs commit names that the first would like to see later.
async fn workload(disk: &PowerDisk, sync: Sync, acknowledged: &AtomicU64) {
    let archive = open(disk, sync);
    let (first, second) = (
        archive.create().await.unwrap(),
        archive.create().await.unwrap(),
    );
    for number in 0..MESSAGES {
        let other = second.append(event(number));
        first.append(event(number)).await.unwrap();
        acknowledged.fetch_max(number + 1, Ordering::SeqCst);
        other.await.unwrap();
    }
    first.finish().await.unwrap();
    drop(second);
    archive.shutdown(Duration::from_secs(5)).await;
}

/// The most events from the first on that one log of the disk holds.
fn held(disk: &PowerDisk) -> u64 {
    let mut most = 0;
    for name in disk.names() {
        if name.contains(".damaged") {
            continue; // written after the last commit, and out of order: kept for salvage
        }
        let bytes = disk.bytes(&name).unwrap();
        let report = verify(bytes.as_slice()).unwrap();
        let fine = matches!(report.verdict, Verdict::Intact | Verdict::Recovered);
        assert!(fine, "{name}: {:?} of {:?}", report.verdict, disk.names());
        let events = Decoder::new(bytes.as_slice()).map(|message| message.unwrap().event);
        let count = events
            .zip((0..).map(event))
            .take_while(|(found, expected)| found == expected)
            .count();
        most = most.max(count as u64);
    }
    most
}

/// Recovers, with power cuts in the middle of it.
fn recover(mut disk: PowerDisk, seed: u64) -> PowerDisk {
    for round in 0..4 {
        let cut = PowerDisk::clone(&disk);
        cut.cut_at(seed % 7 + round * 5, seed + round, || 0);
        drop(open(&cut, Sync::Always));
        match cut.taken() {
            Some((left, _)) => disk = left,
            None => return cut,
        }
    }
    drop(open(&disk, Sync::Always));
    disk
}

async fn cuts(sync: Sync, seeds: std::ops::Range<u64>) {
    let whole = PowerDisk::default();
    workload(&whole, sync, &AtomicU64::new(0)).await;
    let calls = whole.calls();
    assert!(calls > 60, "only {calls} calls");
    for seed in seeds {
        let disk = PowerDisk::default();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let ask = Arc::clone(&acknowledged);
        let call = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) % calls;
        disk.cut_at(call, seed, move || ask.load(Ordering::SeqCst));
        workload(&disk, sync, &acknowledged).await;
        let Some((left, seen)) = disk.taken() else {
            continue;
        };
        let left = recover(left, seed);
        let tails = left
            .names()
            .into_iter()
            .filter(|name| name.contains(".tail"));
        assert_eq!(tails.count(), 0, "seed {seed}, call {call}: a tail is left");
        let held = held(&left);
        assert!(
            held >= seen || sync != Sync::Always,
            "seed {seed}, call {call}: {seen} events were seen, {held} are held"
        );
    }
}

fn rounds() -> u64 {
    std::env::var("AUDITSSH_CUTS").map_or(300, |count| count.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_always_nothing_seen_is_lost() {
    cuts(Sync::Always, 0..rounds()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_interval_every_log_is_whole_up_to_its_end() {
    cuts(Sync::Interval(Duration::from_millis(1)), 0..rounds()).await;
}

/// Time of the model between two events.
const STEP: Duration = Duration::from_millis(1);
const INTERVAL: Duration = Duration::from_millis(10);

/// Events of one session that were seen, and when, in the time of the model. It stands still until
/// the syncs that are due have begun, so that no threads need to be fast.
#[derive(Debug, Default)]
struct Diary {
    clock: Arc<ManualClock>,
    seen: Mutex<Vec<u64>>,
}

impl Diary {
    fn now(&self) -> u64 {
        use auditssh_archive::Clock;
        self.clock.now().mono
    }

    fn note(&self) {
        let now = self.now();
        self.seen.lock().unwrap().push(now);
    }

    /// How many events are older than the interval. Half an interval more is for the syncs that
    /// are under way.
    fn old(&self) -> u64 {
        let age = u64::try_from((INTERVAL * 3 / 2).as_nanos()).unwrap();
        let now = self.now();
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|&&when| when + age <= now).count() as u64
    }
}

async fn timed_workload(disk: &PowerDisk, diary: &Diary) {
    let clock = Arc::clone(&diary.clock);
    let archive = Archive::open_on(
        settings(Sync::Interval(INTERVAL)),
        Arc::new(disk.clone()),
        Arc::clone(&clock) as _,
    )
    .unwrap();
    let (first, second) = (
        archive.create().await.unwrap(),
        archive.create().await.unwrap(),
    );
    let mut pauses = 0;
    for number in 0..MESSAGES {
        first.append(event(number)).await.unwrap();
        diary.note();
        second.append(event(number)).await.unwrap();
        let before = disk.tail_syncs();
        clock.advance(STEP);
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(now) = clock.pauses() {
                // The first one is only the beginning.
                if now == pauses.max(1) || disk.tail_syncs() >= before + 2 {
                    pauses = now;
                    break;
                }
            }
            assert!(Instant::now() < end, "the tails are not synced");
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    }
    drop((first, second));
    archive.shutdown(Duration::from_millis(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_interval_everything_older_than_it_is_there() {
    let whole = PowerDisk::default();
    timed_workload(&whole, &Diary::default()).await;
    let (mut calls, mut most) = (whole.calls(), 0);
    for seed in 0..rounds() {
        let disk = PowerDisk::default();
        let diary = Arc::new(Diary::default());
        let ask = Arc::clone(&diary);
        let call = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) % calls;
        disk.cut_at(call, seed, move || ask.old());
        timed_workload(&disk, &diary).await;
        // A busy machine looks after its files more often.
        calls = calls.max(disk.calls());
        let Some((left, old)) = disk.taken() else {
            continue;
        };
        let held = held(&recover(left, seed));
        assert!(
            held >= old,
            "seed {seed}, call {call}: {old} events are older than the interval, {held} are held"
        );
        most = most.max(old);
    }
    assert!(most > MESSAGES / 2, "no cut came late enough: {most}");
}

/// The machine goes on after the server was killed, the next server recovers from what can be
/// read, and then the power is cut.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_recovered_is_on_the_disk_before_its_tails_are_gone() {
    let whole = PowerDisk::default();
    workload(&whole, Sync::Always, &AtomicU64::new(0)).await;
    let calls = whole.calls();
    for seed in 0..rounds() {
        let disk = PowerDisk::default();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let ask = Arc::clone(&acknowledged);
        let call = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) % calls;
        disk.kill_at(call, move || ask.load(Ordering::SeqCst));
        workload(&disk, Sync::Always, &acknowledged).await;
        let Some((left, seen)) = disk.taken() else {
            continue;
        };
        drop(open(&left, Sync::Always));
        let held = held(&recover(left.after_cut(seed), seed));
        assert!(
            held >= seen,
            "seed {seed}, call {call}: {seen} events were seen, {held} are held"
        );
    }
}

/// Numbers of the events in all logs of the disk, and how many their gaps count.
fn told(disk: &PowerDisk) -> (BTreeSet<u64>, u64) {
    let (mut numbers, mut gaps) = (BTreeSet::new(), 0);
    for name in disk.names().iter().filter(|name| !name.starts_with('.')) {
        let bytes = disk.bytes(name).unwrap();
        let report = verify(bytes.as_slice()).unwrap();
        let fine = matches!(report.verdict, Verdict::Intact | Verdict::Recovered);
        assert!(fine, "{name}: {:?}", report.verdict);
        for message in Decoder::new(bytes.as_slice()) {
            let message = message.unwrap();
            gaps += Gap::read(&message).map_or(0, |gap| gap.messages);
            if let Event::Io(io) = message.event {
                let line = io.data.split(|&byte| byte == b'\n').next().unwrap();
                numbers.insert(std::str::from_utf8(line).unwrap().parse().unwrap());
            }
        }
    }
    (numbers, gaps)
}

/// A session on a disk of which one sync fails; returns how many events counted as recorded.
async fn broken(disk: &PowerDisk, sync: Sync, on_failure: OnFailure) -> u64 {
    let settings = Settings {
        on_failure,
        tick: Duration::from_millis(3),
        ..settings(sync)
    };
    let archive =
        Archive::open_on(settings, Arc::new(disk.clone()), Arc::new(SystemClock)).unwrap();
    let recorder = archive.create().await.unwrap();
    let mut seen = 0;
    for number in 0..MESSAGES {
        match recorder.append(event(number)).await {
            Ok(()) => seen = number + 1,
            Err(error) => {
                assert_eq!(on_failure, OnFailure::Terminate, "{error}");
                break;
            }
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    let _ = tokio::time::timeout(Duration::from_secs(5), recorder.finish()).await;
    drop(recorder);
    archive.shutdown(Duration::from_secs(5)).await;
    seen
}

/// After a failed sync what can be read is no proof of what is on the disk.
async fn any_sync_fails(sync: Sync, on_failure: OnFailure) {
    let whole = PowerDisk::default();
    broken(&whole, sync, on_failure).await;
    let syncs = whole.syncs();
    assert!(syncs > 4, "only {syncs} syncs");
    let mut heirs = 0;
    for number in 0..syncs {
        let disk = PowerDisk::default();
        disk.break_sync(number);
        let seen = broken(&disk, sync, on_failure).await;
        drop(open(&disk, Sync::Always));
        let left = recover(disk.after_cut(number), number);
        let (numbers, gaps) = told(&left);
        let missing = (0..seen).filter(|number| !numbers.contains(number)).count() as u64;
        assert!(
            missing <= gaps,
            "sync {number} fails: {missing} of {seen} events are missing, {gaps} are told"
        );
        let logs = left
            .names()
            .iter()
            .filter(|name| !name.starts_with('.'))
            .count();
        heirs += logs - 1;
    }
    assert_eq!(
        heirs > 0,
        on_failure == OnFailure::Continue,
        "{heirs} further logs"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_sync_nothing_that_was_seen_is_lost() {
    any_sync_fails(Sync::Always, OnFailure::Terminate).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_sync_a_session_may_go_on_in_another_log() {
    any_sync_fails(Sync::Always, OnFailure::Continue).await;
    any_sync_fails(
        Sync::Interval(Duration::from_millis(2)),
        OnFailure::Continue,
    )
    .await;
}
