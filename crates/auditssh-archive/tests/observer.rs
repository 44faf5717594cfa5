//! What an observer is told holds for good: it is what an uploader relies on.

#![expect(clippy::unwrap_used, reason = "a test")]

use auditssh_archive::disk::LocalDisk;
use auditssh_archive::{Archive, Observer, Settings, Sync, SystemClock, closed_logs};
use auditssh_log::message::{Event, Io, Stream};
use auditssh_log::policy::Intercept;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug, Default)]
struct Told {
    directory: PathBuf,
    /// What stood in the log when it was said to be safe.
    sealed: Mutex<Vec<(String, Vec<u8>)>>,
    closed: Mutex<Vec<String>>,
    takes_damaged: bool,
}

impl Observer for Told {
    fn sealed(&self, id: &str, length: u64) {
        let mut bytes = std::fs::read(self.directory.join(id)).unwrap();
        bytes.truncate(usize::try_from(length).unwrap());
        assert_eq!(bytes.len() as u64, length);
        self.sealed.lock().unwrap().push((id.to_owned(), bytes));
    }

    fn closed(&self, id: &str) {
        let tails = [0, 1].map(|tail| self.directory.join(format!(".{id}.tail{tail}")));
        assert!(tails.iter().all(|tail| !tail.exists()));
        self.closed.lock().unwrap().push(id.to_owned());
    }

    fn takes_damaged(&self) -> bool {
        self.takes_damaged
    }
}

fn watched(directory: &Path, sync: Sync) -> (Settings, Arc<Told>) {
    let directory = directory.join("audit");
    std::fs::create_dir_all(&directory).unwrap();
    let told = Arc::new(Told {
        directory: directory.clone(),
        ..Told::default()
    });
    let settings = Settings {
        sync,
        intercept: Intercept::ALL,
        observer: Some(Arc::clone(&told) as Arc<dyn Observer>),
        tick: Duration::from_millis(10),
        ..Settings::new(directory)
    };
    (settings, told)
}

/// Without the directory's lock, so that a second archive can play the next start.
fn open(settings: &Settings) -> Archive {
    let directory = File::open(&settings.directory).unwrap();
    let disk = Arc::new(LocalDisk::new(directory.into(), None));
    Archive::open_on(settings.clone(), disk, Arc::new(SystemClock)).unwrap()
}

fn output(number: u32) -> Event {
    let data = (0..64 << 10).map(|at: u32| (at.wrapping_mul(7919) ^ number).to_le_bytes()[0]);
    Event::Io(Io {
        stream: Stream::Stdout,
        data: data.collect(),
    })
}

#[tokio::test]
async fn what_is_said_to_be_sealed_stays_the_beginning_of_the_log() {
    for sync in [
        Sync::None,
        Sync::Interval(Duration::from_millis(20)),
        Sync::Always,
    ] {
        let directory = tempfile::tempdir().unwrap();
        let (settings, told) = watched(directory.path(), sync);
        let archive = open(&settings);
        let recorder = archive.create().await.unwrap();
        for number in 0..40 {
            recorder.append(output(number)).await.unwrap();
        }
        recorder.finish().await.unwrap();
        archive.shutdown(Duration::from_mins(1)).await;
        drop(archive);
        let id = recorder.connection_id();
        let log = std::fs::read(settings.directory.join(id)).unwrap();
        let sealed = told.sealed.lock().unwrap();
        assert!(sealed.len() > 2, "{sync:?}: {}", sealed.len());
        for (of, bytes) in &*sealed {
            assert!(of == id && log.starts_with(bytes), "{sync:?}");
        }
        assert_eq!(*told.closed.lock().unwrap(), [id]);
        assert_eq!(closed_logs(&settings.directory).unwrap(), [id]);
    }
}

#[tokio::test]
async fn a_recovered_log_is_said_to_be_closed() {
    let directory = tempfile::tempdir().unwrap();
    let (settings, told) = watched(directory.path(), Sync::Always);
    let archive = open(&settings);
    let recorder = archive.create().await.unwrap();
    recorder.append(output(1)).await.unwrap();
    let id = recorder.connection_id().to_owned();
    assert!(closed_logs(&settings.directory).unwrap().is_empty());
    std::mem::forget(archive); // the first server is gone without a word
    let _second = open(&settings);
    assert_eq!(*told.closed.lock().unwrap(), std::slice::from_ref(&id));
    assert_eq!(closed_logs(&settings.directory).unwrap(), [id]);
    std::mem::forget(recorder);
}

/// Copies an open log, with its first member altered: what a server finds that starts there.
async fn altered(settings: &Settings, told: &Told, to: &Path) -> String {
    let archive = open(settings);
    let recorder = archive.create().await.unwrap();
    for number in 0..20 {
        recorder.append(output(number)).await.unwrap();
    }
    let id = recorder.connection_id().to_owned();
    while told.sealed.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut log = std::fs::read(settings.directory.join(&id)).unwrap();
    *log.get_mut(1000).unwrap() ^= 1;
    std::fs::write(to.join(&id), log).unwrap();
    for tail in ["tail0", "tail1"].map(|tail| format!(".{id}.{tail}")) {
        std::fs::copy(settings.directory.join(&tail), to.join(&tail)).unwrap();
    }
    id
}

/// How many names of a directory hold this.
fn count(directory: &Path, what: &str) -> usize {
    let names = std::fs::read_dir(directory).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(what)).count()
}

#[tokio::test]
async fn a_log_that_is_not_touched_is_handed_over_with_its_tails_set_aside() {
    for takes_damaged in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let (mut settings, told) = watched(directory.path(), Sync::Always);
        let place = directory.path().join("copy");
        std::fs::create_dir(&place).unwrap();
        let id = altered(&settings, &told, &place).await;
        let log = std::fs::read(place.join(&id)).unwrap();
        let count = |what: &str| count(&place, what);
        let next = Arc::new(Told {
            directory: place.clone(),
            takes_damaged,
            ..Told::default()
        });
        settings.directory.clone_from(&place);
        settings.observer = Some(Arc::clone(&next) as Arc<dyn Observer>);
        let second = open(&settings);
        let damaged = &second.counters().unwrap().damaged;
        assert_eq!(damaged.load(std::sync::atomic::Ordering::Relaxed), 1);
        let closed = next.closed.lock().unwrap().clone();
        assert!(
            std::fs::read(place.join(&id)).unwrap() == log,
            "it is touched"
        );
        if takes_damaged {
            assert_eq!(closed, std::slice::from_ref(&id));
            assert_eq!((count(".tail"), count(".damaged")), (0, 2));
            assert_eq!(closed_logs(&settings.directory).unwrap(), [id]);
        } else {
            assert!(closed.is_empty());
            assert_eq!((count(".tail"), count(".damaged")), (2, 0));
        }
    }
}
