//! The uploads of a directory of logs: workers that give one log after the other its turn.

use crate::aws::AwsStore;
use crate::backoff::patience;
use crate::board::{Board, Load};
use crate::context::{Context, Counters};
use crate::lock::lock;
use crate::settings::Settings;
use crate::store::Store;
use crate::turn;
use auditssh_archive::Observer;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How often it is looked whether everything is uploaded.
const PAUSE: Duration = Duration::from_millis(20);

/// Hears from an archive which of its logs are safe, and keeps that for the uploader.
#[derive(Clone, Debug)]
pub struct Inbox {
    board: Arc<Board>,
    first: u64,
}

impl Inbox {
    /// For logs whose first part has so many bytes.
    pub fn new(part_size: u64) -> Self {
        Self {
            board: Arc::default(),
            // A log is not uploaded in parts unless it is larger than one.
            first: part_size + 1,
        }
    }
}

impl Observer for Inbox {
    fn sealed(&self, id: &str, length: u64) {
        self.board.sealed(id, length, self.first);
    }

    fn closed(&self, id: &str) {
        self.board.closed(id, None, 0);
    }

    fn recovered(&self, id: &str) {
        self.board.recovered(id);
    }

    fn takes_damaged(&self) -> bool {
        true
    }
}

/// Uploads of a directory of logs to a bucket, until it is dropped.
#[derive(Debug)]
pub struct Uploader(Uploads<AwsStore>);

impl Uploader {
    /// Begins to upload what an earlier run left in the directory, and what the inbox hears of.
    /// Must be called within a Tokio runtime; waits for nothing.
    pub fn start(settings: &Settings, inbox: &Inbox) -> Self {
        let uploads = Uploads::start(settings, inbox, AwsStore::new(settings));
        lock(&uploads.workers).spawn(probe(Arc::clone(&uploads.context)));
        Self(uploads)
    }

    /// How it is now.
    pub fn status(&self) -> Status {
        self.0.status()
    }

    /// Running totals.
    pub fn counters(&self) -> &Counters {
        self.0.counters()
    }

    /// Uploads what is complete, at most for `patience`, and as long as the store works. What is not
    /// uploaded then stays on the disk. Returns how many logs that are.
    pub async fn shutdown(&self, patience: Duration) -> usize {
        self.0.shutdown(patience).await
    }
}

/// Asks for something at the start, so that what someone must mend is told before a log waits.
async fn probe<S: Store>(context: Arc<Context<S>>) {
    let pass = context.gate.enter().await;
    let request = context.store.uploads(context.template.fixed());
    if let Ok(result) = tokio::time::timeout(patience(0, 0), request).await {
        pass.report(&result);
    }
}

/// Uploads under way.
#[derive(Debug)]
pub(crate) struct Uploads<S> {
    pub(crate) context: Arc<Context<S>>,
    workers: Mutex<JoinSet<()>>,
}

/// How uploading is at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Logs that the bucket does not have, or not whole.
    pub staged: usize,
    /// Those of them that are complete.
    pub closed: usize,
    /// Those whose last try failed.
    pub failing: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Since when the oldest of them waits.
    pub oldest: Option<SystemTime>,
    /// Whether it is known what earlier runs left.
    pub looked: bool,
    /// Whether the bucket cannot be reached or does not take logs, as far as is known.
    pub is_down: bool,
}

impl<S: Store> Uploads<S> {
    /// Begins to upload what an earlier run left and what the inbox hears of.
    pub(crate) fn start(settings: &Settings, inbox: &Inbox, store: S) -> Self {
        let context = Arc::new(Context::new(settings, Arc::clone(&inbox.board), store));
        let mut workers = JoinSet::new();
        workers.spawn(look(Arc::clone(&context)));
        for _ in 0..settings.parallel.max(1) {
            workers.spawn(work(Arc::clone(&context)));
        }
        Self {
            context,
            workers: Mutex::new(workers),
        }
    }

    pub(crate) fn status(&self) -> Status {
        let Load {
            logs,
            closed,
            failing,
            bytes,
            oldest,
            ..
        } = self.context.board.load();
        Status {
            staged: logs,
            closed,
            failing,
            bytes,
            oldest,
            looked: self.context.has_looked(),
            is_down: !self.context.gate.is_open(),
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.context.counters
    }

    /// Uploads what is complete, at most for `patience`, and as long as the store works. What is not
    /// uploaded then stays on the disk. Returns how many logs that are.
    pub(crate) async fn shutdown(&self, patience: Duration) -> usize {
        let end = Instant::now() + patience;
        // While the store does not work, nothing comes to an end.
        while self.context.gate.is_open() && self.context.board.is_busy(end) && Instant::now() < end
        {
            tokio::time::sleep(PAUSE).await;
        }
        self.context.end();
        let mut workers = std::mem::take(&mut *lock(&self.workers));
        workers.shutdown().await;
        self.context.board.load().logs
    }
}

/// Finds what earlier runs left. Tried again until it works: the directory may be on a disk that
/// fails for a while.
async fn look<S: Store>(context: Arc<Context<S>>) {
    loop {
        let finder = Arc::clone(&context);
        match context.blocking(move || finder.find_left()).await {
            Ok(0) => return,
            Ok(logs) => {
                tracing::info!(logs, "logs of earlier runs are uploaded");
                return;
            }
            Err(error) => report(&error),
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}

fn report(error: &io::Error) {
    tracing::error!(%error, "logs of earlier runs cannot be looked for; it is tried again");
}

async fn work<S: Store>(context: Arc<Context<S>>) {
    while !context.is_ending() {
        let id = context.board.next().await;
        let (ended, history) = turn::take(&context, &id).await;
        context.board.ended(&id, ended, history);
    }
}
