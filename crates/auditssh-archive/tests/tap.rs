//! What is told of events that pass stands before them, and they wait for it.

#![expect(clippy::unwrap_used, reason = "a test")]

use auditssh_archive::disk::LocalDisk;
use auditssh_archive::testing::{Fault, FaultyDisk, Plan};
use auditssh_archive::{Archive, Entry, Form, OnFailure, Settings, Sync, SystemClock, Tap, Taps};
use auditssh_log::codec::{Decoder, Format};
use auditssh_log::extension::FileEvent;
use auditssh_log::message::{Event, Io, Message, Stream};
use auditssh_log::policy::{Intercept, Origin, Stdin};
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

const EIO: i32 = 5;

/// Tells the length of all that passes, and waits where it is held up.
#[derive(Debug, Default)]
struct Lengths {
    gate: Arc<Gate>,
}

/// Holds up taps that see this.
#[derive(Debug, Default)]
struct Gate(Mutex<Option<Vec<u8>>>, Condvar);

#[derive(Debug)]
struct Length(Arc<Gate>);

impl Taps for Lengths {
    fn tap(&self) -> Box<dyn Tap> {
        Box::new(Length(Arc::clone(&self.gate)))
    }
}

impl Tap for Length {
    fn see(&mut self, message: &Message, to: &mut dyn FnMut(Entry)) {
        let Event::Io(io) = &message.event else {
            return;
        };
        let mut held = self.0.0.lock().unwrap();
        while held.as_ref().is_some_and(|held| *held == io.data) {
            held = self.0.1.wait(held).unwrap();
        }
        drop(held);
        // Much is told of much.
        for _ in 0..=io.data.len() / 1000 {
            to(told(io.data.len()).from_origin(Origin::Ledger));
        }
    }
}

fn told(length: usize) -> Entry {
    let record = FileEvent {
        bytes: Some(length as u64),
        ..FileEvent::default()
    };
    let (event, extra) = record.record();
    Entry::from(event).on(0).with(extra)
}

fn settings(home: &Path, intercept: Intercept, sync: Sync, gate: &Arc<Gate>) -> Settings {
    let gate = Arc::clone(gate);
    Settings {
        sync,
        intercept,
        form: Form::Messages(Format::Audit),
        allow_insecure: true,
        taps: Some(Arc::new(Lengths { gate })),
        ..Settings::new(home)
    }
}

fn io(data: &[u8]) -> Entry {
    let io = Io {
        stream: Stream::Stdin,
        data: data.to_vec(),
    };
    Entry::from(Event::Io(io)).on(0)
}

const FILES: Intercept = Intercept {
    stdin: Stdin::No,
    stdout: false,
    stderr: false,
    passwords: false,
    forwarding: false,
    files: true,
};

/// The messages of the only log in a directory.
fn messages(home: &Path) -> Vec<Message> {
    let names = std::fs::read_dir(home).unwrap();
    let mut paths = names.map(|entry| entry.unwrap().path());
    let is_log =
        |path: &std::path::PathBuf| !path.file_name().unwrap().to_str().unwrap().starts_with('.');
    let path = paths.find(is_log).unwrap();
    let decoder = Decoder::new(File::open(path).unwrap());
    decoder.map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_stands_before_what_told_it() {
    for stdin in [Stdin::No, Stdin::Yes] {
        for files in [true, false] {
            let home = tempfile::tempdir().unwrap();
            let intercept = Intercept {
                stdin,
                files,
                ..FILES
            };
            let settings = settings(home.path(), intercept, Sync::Always, &Arc::default());
            let archive = Archive::open(settings).unwrap();
            let recorder = archive.create().await.unwrap();
            for length in [3, 5] {
                recorder.append(io(&b"secret"[..length])).await.unwrap();
            }
            recorder.finish().await.unwrap();
            archive.shutdown(Duration::from_secs(5)).await;
            let mut expected = Vec::new();
            for length in [3, 5] {
                expected.extend(files.then(|| told(length)));
                expected.extend((stdin == Stdin::Yes).then(|| io(&b"secret"[..length])));
            }
            let found = messages(home.path()).into_iter();
            let found: Vec<_> = found
                .map(|message| (message.event, message.extra))
                .collect();
            let expected = expected.into_iter().map(|entry| (entry.event, entry.extra));
            let end = (Event::Disconnect, Vec::new());
            assert_eq!(found, expected.chain([end]).collect::<Vec<_>>());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_not_kept_waits_for_what_is_told_of_it() {
    let home = tempfile::tempdir().unwrap();
    let mut settings = settings(home.path(), FILES, Sync::Always, &Arc::default());
    settings.on_failure = OnFailure::Terminate;
    // More operations than a beginning needs.
    let plan = Arc::new(Plan::new(Fault::Error(EIO), 40, true));
    let directory = File::open(home.path()).unwrap();
    let disk = LocalDisk::new(directory.into(), None);
    let disk = FaultyDisk::new(Arc::new(disk), Arc::clone(&plan));
    let archive = Archive::open_on(settings, Arc::new(disk), Arc::new(SystemClock)).unwrap();
    let recorder = archive.create().await.unwrap();
    let mut failed = false;
    for _ in 0..100 {
        failed = recorder.append(io(b"x")).await.is_err();
        if failed {
            break;
        }
    }
    assert!(plan.was_hit() && failed, "it passed unrecorded");
    plan.heal();
    archive.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tap_that_takes_its_time_holds_up_no_other_connection() {
    let home = tempfile::tempdir().unwrap();
    let gate = Arc::<Gate>::default();
    *gate.0.lock().unwrap() = Some(b"slow".to_vec());
    let settings = settings(home.path(), FILES, Sync::None, &gate);
    let archive = Archive::open(settings).unwrap();
    let slow = archive.create().await.unwrap();
    let waiting = std::thread::spawn(move || {
        drop(slow.append(io(b"slow")));
        slow
    });
    let quick = archive.create().await.unwrap();
    for _ in 0..100 {
        quick.append(io(b"quick")).await.unwrap();
    }
    quick.finish().await.unwrap();
    assert!(!waiting.is_finished());
    *gate.0.lock().unwrap() = None;
    gate.1.notify_all();
    let slow = waiting.join().unwrap();
    slow.finish().await.unwrap();
    archive.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_much_is_told_of_an_event_has_room() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path(), FILES, Sync::None, &Arc::default());
    let archive = Archive::open(settings).unwrap();
    let recorder = archive.create().await.unwrap();
    let much = b"x".repeat(20_000_000);
    for _ in 0..2 {
        recorder.append(io(&much)).await.unwrap();
    }
    recorder.finish().await.unwrap();
    archive.shutdown(Duration::from_secs(5)).await;
    assert_eq!(messages(home.path()).len(), 2 * 20_001 + 1);
}
