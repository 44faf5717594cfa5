//! What recovery set aside beside a log.

use super::*;
use crate::error::Kind;
use crate::testing::{Bucket, FATES, Fate};
use std::fs;

/// A log beside which two files are set aside, or what is left once the log is gone.
fn damaged(log: bool) -> TempDir {
    let directory = left(if log { &[250] } else { &[] });
    for (number, bytes) in ["a tail", "another"].iter().enumerate() {
        let name = format!(".{}.damaged{number}", id(0));
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    directory
}

/// The bucket has everything as it was, and the directory nothing.
fn has_all(directory: &Path, store: &MemoryStore, log: bool, told: &str) {
    let bucket = lock(&store.bucket);
    let held = |key: String| bucket.objects.get(&key).map(|(_, bytes)| bytes.clone());
    assert_eq!(held(key(0)), log.then(|| content(0, 250)), "{told}");
    let aside = [0, 1].map(|number| held(format!("{}.damaged{number}", key(0))));
    let wanted = ["a tail", "another"].map(|text| Some(text.as_bytes().to_vec()));
    assert_eq!(aside, wanted, "{told}");
    assert!(bucket.uploads.is_empty(), "{told}");
    assert_eq!(fs::read_dir(directory).unwrap().count(), 0, "{told}");
}

#[tokio::test(start_paused = true)]
async fn what_is_set_aside_reaches_the_bucket_whatever_a_kill_interrupts() {
    for log in [true, false] {
        for steps in 0.. {
            let told = format!("killed at step {steps}");
            let directory = damaged(log);
            let store = MemoryStore::good().with_fuse(Fuse::of(steps));
            let survived = drive(&start(directory.path(), &store)).await;
            let store = store.with_fuse(Fuse::default());
            assert!(drive(&start(directory.path(), &store)).await);
            has_all(directory.path(), &store, log, &told);
            once(&store, &told);
            if survived {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn any_fault_costs_none_of_it() {
    for fate in FATES {
        for faulty in 0..10 {
            let directory = damaged(true);
            let store = MemoryStore::new(move |number, _, _| match number {
                number if number == faulty => fate,
                _ => Fate::Good,
            });
            let told = format!("{fate:?} at request {faulty}");
            assert!(drive(&start(directory.path(), &store)).await, "{told}");
            has_all(directory.path(), &store, true, &told);
            once(&store, &told);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_shares_the_key_and_the_metadata_of_its_log_but_not_its_type() {
    let directory = damaged(true);
    let store = MemoryStore::good();
    assert!(drive(&start(directory.path(), &store)).await);
    let bucket: &Bucket = &lock(&store.bucket);
    let (log, _) = &bucket.objects[&key(0)];
    let (aside, _) = &bucket.objects[&format!("{}.damaged1", key(0))];
    assert_eq!(aside.metadata, log.metadata);
    assert_eq!(log.content_type, None);
    assert_eq!(aside.content_type, Some("application/octet-stream"));
}

#[tokio::test(start_paused = true)]
async fn it_is_quarantined_and_tried_again_with_its_log() {
    let directory = damaged(true);
    let store = MemoryStore::new(|_, _, asked| {
        if asked.starts_with(&key(0)) {
            Fate::Fails(Kind::Refused)
        } else {
            Fate::Good
        }
    });
    let context = start(directory.path(), &store);
    for more in 100..140 {
        let log = directory.path().join(id(more));
        fs::write(log, content(more, 50)).unwrap();
        context.board.closed(&id(more), None, 0);
        tokio::time::sleep(Duration::from_secs(20)).await;
        for _ in 0..2 {
            let next = context.board.next().await;
            let (ended, history) = turn::take(&context, &next).await;
            context.board.ended(&next, ended, history);
            if context.board.load().logs == 0 {
                break;
            }
        }
    }
    assert!(drive(&context).await);
    let aside = directory.path().join("quarantine");
    assert_eq!(
        fs::read(aside.join(format!(".{}.damaged0", id(0)))).unwrap(),
        b"a tail"
    );
    let good = MemoryStore::good();
    let next = start(directory.path(), &good);
    assert_eq!(next.board.load().logs, 0, "it is not tried again by itself");
    assert_eq!(next.stage.bring_back().unwrap(), 1);
    next.find_left().unwrap();
    assert!(drive(&next).await);
    fs::remove_dir(&aside).unwrap();
    has_all(directory.path(), &good, true, "after quarantine");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_recovery_is_left_alone() {
    let directory = damaged(false);
    fs::write(directory.path().join(format!(".{}.tail0", id(0))), "").unwrap();
    let store = MemoryStore::good();
    assert!(drive(&start(directory.path(), &store)).await);
    assert_eq!(store.requests(), 0);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
}
