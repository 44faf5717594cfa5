//! The laws of uploading, whatever happens on the way: the object equals the log, nothing is there
//! twice, no upload is left behind, and the log is gone from the disk only then.

mod beside;
mod faults;
mod kills;
mod live;
mod odd;
mod outage;

use crate::board::Board;
use crate::context::Context;
use crate::key::Template;
use crate::lock::lock;
use crate::settings::{Connection, Credentials, Metadata, Objects, Settings};
use crate::testing::{Fuse, MemoryStore};
use crate::turn;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Size of a part in these tests.
const PART: u64 = 100;

fn settings(directory: &Path) -> Settings {
    Settings {
        local: directory.to_owned(),
        connection: Connection {
            bucket: "bucket".into(),
            region: None,
            endpoint: None,
            path_style: false,
            cacert: None,
            credentials: Credentials::Usual,
        },
        objects: Objects::default(),
        template: Template::parse("logs/").unwrap(),
        metadata: Metadata::default(),
        part_size: PART,
        parallel: 3,
        shutdown: Duration::from_secs(30),
        synced: true,
    }
}

fn id(number: u32) -> String {
    format!("{number:032x}")
}

fn key(number: u32) -> String {
    format!("logs/{}", id(number))
}

/// What stands in a log of these tests.
fn content(number: u32, length: u64) -> Vec<u8> {
    let byte = |at: u64| (at.wrapping_mul(31) ^ (at >> 7) ^ u64::from(number)).to_le_bytes()[0];
    (0..length).map(byte).collect()
}

/// Logs of these lengths, left by an earlier run.
fn left(lengths: &[u64]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (number, length) in (0..).zip(lengths) {
        std::fs::write(directory.path().join(id(number)), content(number, *length)).unwrap();
    }
    directory
}

/// A run of the server, of which nothing but the directory and the bucket is known before.
fn start(directory: &Path, store: &MemoryStore) -> Context<MemoryStore> {
    let fuse = store.fuse.clone();
    let mut context = Context::new(&settings(directory), Arc::<Board>::default(), store.clone());
    context.stage.fuse = fuse;
    context.find_left().unwrap();
    context
}

/// Until all logs are in the bucket (true), or the fuse is burnt.
async fn drive(context: &Context<MemoryStore>) -> bool {
    for _ in 0..100_000 {
        if context.store.fuse.is_burnt() {
            return false;
        }
        if context.board.load().logs == 0 {
            return true;
        }
        let id = context.board.next().await;
        let (ended, history) = turn::take(context, &id).await;
        context.board.ended(&id, ended, history);
    }
    panic!("it takes for ever: {:?}", context.board.load());
}

/// The laws, once all is done.
fn holds(directory: &Path, store: &MemoryStore, lengths: &[u64], told: &str) {
    let bucket = lock(&store.bucket);
    assert_eq!(bucket.objects.len(), lengths.len(), "{told}");
    for (number, length) in (0..).zip(lengths) {
        let (_, bytes) = &bucket.objects[&key(number)];
        assert!(
            *bytes == content(number, *length),
            "{told}: log {number} is another"
        );
    }
    assert!(
        bucket.uploads.is_empty(),
        "{told}: {:?}",
        bucket.uploads.keys()
    );
    let names = std::fs::read_dir(directory).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.is_empty(), "{told}: {names:?}");
}

/// The bucket had each object made once only.
fn once(store: &MemoryStore, told: &str) {
    let bucket = lock(&store.bucket);
    assert!(
        bucket.made.values().all(|made| *made == 1),
        "{told}: {:?}",
        bucket.made
    );
}
