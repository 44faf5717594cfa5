//! Power cuts on a model of the disk that loses, reorders and tears what was not synced.

#![expect(clippy::unwrap_used, reason = "a test")]

use auditssh_archive::testing::PowerDisk;
use auditssh_archive::verify::{Verdict, verify};
use auditssh_archive::{Archive, Settings, Sync, SystemClock};
use auditssh_log::codec::{Decoder, Format};
use auditssh_log::message::{Event, Io, Stream};
use auditssh_log::policy::Intercept;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const MESSAGES: u64 = 40;

fn settings(sync: Sync) -> Settings {
    Settings {
        sync,
        format: Format::Audit,
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
