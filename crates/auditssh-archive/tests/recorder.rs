//! The write path on a real directory: what is recorded is read back, finished, open or recovered.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test"
)]

use auditssh_archive::disk::LocalDisk;
use auditssh_archive::reader::LogReader;
use auditssh_archive::verify::{Verdict, verify};
use auditssh_archive::{Archive, Form, Recorder, Settings, Sync, SystemClock};
use auditssh_log::codec::{Decoder, Format};
use auditssh_log::message::{Event, Exec, Io, Message, Stream};
use auditssh_log::policy::Intercept;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn settings(directory: &Path, format: Format, sync: Sync) -> Settings {
    Settings {
        form: Form::Messages(format),
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

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_log_that_was_cut_is_not_made_to_look_recovered() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path(), Format::Audit, Sync::None);
    let archive = crashing(&settings);
    let mut cuts = Vec::new();
    for kept in [0, 1, 39, 40, 41, 300] {
        let recorder = archive.create().await.unwrap();
        record(&recorder, 5, 100).await;
        recorder.finish().await.unwrap();
        let path = settings.directory.join(recorder.connection_id());
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(kept).unwrap();
        cuts.push((path, kept));
    }
    drop(archive);
    drop(crashing(&settings));
    for (path, kept) in cuts {
        assert_eq!(
            std::fs::metadata(&path).unwrap().len(),
            kept,
            "left as it is"
        );
    }
}

/// An open log as a crash leaves it, its files changed by `damage`, after the next start.
async fn restart(messages: usize, damage: impl Fn(&Path, &str)) -> (tempfile::TempDir, String) {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path(), Format::Audit, Sync::None);
    let archive = crashing(&settings);
    let recorder = archive.create().await.unwrap();
    record(&recorder, messages, 32 << 10).await;
    let id = recorder.connection_id().to_owned();
    // No chunk takes more than 34 of them, however slow the disk is.
    let members = u64::try_from(messages / 34).unwrap();
    let path = settings.directory.join(&id);
    let end = std::time::Instant::now() + Duration::from_mins(1);
    while u64::from(verify(File::open(&path).unwrap()).unwrap().members) < members {
        assert!(
            std::time::Instant::now() < end,
            "a full chunk is not sealed"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let copy = tempfile::tempdir().unwrap();
    copy_directory(&settings.directory, &copy.path().join("audit"));
    damage(&copy.path().join("audit"), &id);
    drop(crashing(&Settings {
        directory: copy.path().join("audit"),
        ..settings
    }));
    (copy, id)
}

fn verdict(home: &Path, id: &str) -> Verdict {
    let log = File::open(home.join("audit").join(id)).unwrap();
    verify(log).unwrap().verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_power_cut_tore_before_any_sync_is_cut_off_and_kept() {
    let torn = [7; 3000];
    let (home, id) = restart(0, |directory, id| {
        let tail = directory.join(format!(".{id}.tail0"));
        let zeros = vec![0; 32 << 10];
        let file = File::options().write(true).open(tail).unwrap();
        file.write_all_at(&zeros[104..], 104).unwrap();
        let log = File::options()
            .write(true)
            .open(directory.join(id))
            .unwrap();
        log.write_all_at(&torn, 40).unwrap();
    })
    .await;
    assert_eq!(verdict(home.path(), &id), Verdict::Recovered);
    let aside = home.path().join("audit").join(format!(".{id}.damaged0"));
    assert_eq!(std::fs::read(aside).unwrap(), torn);
    assert!(
        !home
            .path()
            .join("audit")
            .join(format!(".{id}.tail0"))
            .exists()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_member_and_a_torn_tail_are_kept_both() {
    let (home, id) = restart(3, |directory, id| {
        let tail = directory.join(format!(".{id}.tail0"));
        let file = File::options().write(true).open(tail).unwrap();
        file.write_all_at(&[0; 512], 104).unwrap();
        let log = File::options()
            .write(true)
            .open(directory.join(id))
            .unwrap();
        log.write_all_at(&[7; 3000], 40).unwrap();
    })
    .await;
    assert_eq!(verdict(home.path(), &id), Verdict::Recovered);
    let audit = home.path().join("audit");
    assert!(audit.join(format!(".{id}.damaged0")).exists());
    assert!(audit.join(format!(".{id}.damaged1")).exists());
    assert!(!audit.join(format!(".{id}.tail0")).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_altered_after_it_was_safe_is_left_for_verify() {
    // Two chunks at least are sealed, and a third one is begun.
    let (home, id) = restart(100, |directory, id| {
        let log = File::options()
            .write(true)
            .open(directory.join(id))
            .unwrap();
        log.write_all_at(&[7; 16], 40 + 200).unwrap();
    })
    .await;
    assert!(matches!(verdict(home.path(), &id), Verdict::Altered(_)));
    assert!(
        home.path()
            .join("audit")
            .join(format!(".{id}.tail0"))
            .exists()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_log_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    let settings = Settings {
        tick: Duration::from_millis(5),
        ..settings(home.path(), Format::Audit, Sync::None)
    };
    let archive = crashing(&settings);
    let recorder = archive.create().await.unwrap();
    record(&recorder, 5, 100).await;
    let tampered = || archive.counters().unwrap().tampered.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(tampered(), 0, "no false alarm");
    std::fs::remove_file(settings.directory.join(recorder.connection_id())).unwrap();
    for _ in 0..1000 {
        if tampered() > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("a deleted log is not noticed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_deleted_just_before_its_end_is_noticed() {
    for sync in [Sync::Always, Sync::None] {
        deleted_just_before_its_end(sync).await;
    }
}

async fn deleted_just_before_its_end(sync: Sync) {
    let home = tempfile::tempdir().unwrap();
    let settings = Settings {
        tick: Duration::from_hours(1),
        ..settings(home.path(), Format::Audit, sync)
    };
    let archive = Archive::open(settings.clone()).unwrap();
    let tampered = || archive.counters().unwrap().tampered.load(Ordering::Relaxed);
    for deleted in 0..2 {
        let recorder = archive.create().await.unwrap();
        record(&recorder, 5, 100).await;
        if deleted > 0 {
            std::fs::remove_file(settings.directory.join(recorder.connection_id())).unwrap();
        }
        recorder.finish().await.unwrap();
        assert_eq!(tampered(), deleted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_was_replaced_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    let settings = Settings {
        tick: Duration::from_millis(5),
        ..settings(home.path(), Format::Audit, Sync::None)
    };
    let archive = Archive::open(settings.clone()).unwrap();
    let tampered = || archive.counters().unwrap().tampered.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(tampered(), 0, "no false alarm");
    std::fs::rename(&settings.directory, home.path().join("away")).unwrap();
    std::fs::create_dir(&settings.directory).unwrap();
    for _ in 0..1000 {
        if tampered() > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("a directory in another's place is not noticed");
}

/// What someone who cuts or alters a finished, signed log may put beside it.
#[tokio::test(flavor = "multi_thread")]
async fn a_finished_log_is_not_completed_again_by_whatever_lies_beside_it() {
    let home = tempfile::tempdir().unwrap();
    let settings = Settings {
        signing_key: Some(auditssh_log::seal::SigningKey::from_bytes(&[5; 32])),
        ..settings(home.path(), Format::Audit, Sync::None)
    };
    let archive = crashing(&settings);
    let (recorder, other) = (
        archive.create().await.unwrap(),
        archive.create().await.unwrap(),
    );
    record(&recorder, 300, 32 << 10).await;
    record(&other, 20, 32 << 10).await;
    let id = recorder.connection_id();
    let path = settings.directory.join(id);
    let tail = |id: &str| settings.directory.join(format!(".{id}.tail0"));
    let late = std::fs::read(tail(id)).unwrap();
    let foreign = std::fs::read(tail(other.connection_id())).unwrap();
    recorder.finish().await.unwrap();
    other.finish().await.unwrap();
    drop(archive);

    let whole = std::fs::read(&path).unwrap();
    let mut borders = Vec::new();
    let mut members = auditssh_log::seal::Members::open(whole.as_slice()).unwrap();
    while let auditssh_log::seal::Step::Member(member) = members.step().unwrap() {
        borders.push(usize::try_from(member.offset).unwrap());
    }
    assert!(borders.len() > 6, "{} members", borders.len());
    let mut forms: Vec<Vec<u8>> = Vec::new();
    for &border in &borders[1..4] {
        forms.push(whole[..border].to_vec());
        forms.push(whole[..border + 7].to_vec());
        forms.push(whole[..border + 3000].to_vec());
        let mut altered = whole.clone();
        altered[border + 1000] ^= 1;
        forms.push(altered);
    }
    // Of the first member nothing holds.
    let mut altered = whole.clone();
    altered[borders[0] + 1000] ^= 1;
    forms.push(altered);
    forms.push(whole[..borders[0] + 3000].to_vec());
    let blank = [late[..64].to_vec(), vec![0; 32 << 10]].concat();
    for form in forms {
        for beside in [&b""[..], &[0; 4096], &late[..64], &blank, &foreign] {
            std::fs::write(&path, &form).unwrap();
            std::fs::write(tail(id), beside).unwrap();
            drop(crashing(&settings));
            assert!(
                std::fs::read(&path).unwrap() == form,
                "a log of {} bytes was touched, with a tail of {}",
                form.len(),
                beside.len()
            );
            assert_eq!(std::fs::read(tail(id)).unwrap(), beside);
        }
    }
    let names = std::fs::read_dir(&settings.directory).unwrap();
    assert_eq!(names.count(), 3, "nothing else came of it");
}
