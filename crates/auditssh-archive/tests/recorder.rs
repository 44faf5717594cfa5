//! The write path on a real directory: what is recorded is read back, finished, open or recovered.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test"
)]

use auditssh_archive::disk::LocalDisk;
use auditssh_archive::reader::LogReader;
use auditssh_archive::verify::{Verdict, verify};
use auditssh_archive::{Archive, Recorder, Settings, Sync, SystemClock};
use auditssh_log::codec::{Decoder, Format};
use auditssh_log::message::{Event, Exec, Io, Message, Stream};
use auditssh_log::policy::Intercept;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn settings(directory: &Path, format: Format, sync: Sync) -> Settings {
    Settings {
        format,
        sync,
        intercept: Intercept::ALL,
        ..Settings::new(directory.join("audit"))
    }
}

/// Without the directory's lock, so that a second archive can play the next start.
fn crashing(settings: &Settings) -> Archive {
    std::fs::create_dir_all(&settings.directory).unwrap();
    let directory = File::open(&settings.directory).unwrap();
    let disk = Arc::new(LocalDisk::new(directory.into(), None));
    Archive::open_on(settings.clone(), disk, Arc::new(SystemClock)).unwrap()
}

fn output(bytes: Vec<u8>) -> Event {
    Event::Io(Io {
        stream: Stream::Stdout,
        data: bytes,
    })
}

async fn record(recorder: &Recorder, messages: usize, size: usize) -> Vec<Event> {
    let mut events = vec![Event::Exec(Exec {
        request_id: 0,
        program: (&b"not \xff text"[..]).into(),
    })];
    for number in 0..messages {
        let data = (0..size).map(|at| (at * 7919 + number) as u8).collect();
        events.push(output(data));
    }
    for event in &events {
        recorder.append(event.clone()).await.unwrap();
    }
    events
}

fn decode(path: &Path) -> Vec<Message> {
    let reader = LogReader::open(path, false).unwrap();
    Decoder::new(reader).map(Result::unwrap).collect()
}

fn events(path: &Path) -> Vec<Event> {
    decode(path)
        .into_iter()
        .map(|message| message.event)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_log_is_intact_and_whole() {
    for format in [Format::Audit, Format::Binary] {
        for sync in [
            Sync::None,
            Sync::Interval(Duration::from_millis(20)),
            Sync::Always,
        ] {
            let home = tempfile::tempdir().unwrap();
            let settings = settings(home.path(), format, sync);
            let archive = Archive::open(settings.clone()).unwrap();
            let recorder = archive.create().await.unwrap();
            let mut expected = record(&recorder, 100, 30_000).await;
            recorder.finish().await.unwrap();
            assert_eq!(archive.shutdown(Duration::from_secs(5)).await, 0);
            expected.push(Event::Disconnect);
            let path = settings.directory.join(recorder.connection_id());
            assert_eq!(events(&path), expected);
            let report = verify(File::open(&path).unwrap()).unwrap();
            assert_eq!(report.verdict, Verdict::Intact, "{format} {sync:?}");
            let names = std::fs::read_dir(&settings.directory).unwrap().count();
            assert_eq!(names, 1, "only the log is left");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_readable_at_once_and_survives_a_crash() {
    for (messages, size) in [(1, 10), (3, 100_000), (40, 30_000), (2000, 40)] {
        for format in [Format::Audit, Format::Binary] {
            let home = tempfile::tempdir().unwrap();
            let settings = settings(home.path(), format, Sync::None);
            let archive = crashing(&settings);
            let recorder = archive.create().await.unwrap();
            let expected = record(&recorder, messages, size).await;
            let path = settings.directory.join(recorder.connection_id());
            assert_eq!(events(&path), expected, "open");

            let copy = home.path().join("copy");
            copy_directory(&settings.directory, &copy);
            let next = Settings {
                directory: copy.clone(),
                ..settings.clone()
            };
            drop(crashing(&next));
            let path = copy.join(recorder.connection_id());
            assert_eq!(events(&path), expected, "recovered");
            let report = verify(File::open(&path).unwrap()).unwrap();
            assert!(
                matches!(report.verdict, Verdict::Recovered),
                "{:?}",
                report.verdict
            );
            let names: Vec<_> = std::fs::read_dir(&copy)
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            assert_eq!(names.len(), 1, "{names:?} {messages} {size}");
            let first = std::fs::read(&path).unwrap();
            drop(crashing(&next));
            assert_eq!(
                std::fs::read(&path).unwrap(),
                first,
                "recovery is idempotent"
            );
        }
    }
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_recorder_closes_its_log() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path(), Format::Audit, Sync::None);
    let archive = Archive::open(settings.clone()).unwrap();
    let recorder = archive.create().await.unwrap();
    let path = settings.directory.join(recorder.connection_id());
    recorder.append(output(b"x".to_vec())).await.unwrap();
    drop(recorder);
    assert_eq!(archive.shutdown(Duration::from_secs(5)).await, 0);
    assert_eq!(events(&path), [output(b"x".to_vec()), Event::Disconnect]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_instance_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path(), Format::Audit, Sync::None);
    let _first = Archive::open(settings.clone()).unwrap();
    let error = Archive::open(settings).unwrap_err();
    assert!(error.is_second_instance(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_growing_log_is_followed_to_its_end() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path(), Format::Audit, Sync::None);
    let archive = Archive::open(settings.clone()).unwrap();
    let recorder = archive.create().await.unwrap();
    let path = settings.directory.join(recorder.connection_id());
    recorder.append(output(vec![0; 10])).await.unwrap();
    let follower = std::thread::spawn(move || {
        let reader = LogReader::open(&path, true).unwrap();
        Decoder::new(reader)
            .map(|message| message.unwrap().event)
            .collect::<Vec<_>>()
    });
    let mut expected = vec![output(vec![0; 10])];
    for number in 0..200_u32 {
        let event = output(vec![number as u8; 5_000 + number as usize]);
        recorder.append(event.clone()).await.unwrap();
        expected.push(event);
        if number % 40 == 0 {
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }
    recorder.finish().await.unwrap();
    expected.push(Event::Disconnect);
    assert_eq!(follower.join().unwrap(), expected);
}
