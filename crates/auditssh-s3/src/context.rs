//! What all turns share.

use crate::board::Board;
use crate::error::Kind;
use crate::gate::Gate;
use crate::key::Template;
use crate::lock::lock;
use crate::settings::{Checksum, LARGEST_PART, Metadata, Settings};
use crate::stage::Stage;
use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What all turns share.
#[derive(Debug)]
pub(crate) struct Context<S> {
    pub(crate) store: S,
    pub(crate) stage: Stage,
    pub(crate) board: Arc<Board>,
    pub(crate) gate: Gate,
    pub(crate) counters: Counters,
    /// The service's address and the bucket: an upload begun elsewhere is none here.
    pub(crate) bucket: String,
    pub(crate) template: Template,
    pub(crate) metadata: Metadata,
    pub(crate) part_size: u64,
    /// The largest object that can be put at once.
    pub(crate) largest_put: u64,
    pub(crate) synced: bool,
    pub(crate) whole_crc64: bool,
    ending: AtomicBool,
    looked: AtomicBool,
    /// The store does not know conditional requests.
    unguarded: AtomicBool,
    /// The store makes ETags in a way of its own.
    foreign_etags: AtomicBool,
    /// Logs of earlier runs that may have uploads of which no manifest tells.
    left: Mutex<HashSet<String>>,
    /// What an earlier run left beside a log that is gone: a manifest, or what recovery set aside.
    orphans: Mutex<HashSet<String>>,
}

/// Running totals since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Logs that the bucket has.
    pub logs: Counter,
    /// Parts that it has, of logs that are uploaded in parts.
    pub parts: Counter,
    /// Bytes that it has.
    pub bytes: Counter,
    /// Logs that were set aside.
    pub quarantined: Counter,
    /// Logs that someone deleted before the bucket had them.
    pub vanished: Counter,
    /// Files that recovery set aside beside a log and that the bucket has.
    pub damaged: Counter,
    /// Failed requests, in the order of [`Kind::ALL`].
    pub failures: [Counter; Kind::ALL.len()],
}

/// A running total.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Its value.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn failed(&self, kind: Kind) {
        let kinds = Kind::ALL.iter().zip(&self.failures);
        for (_, counter) in kinds.filter(|(known, _)| **known == kind) {
            counter.add(1);
        }
    }
}

impl<S> Context<S> {
    pub(crate) fn new(settings: &Settings, board: Arc<Board>, store: S) -> Self {
        let connection = &settings.connection;
        let endpoint = connection.endpoint.as_deref().unwrap_or("aws");
        Self {
            store,
            stage: Stage::new(&settings.local),
            board,
            gate: Gate::default(),
            counters: Counters::default(),
            bucket: format!("{endpoint}/{}", connection.bucket),
            template: settings.template.clone(),
            metadata: settings.metadata,
            part_size: settings.part_size,
            largest_put: LARGEST_PART,
            synced: settings.synced,
            whole_crc64: settings.objects.checksum == Checksum::Crc64Nvme,
            ending: AtomicBool::new(false),
            looked: AtomicBool::new(false),
            unguarded: AtomicBool::new(false),
            foreign_etags: AtomicBool::new(false),
            left: Mutex::default(),
            orphans: Mutex::default(),
        }
    }

    /// Finds what earlier runs left to be done. Blocks.
    pub(crate) fn find_left(&self) -> io::Result<usize> {
        let (logs, orphans) = self.stage.left()?;
        let count = logs.len();
        for log in &logs {
            if log.length > self.part_size {
                lock(&self.left).insert(log.id.clone());
            }
        }
        lock(&self.orphans).extend(orphans.iter().cloned());
        for log in logs {
            self.board.closed(&log.id, Some(log.modified), log.length);
        }
        for id in orphans {
            self.board.closed(&id, None, 0);
        }
        self.looked.store(true, Ordering::Release);
        Ok(count)
    }

    /// Whether it is known what earlier runs left.
    pub(crate) fn has_looked(&self) -> bool {
        self.looked.load(Ordering::Acquire)
    }

    pub(crate) fn is_left(&self, id: &str) -> bool {
        lock(&self.left).contains(id)
    }

    pub(crate) fn is_orphan(&self, id: &str) -> bool {
        lock(&self.orphans).contains(id)
    }

    /// No further request is begun.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::Release);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// Whether objects are made on condition that there is none of their key.
    pub(crate) fn guards(&self) -> bool {
        !self.unguarded.load(Ordering::Acquire)
    }

    pub(crate) fn unguard(&self) {
        if !self.unguarded.swap(true, Ordering::AcqRel) {
            tracing::warn!(
                "the store does not know If-None-Match: an object with the key of a log would be \
                 overwritten"
            );
        }
    }

    pub(crate) fn is_etag_foreign(&self) -> bool {
        self.foreign_etags.load(Ordering::Acquire)
    }

    pub(crate) fn etag_is_foreign(&self) {
        if !self.foreign_etags.swap(true, Ordering::AcqRel) {
            tracing::warn!("the store makes ETags in a way of its own: they are not compared");
        }
    }

    /// Sets a log aside that cannot be uploaded.
    pub(crate) async fn set_aside(&self, id: &str, reason: &str) -> io::Result<()> {
        let (stage, log, text) = (self.stage.clone(), id.to_owned(), reason.to_owned());
        self.blocking(move || stage.set_aside(&log, &text)).await?;
        self.counters.quarantined.add(1);
        tracing::error!(
            connection = id,
            reason,
            directory = %self.stage.quarantine().path("").display(),
            "a log cannot be uploaded and is set aside; `auditssh upload` tries it again"
        );
        Ok(())
    }

    /// Work on files, away from the async workers.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let result = tokio::task::spawn_blocking(work).await;
        result.map_err(io::Error::other)?
    }
}
