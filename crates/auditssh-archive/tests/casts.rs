//! The write path of casts: what was seen is in them, whatever ends the server, the disk or its power.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

use auditssh_archive::disk::LocalDisk;
use auditssh_archive::reader;
use auditssh_archive::testing::{Fault, FaultyDisk, Plan, PowerDisk};
use auditssh_archive::{
    Archive, Encoder, Encoders, Entry, Form, OnFailure, Piece, Recorder, Settings, Sync,
    SystemClock, cast_owner,
};
use auditssh_log::Message;
use auditssh_log::message::{Connect, Event, Exec, ExitStatus, Io, Pty, Shell, Stream, Subsystem};
use auditssh_log::policy::Intercept;
use auditssh_view::cast::{Casts, Style, Version, missing};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Debug)]
struct Live(Version);

#[derive(Debug)]
struct Writer(Casts);

impl Encoders for Live {
    fn begin(&self, connection: &str) -> Box<dyn Encoder> {
        let style = Style {
            version: self.0,
            input: true,
        };
        Box::new(Writer(Casts::of(connection, style)))
    }

    fn missing(&self, before: &[u8], lost: &[u8]) -> Vec<u8> {
        missing(self.0, before, lost)
    }
}

impl Encoder for Writer {
    fn push(&mut self, message: &Message, mono: u64) -> Vec<Piece> {
        self.0.push_at(message, mono).into_iter().map(of).collect()
    }

    fn restart(&mut self, connection: &str, ended: &[u64]) -> Vec<Piece> {
        self.0
            .restart(connection, ended)
            .into_iter()
            .map(of)
            .collect()
    }
}

fn of(piece: auditssh_view::cast::Piece) -> Piece {
    Piece {
        channel: piece.channel,
        begins: piece.begins,
        ends: piece.ends,
        lines: piece.lines,
    }
}

fn settings(home: &Path, sync: Sync, on_failure: OnFailure) -> Settings {
    Settings {
        sync,
        on_failure,
        form: Form::Lines(Arc::new(Live(Version::Two))),
        intercept: Intercept::ALL,
        tick: Duration::from_millis(10),
        ..Settings::new(home)
    }
}

fn local(home: &Path) -> Arc<LocalDisk> {
    Arc::new(LocalDisk::new(File::open(home).unwrap().into(), None))
}

fn on(channel: u64, event: Event) -> Entry {
    Entry::from(event).on(channel)
}

fn output(channel: u64, data: impl Into<Vec<u8>>) -> Entry {
    let data = data.into();
    let stream = Stream::Stdout;
    on(channel, Event::Io(Io { stream, data }))
}

fn exec(channel: u64, program: &str) -> Entry {
    let program = program.into();
    let request_id = 0;
    on(
        channel,
        Event::Exec(Exec {
            request_id,
            program,
        }),
    )
}

fn connect() -> Entry {
    Event::Connect(Connect {
        remote_addr: "192.0.2.1".into(),
        country: "XX".into(),
    })
    .into()
}

/// The casts of a directory by name.
fn casts(home: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(home).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        assert!(cast_owner(&name).is_some(), "{name} is there");
        found.insert(name, std::fs::read_to_string(entry.path()).unwrap());
    }
    found
}

/// What a cast shows; it must be whole lines of JSON with times in order.
fn shown(cast: &str) -> String {
    assert!(cast.ends_with('\n'), "{cast:?}");
    let mut lines = cast.lines();
    let header: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert!(
        header["version"] == 2 && header["width"].is_u64(),
        "{header}"
    );
    let (mut text, mut last) = (String::new(), 0.0);
    for line in lines {
        let (time, code, data): (f64, char, String) = serde_json::from_str(line).unwrap();
        assert!(time >= last, "{line}");
        last = time;
        if code == 'o' {
            text.push_str(&data);
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn each_program_has_a_cast_and_nothing_else_is_there() {
    for sync in [
        Sync::None,
        Sync::Interval(Duration::from_millis(20)),
        Sync::Always,
    ] {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("casts");
        let archive = Archive::open(settings(&directory, sync, OnFailure::Terminate)).unwrap();
        let scan = archive.create().await.unwrap();
        scan.append(connect()).await.unwrap();
        scan.finish().await.unwrap();
        let recorder = archive.create().await.unwrap();
        recorder.append(connect()).await.unwrap();
        let pty = Pty {
            columns: 100,
            rows: 30,
            term: "xterm".into(),
            ..Pty::default()
        };
        recorder.append(on(0, Event::Pty(pty))).await.unwrap();
        recorder
            .append(on(0, Event::Shell(Shell::default())))
            .await
            .unwrap();
        recorder.append(exec(1, "make")).await.unwrap();
        let sftp = Subsystem {
            request_id: 0,
            subsystem: "sftp".into(),
        };
        recorder
            .append(on(2, Event::Subsystem(sftp)))
            .await
            .unwrap();
        let mut expected = (String::new(), String::new());
        for number in 0..200 {
            let text = format!("{number}\n").repeat(1000);
            recorder.append(output(0, text.clone())).await.unwrap();
            recorder.append(output(1, "x\n")).await.unwrap();
            recorder.append(output(2, "\0\0\0\x01")).await.unwrap();
            expected.0.push_str(&text);
            expected.1.push_str("x\r\n");
        }
        let exit = Event::ExitStatus(ExitStatus { exit_status: 1 });
        recorder.append(on(1, exit)).await.unwrap();
        recorder.append(on(1, Event::Close)).await.unwrap();
        recorder.finish().await.unwrap();
        assert_eq!(archive.shutdown(Duration::from_secs(5)).await, 0);
        let id = recorder.connection_id();
        let found = casts(&directory);
        assert_eq!(found.len(), 2, "{sync:?}");
        let shell = &found[&format!("{id}.0.cast")];
        assert!(
            shell.contains("\"width\":100,\"height\":30"),
            "{shell:.200}"
        );
        assert!(shell.contains(&format!("\"connectionId\":\"{id}\"")));
        assert_eq!(shown(shell), expected.0);
        assert_eq!(shown(&found[&format!("{id}.1.cast")]), expected.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_survives_a_kill() {
    for (messages, size) in [(1, 10), (3, 100_000), (40, 30_000), (2000, 40)] {
        let home = tempfile::tempdir().unwrap();
        let settings = settings(home.path(), Sync::None, OnFailure::Terminate);
        let archive =
            Archive::open_on(settings.clone(), local(home.path()), Arc::new(SystemClock)).unwrap();
        let recorder = archive.create().await.unwrap();
        recorder.append(exec(5, "a")).await.unwrap();
        let mut expected = String::new();
        for number in 0..messages {
            let text = char::from(b'a' + u8::try_from(number % 26).unwrap())
                .to_string()
                .repeat(size);
            recorder.append(output(5, text.clone())).await.unwrap();
            expected.push_str(&text);
            if number % 100 == 7 {
                recorder.append(exec(1000 + number, "b")).await.unwrap();
                recorder.append(output(1000 + number, "b")).await.unwrap();
            }
        }
        // Half a character was seen by nobody.
        recorder.append(output(5, &b"\xe2\x82"[..])).await.unwrap();
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(home.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        // As often as that is tried.
        let before: Vec<_> = (0..2)
            .map(|_| {
                let next = Settings {
                    directory: copy.path().to_owned(),
                    ..settings.clone()
                };
                let disk = local(copy.path());
                drop(Archive::open_on(next, disk, Arc::new(SystemClock)).unwrap());
                let found = casts(copy.path());
                let cast = &found[&format!("{}.5.cast", recorder.connection_id())];
                assert_eq!(shown(cast), expected);
                for cast in found.values() {
                    shown(cast);
                }
                found
            })
            .collect();
        assert_eq!(before[0], before[1]);
        drop(archive);
    }
}

/// What a reader finds in a directory: the casts of one connection.
fn read(home: &Path) -> (reader::Casts, BTreeMap<u64, String>) {
    let mut connections = reader::Casts::of(home).unwrap();
    let connection = connections.remove(0);
    assert!(connections.is_empty(), "{connections:?}");
    let mut found = BTreeMap::new();
    let each = connection.each(|channel, cast| {
        found.insert(channel, std::io::read_to_string(cast)?);
        Ok(true)
    });
    each.unwrap();
    (connection, found)
}

#[tokio::test(flavor = "multi_thread")]
async fn casts_are_read_while_they_are_written() {
    for (messages, size) in [(1, 10), (40, 30_000), (2000, 40)] {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("casts");
        let settings = settings(&directory, Sync::None, OnFailure::Terminate);
        let archive = Archive::open(settings).unwrap();
        let recorder = archive.create().await.unwrap();
        recorder.append(connect()).await.unwrap();
        let (connection, found) = read(&directory);
        assert_eq!(connection.id, recorder.connection_id());
        assert_eq!((connection.size(), found.len()), (0, 0));
        let mut expected = [String::new(), String::new()];
        for number in 0..messages {
            for channel in 0..2 {
                if number == channel * (messages / 2) {
                    recorder.append(exec(channel, "a")).await.unwrap();
                }
                if number < channel * (messages / 2) {
                    continue;
                }
                let text = format!("{number} ").repeat(size / 4);
                recorder.append(output(channel, &*text)).await.unwrap();
                expected[usize::try_from(channel).unwrap()].push_str(&text);
            }
            if number % 9 == 0 || number + 1 == messages {
                let (connection, found) = read(&directory);
                assert!(connection.is_written().unwrap());
                for (cast, expected) in found.values().zip(&expected) {
                    assert_eq!(shown(cast), *expected, "{number} of {messages}");
                }
            }
        }
        let (_, before) = read(&directory);
        assert_eq!(before.len(), 2);
        recorder.finish().await.unwrap();
        assert_eq!(archive.shutdown(Duration::from_secs(5)).await, 0);
        let (connection, found) = read(&directory);
        assert!(!connection.tails && !connection.is_written().unwrap());
        assert_eq!(found, before);
        let files: u64 = casts(&directory)
            .values()
            .map(|cast| cast.len() as u64)
            .sum();
        assert_eq!(connection.size(), files);
    }
}

#[test]
fn only_what_is_named_so_is_a_cast() {
    let home = tempfile::tempdir().unwrap();
    let id = "0123456789abcdef0123456789abcdef";
    for end in ["", ".cast", ".01.cast", ".0.cast.old"] {
        std::fs::write(home.path().join(format!("{id}{end}")), "x").unwrap();
    }
    std::fs::write(home.path().join(format!(".{id}.damaged0")), "x").unwrap();
    std::fs::write(home.path().join(format!(".{id}.tail0")), "x").unwrap();
    std::fs::create_dir(home.path().join(format!("{id}.1.cast"))).unwrap();
    assert_eq!(reader::Casts::of(home.path()).unwrap(), []);
    let aside = format!(".{id}.7.cast.damaged0");
    std::fs::write(home.path().join(&aside), "x").unwrap();
    assert_eq!(read(home.path()).0.damaged, [aside]);
}

const MESSAGES: u64 = 40;

fn text(number: u64) -> String {
    format!("{number:06}:").repeat(4_000)
}

/// Two sessions; the first tells how much of it was acknowledged.
async fn workload(archive: Archive, acknowledged: &AtomicU64) {
    let (first, second) = (
        archive.create().await.unwrap(),
        archive.create().await.unwrap(),
    );
    first.append(exec(0, "first")).await.unwrap();
    for number in 0..MESSAGES {
        let channel = number % 7;
        let begun = (channel == number).then(|| second.append(exec(channel, "second")));
        let other = second.append(output(channel, text(number)));
        first.append(output(0, text(number))).await.unwrap();
        acknowledged.fetch_max(number + 1, Ordering::SeqCst);
        if let Some(begun) = begun {
            begun.await.unwrap();
        }
        other.await.unwrap();
    }
    first.finish().await.unwrap();
    drop(second);
    archive.shutdown(Duration::from_secs(5)).await;
}

fn on_power(disk: &PowerDisk, sync: Sync) -> Archive {
    let settings = settings(Path::new("unused"), sync, OnFailure::Terminate);
    Archive::open_on(settings, Arc::new(disk.clone()), Arc::new(SystemClock)).unwrap()
}

/// Recovers, with power cuts in the middle of it.
fn recover(mut disk: PowerDisk, seed: u64) -> PowerDisk {
    for round in 0..4 {
        let cut = PowerDisk::clone(&disk);
        cut.cut_at(seed % 7 + round * 5, seed + round, || 0);
        drop(on_power(&cut, Sync::Always));
        match cut.taken() {
            Some((left, _)) => disk = left,
            None => return cut,
        }
    }
    drop(on_power(&disk, Sync::Always));
    disk
}

/// The most of the first session that one cast holds.
fn held(disk: &PowerDisk, what: &str) -> u64 {
    let mut most = 0;
    for name in disk.names() {
        assert!(!name.contains(".tail"), "{name} is left: {what}");
        if name.contains(".damaged") {
            continue;
        }
        assert!(cast_owner(&name).is_some(), "{name}: {what}");
        let cast = String::from_utf8(disk.bytes(&name).unwrap()).unwrap();
        let shown = shown(&cast);
        let whole: String = (0..MESSAGES).map(text).collect();
        if cast.contains("\"first\"") {
            assert!(whole.starts_with(&shown), "{name}: {what}");
            most = most.max(shown.len() as u64 / text(0).len() as u64);
        }
    }
    most
}

async fn cuts(sync: Sync) {
    let whole = PowerDisk::default();
    workload(on_power(&whole, sync), &AtomicU64::new(0)).await;
    let calls = whole.calls();
    assert!(calls > 60, "only {calls} calls");
    let seeds = std::env::var("AUDITSSH_CUTS").map_or(200, |count| count.parse().unwrap());
    for seed in 0..seeds {
        let disk = PowerDisk::default();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let ask = Arc::clone(&acknowledged);
        let call = u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15) % calls;
        disk.cut_at(call, seed, move || ask.load(Ordering::SeqCst));
        workload(on_power(&disk, sync), &acknowledged).await;
        let Some((left, seen)) = disk.taken() else {
            continue;
        };
        let left = recover(left, seed);
        let what = format!("seed {seed}, call {call}");
        let held = held(&left, &what);
        assert!(
            held >= seen || sync != Sync::Always,
            "{what}: {seen} were seen, {held} are held"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn power_cuts_lose_nothing_seen_with_always() {
    cuts(Sync::Always).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn power_cuts_leave_whole_casts_with_interval() {
    cuts(Sync::Interval(Duration::from_millis(1))).await;
}

/// Records until it is told to stop; returns how much counted as recorded.
async fn session(archive: &Archive) -> Option<(Recorder, u64)> {
    let recorder = archive.create().await.ok()?;
    let mut held = 0;
    if recorder.append(exec(0, "first")).await.is_ok() {
        for number in 0..MESSAGES {
            if recorder.append(output(0, text(number))).await.is_err() {
                break;
            }
            held += 1;
            if number % 8 == 7 {
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        }
    }
    let exit = Event::ExitStatus(ExitStatus { exit_status: 0 });
    let _ = recorder.append(on(0, exit)).await;
    let _ = recorder.append(on(0, Event::Close)).await;
    let _ = tokio::time::timeout(Duration::from_secs(2), recorder.finish()).await;
    Some((recorder, held))
}

/// One run with a fault; whether it came.
async fn fault(plan: Plan, sync: Sync, on_failure: OnFailure) -> bool {
    let what = format!("{plan:?} {sync:?} {on_failure:?}");
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path(), sync, on_failure);
    let plan = Arc::new(plan);
    let disk = FaultyDisk::new(local(home.path()), Arc::clone(&plan));
    let archive =
        Archive::open_on(settings.clone(), Arc::new(disk), Arc::new(SystemClock)).unwrap();
    let session = tokio::time::timeout(Duration::from_secs(10), session(&archive)).await;
    let recorded = session.unwrap_or_else(|_| panic!("it hangs: {what}"));
    let hit = plan.was_hit();
    plan.heal();
    for _ in 0..300 {
        if on_failure != OnFailure::Continue || archive.status().unwrap().open == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    archive.shutdown(Duration::from_secs(2)).await;
    drop(archive);
    drop(Archive::open_on(settings, local(home.path()), Arc::new(SystemClock)).unwrap());
    let found = casts(home.path());
    let (mut seen, mut gaps) = (String::new(), false);
    for cast in found.values() {
        seen.push_str(&shown(cast));
        gaps |= cast.contains("missing before this");
    }
    if let Some((_, held)) = recorded {
        for number in 0..held {
            let there = seen.contains(&text(number));
            let lines = || {
                found
                    .iter()
                    .map(|(name, cast)| format!("{name} {cast:.600}"))
            };
            assert!(
                there || gaps,
                "{number} of {held} is lost: {what}: {:?}",
                lines().collect::<Vec<_>>()
            );
        }
    }
    assert!(!gaps || on_failure == OnFailure::Continue, "{what}");
    hit
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_operation_may_fail() {
    const ENOSPC: i32 = 28;
    const EIO: i32 = 5;
    for on_failure in [OnFailure::Terminate, OnFailure::Continue] {
        for sync in [Sync::Always, Sync::Interval(Duration::from_millis(2))] {
            for (error, lasting) in [(ENOSPC, true), (EIO, false)] {
                for first in (0..).step_by(3) {
                    let plan = Plan::new(Fault::Error(error), first, lasting);
                    if !fault(plan, sync, on_failure).await {
                        break;
                    }
                }
            }
        }
    }
}
