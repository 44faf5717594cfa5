use super::*;
use crate::uploader::{Inbox, Uploads};
use auditssh_archive::{Archive, Observer};
use auditssh_log::message::{Connect, Event, HandshakeSuccessful, Io, Stream};
use auditssh_log::policy::Intercept;

fn output(number: u32) -> Event {
    let data = (0..100 << 10).map(|at: u32| (at.wrapping_mul(40_503) ^ number).to_le_bytes()[1]);
    Event::Io(Io {
        stream: Stream::Stdout,
        data: data.collect(),
    })
}

/// An archive whose logs are uploaded, in real time.
fn served(directory: &Path, store: &MemoryStore) -> (Archive, Uploads<MemoryStore>) {
    let mut settings = settings(directory);
    settings.part_size = 64 << 10;
    settings.metadata = Metadata {
        username: true,
        ip: true,
    };
    settings.template = Template::parse("%u/").unwrap();
    let inbox = Inbox::new(settings.part_size);
    let archive = auditssh_archive::Settings {
        intercept: Intercept::ALL,
        sync: auditssh_archive::Sync::Interval(Duration::from_millis(20)),
        observer: Some(Arc::new(inbox.clone()) as Arc<dyn Observer>),
        ..auditssh_archive::Settings::new(directory)
    };
    let archive = Archive::open(archive).unwrap();
    (archive, Uploads::start(&settings, &inbox, store.clone()))
}

async fn until(mut condition: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it takes for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_go_up_while_the_session_runs_and_the_object_is_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let local = directory.path().join("audit");
    let store = MemoryStore::good();
    let (archive, uploads) = served(&local, &store);
    let recorder = archive.create().await.unwrap();
    let connect = Event::Connect(Connect {
        remote_addr: "192.0.2.7".into(),
        country: "XX".into(),
    });
    recorder.append(connect).await.unwrap();
    for number in 0..20 {
        recorder.append(output(number)).await.unwrap();
    }
    // Much is sealed, but nobody knows who logs in.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(store.requests(), 0);
    let login = HandshakeSuccessful {
        username: "alice".into(),
    };
    recorder
        .append(Event::HandshakeSuccessful(login))
        .await
        .unwrap();
    for number in 0..20 {
        recorder.append(output(number)).await.unwrap();
    }
    let parts = || {
        let bucket = lock(&store.bucket);
        bucket
            .uploads
            .values()
            .map(|(_, parts)| parts.len())
            .sum::<usize>()
    };
    until(|| parts() > 3).await;
    let mut log = std::fs::read(local.join(recorder.connection_id())).unwrap();
    recorder.finish().await.unwrap();
    until(|| uploads.status().staged == 0).await;
    assert_eq!(uploads.shutdown(Duration::from_mins(1)).await, 0);
    let bucket = lock(&store.bucket);
    let (object, bytes) = &bucket.objects[&format!("alice/{}", recorder.connection_id())];
    log.truncate(bytes.len());
    assert!(bytes.starts_with(&log) && log.len() > 64 << 10);
    let report = auditssh_archive::verify::verify(&bytes[..]).unwrap();
    assert_eq!(report.verdict, auditssh_archive::verify::Verdict::Intact);
    let metadata: Vec<&str> = object
        .metadata
        .iter()
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(metadata[1..], ["true", "XX", "alice", "192.0.2.7"]);
    assert!(!local.join(recorder.connection_id()).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_does_not_wait_for_a_store_that_does_not_answer() {
    let directory = tempfile::tempdir().unwrap();
    let local = directory.path().join("audit");
    let store = MemoryStore::new(|_, _, _| crate::testing::Fate::BlackHole);
    let (archive, uploads) = served(&local, &store);
    for _ in 0..3 {
        archive.create().await.unwrap().finish().await.unwrap();
    }
    until(|| store.requests() == 3).await;
    let begun = std::time::Instant::now();
    assert_eq!(uploads.shutdown(Duration::from_millis(200)).await, 3);
    assert!(begun.elapsed() < Duration::from_secs(20));
    drop(archive);
    let good = MemoryStore::good();
    let (_archive, uploads) = served(&local, &good);
    until(|| lock(&good.bucket).objects.len() == 3 && uploads.status().staged == 0).await;
}
