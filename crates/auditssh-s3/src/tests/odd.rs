use super::*;
use crate::error::Kind;
use crate::store::Object;
use crate::testing::Fate;
use std::fs;

fn foreign(bytes: &[u8]) -> (Object, Vec<u8>) {
    let object = Object {
        key: key(0),
        content_type: None,
        metadata: Vec::new(),
    };
    (object, bytes.to_vec())
}

#[tokio::test(start_paused = true)]
async fn an_object_of_others_is_never_overwritten() {
    for length in [50, 250] {
        let directory = left(&[length]);
        let store = MemoryStore::good();
        lock(&store.bucket)
            .objects
            .insert(key(0), foreign(b"of others"));
        let context = start(directory.path(), &store);
        assert!(drive(&context).await);
        assert_eq!(lock(&store.bucket).objects[&key(0)].1, b"of others");
        assert_eq!(context.counters.quarantined.value(), 1);
        let aside = directory.path().join("quarantine").join(id(0));
        assert_eq!(fs::read(aside).unwrap(), content(0, length));
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_the_same_is_recognised_where_that_is_allowed() {
    let directory = left(&[50]);
    let mut store = MemoryStore::good();
    store.heads = true;
    lock(&store.bucket)
        .objects
        .insert(key(0), foreign(&content(0, 50)));
    assert!(drive(&start(directory.path(), &store)).await);
    holds(directory.path(), &store, &[50], "the same");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_changed_since_is_uploaded_anew() {
    for steps in 4..20 {
        let directory = left(&[450]);
        fs::write(directory.path().join(id(0)), content(9, 450)).unwrap();
        let store = MemoryStore::good().with_fuse(Fuse::of(steps));
        drive(&start(directory.path(), &store)).await;
        if !lock(&store.bucket).objects.is_empty() {
            break;
        }
        fs::write(directory.path().join(id(0)), content(0, 450)).unwrap();
        let store = store.with_fuse(Fuse::default());
        assert!(drive(&start(directory.path(), &store)).await);
        holds(
            directory.path(),
            &store,
            &[450],
            &format!("changed after step {steps}"),
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_manifest_that_is_lost_or_damaged_leaves_no_upload_behind() {
    for damage in [None, Some("{"), Some("{\"version\":9}")] {
        for steps in 3..20 {
            let directory = left(&[450]);
            let store = MemoryStore::good().with_fuse(Fuse::of(steps));
            drive(&start(directory.path(), &store)).await;
            if !lock(&store.bucket).objects.is_empty() {
                break;
            }
            let manifest = directory.path().join(format!(".{}.upload", id(0)));
            match damage {
                None => drop(fs::remove_file(manifest)),
                Some(text) => fs::write(manifest, text).unwrap(),
            }
            let store = store.with_fuse(Fuse::default());
            assert!(drive(&start(directory.path(), &store)).await);
            holds(
                directory.path(),
                &store,
                &[450],
                &format!("{damage:?} after step {steps}"),
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_someone_aborts_begins_anew() {
    for at in 1..7 {
        let directory = left(&[450]);
        let bucket: Arc<std::sync::Mutex<crate::testing::Bucket>> = Arc::default();
        let seen = Arc::clone(&bucket);
        let mut store = MemoryStore::new(move |number, _, _| {
            if number == at {
                seen.lock().unwrap().uploads.clear();
            }
            Fate::Good
        });
        store.bucket = bucket;
        assert!(drive(&start(directory.path(), &store)).await);
        holds(
            directory.path(),
            &store,
            &[450],
            &format!("aborted at request {at}"),
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_with_etags_of_its_own_gets_every_log_too() {
    for checksums in [true, false] {
        let directory = left(&[50, 450, 80]);
        let plan = |_, operation: &str, _: &str| match operation {
            "PutObject" | "CompleteMultipartUpload" => Fate::WrongEtag,
            _ => Fate::Good,
        };
        let mut store = MemoryStore::new(plan);
        store.checksums = checksums;
        assert!(drive(&start(directory.path(), &store)).await);
        holds(directory.path(), &store, &[50, 450, 80], "odd ETags");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_conditions_gets_every_log_without() {
    let directory = left(&[50, 450]);
    let refusals = std::sync::atomic::AtomicU32::new(0);
    let store = MemoryStore::new(move |_, operation, _| {
        let first = refusals.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 1;
        if operation == "PutObject" && first {
            Fate::Fails(Kind::Unsupported)
        } else {
            Fate::Good
        }
    });
    let context = start(directory.path(), &store);
    assert!(drive(&context).await);
    holds(directory.path(), &store, &[50, 450], "no conditions");
}

#[tokio::test(start_paused = true)]
async fn a_log_too_large_to_be_put_whole_is_uploaded_in_parts_again() {
    let directory = left(&[450]);
    let store = MemoryStore::new(|_, operation, _| {
        if operation == "CompleteMultipartUpload" {
            Fate::Unanswered(Kind::Unanswered)
        } else {
            Fate::Good
        }
    });
    let mut context = start(directory.path(), &store);
    context.largest_put = 300;
    assert!(drive(&context).await);
    holds(directory.path(), &store, &[450], "never answered");
    once(&store, "never answered");
    assert!(!lock(&store.bucket).asked.contains(&"PutObject"));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_deleted_is_missed_and_nothing_stays_of_it() {
    let directory = left(&[50, 60]);
    let store = MemoryStore::good();
    let context = start(directory.path(), &store);
    fs::remove_file(directory.path().join(id(0))).unwrap();
    assert!(drive(&context).await);
    assert_eq!(context.counters.vanished.value(), 1);
    assert_eq!(lock(&store.bucket).objects.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_what_is_documented_is_asked_for() {
    let directory = left(&[50, 450]);
    let store = MemoryStore::good();
    assert!(drive(&start(directory.path(), &store)).await);
    let allowed = [
        "PutObject",
        "CreateMultipartUpload",
        "UploadPart",
        "CompleteMultipartUpload",
    ];
    let bucket = lock(&store.bucket);
    // The upload that is left of an earlier run may have had a manifest that is lost.
    let rest: Vec<_> = bucket
        .asked
        .iter()
        .filter(|asked| !allowed.contains(asked))
        .collect();
    assert_eq!(rest, [&"ListMultipartUploads"]);
}
