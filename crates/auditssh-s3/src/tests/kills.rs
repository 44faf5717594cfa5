use super::*;

/// Lengths around the size of a part, one log each.
const LENGTHS: [u64; 6] = [0, 1, 100, 101, 200, 250];

#[tokio::test(start_paused = true)]
async fn a_kill_at_any_step_costs_nothing() {
    for length in LENGTHS {
        for steps in 0.. {
            let told = format!("{length} bytes, killed at step {steps}");
            let directory = left(&[length]);
            let store = MemoryStore::good().with_fuse(Fuse::of(steps));
            let survived = drive(&start(directory.path(), &store)).await;
            let store = store.with_fuse(Fuse::default());
            assert!(drive(&start(directory.path(), &store)).await);
            holds(directory.path(), &store, &[length], &told);
            once(&store, &told);
            if survived {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn neither_do_two() {
    for first in 0..16 {
        for second in 0..16 {
            let told = format!("killed at step {first}, then at {second}");
            let directory = left(&[250]);
            let store = MemoryStore::good();
            for steps in [first, second] {
                let store = store.with_fuse(Fuse::of(steps));
                drive(&start(directory.path(), &store)).await;
            }
            assert!(drive(&start(directory.path(), &store)).await);
            holds(directory.path(), &store, &[250], &told);
            once(&store, &told);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_part_is_sent_twice_for_a_kill_between_parts() {
    let directory = left(&[950]);
    let store = MemoryStore::good();
    for _ in 0..40 {
        let store = store.with_fuse(Fuse::of(5));
        drive(&start(directory.path(), &store)).await;
    }
    assert!(drive(&start(directory.path(), &store)).await);
    holds(directory.path(), &store, &[950], "killed again and again");
    let bucket = lock(&store.bucket);
    let count = |operation| {
        bucket
            .asked
            .iter()
            .filter(|asked| **asked == operation)
            .count()
    };
    // A kill may come between a part and its entry in the manifest.
    assert!(
        (10..=20).contains(&count("UploadPart")),
        "{}",
        count("UploadPart")
    );
    assert_eq!(count("CreateMultipartUpload"), 1);
}

#[tokio::test(start_paused = true)]
async fn where_objects_can_be_overwritten_the_same_is_written_again() {
    for steps in 0..24 {
        let told = format!("killed at step {steps}");
        let directory = left(&[50, 250]);
        let mut store = MemoryStore::good().with_fuse(Fuse::of(steps));
        store.guards = false;
        drive(&start(directory.path(), &store)).await;
        let store = store.with_fuse(Fuse::default());
        assert!(drive(&start(directory.path(), &store)).await);
        holds(directory.path(), &store, &[50, 250], &told);
    }
}
