//! Makes the indexes of logs that are complete, when nothing else is to be done.

use anyhow::Context as _;
use auditssh_archive::Observer;
use auditssh_search::Directory;
use auditssh_search::index::make;
use auditssh_search::place::{Place, Writer};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// How many logs may wait. Of more there are no indexes until `auditssh index` makes them.
const WAITING: usize = 4096;

/// The priority of the thread: the lowest.
const NICE: i32 = 19;

/// No index is made with less space than this, in bytes: the logs need it.
const SPACE: u64 = 256 << 20;

/// How often it is looked whether the tails of a log are gone, and with what pauses.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// Hears which logs are complete.
#[derive(Debug)]
pub(super) struct Indexer(SyncSender<String>);

impl Indexer {
    /// Starts the thread that makes indexes of the logs of a directory. It ends with the process;
    /// whatever goes wrong there concerns no session.
    pub(super) fn start(directory: &Path) -> anyhow::Result<Arc<dyn Observer>> {
        let (sender, receiver) = sync_channel(WAITING);
        let directory = directory.to_owned();
        thread::Builder::new()
            .name("log-index".into())
            .spawn(move || work(&directory, &receiver))
            .context("the thread that makes indexes cannot be started")?;
        Ok(Arc::new(Self(sender)))
    }
}

impl Observer for Indexer {
    fn sealed(&self, _: &str, _: u64) {}

    fn closed(&self, id: &str) {
        if self.0.try_send(id.to_owned()).is_err() {
            tracing::debug!(log = id, "too many logs wait for their index");
        }
    }
}

fn work(directory: &Path, orders: &Receiver<String>) {
    // Of this thread alone.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "indexes are made with the usual priority");
    }
    while let Ok(id) = orders.recv() {
        let made = catch_unwind(AssertUnwindSafe(|| index(directory, &id)));
        match made {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(log = id, %error, "no index could be made"),
            Err(_) => tracing::error!(log = id, "making an index failed"),
        }
    }
}

fn index(directory: &Path, id: &str) -> io::Result<()> {
    let space = rustix::fs::statvfs(directory)?;
    if space.f_bavail.saturating_mul(space.f_frsize) < SPACE {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let place = Directory::only(PathBuf::from(directory), [id.to_owned()]);
    for _ in 0..TRIES {
        let Some(log) = place.list()?.pop() else {
            return Ok(());
        };
        if log.writer == Writer::None {
            let made = make(&place, &log)?;
            return made.bytes.map_or(Ok(()), |bytes| place.keep(id, &bytes));
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}
