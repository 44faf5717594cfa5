//! What an answer proves, and what is done once the bucket has a log.

use super::{DOUBTS, Stop, Turn};
use crate::backoff::patience;
use crate::error::{Kind, StoreError};
use crate::store::{Receipt, Store, Sums, Upload, Whole};
use crate::sums::{Mismatch, composite_mismatch};

impl<S: Store> Turn<'_, S> {
    /// A part is taken for sent only if the store says that it has the same.
    pub(super) fn accept_part(&mut self, sums: &Sums, receipt: &Receipt) -> Result<(), Stop> {
        match sums.mismatch(receipt) {
            None => Ok(()),
            // The parts' ETags are compared by the store once more, when they become an object.
            Some(Mismatch::Etag) if self.doubts() || self.context.is_etag_foreign() => Ok(()),
            Some(_) => Err(self.corrupt("UploadPart")),
        }
    }

    pub(super) async fn accept_put(&mut self, sums: &Sums, receipt: &Receipt) -> Result<(), Stop> {
        self.accept_object(sums, receipt)?;
        self.confirmed().await
    }

    /// An object that was put at once is taken for made only if the store says that it is the same.
    pub(super) fn accept_object(&mut self, sums: &Sums, receipt: &Receipt) -> Result<(), Stop> {
        match sums.mismatch(receipt) {
            None => Ok(()),
            Some(Mismatch::Etag) if has_checksum(receipt) || self.doubts() => Ok(()),
            Some(_) => Err(self.corrupt("PutObject")),
        }
    }

    pub(super) async fn accept_whole(
        &mut self,
        whole: &Whole,
        receipt: &Receipt,
    ) -> Result<(), Stop> {
        match composite_mismatch(&whole.parts, whole.crc64, receipt) {
            None => self.confirmed().await,
            Some(Mismatch::Etag)
                if has_checksum(receipt) || self.context.is_etag_foreign() || self.doubts() =>
            {
                self.confirmed().await
            }
            Some(_) => Err(self.corrupt("CompleteMultipartUpload")),
        }
    }

    /// Whether an answer like this has come often enough to be the store's way.
    fn doubts(&mut self) -> bool {
        self.history.doubts += 1;
        let enough = self.history.doubts >= DOUBTS;
        if enough {
            self.context.etag_is_foreign();
        }
        enough
    }

    fn corrupt(&mut self, operation: &'static str) -> Stop {
        let error = StoreError::new(
            Kind::Corrupt,
            operation,
            "the store's checksum of what it took is not that of what was sent",
        );
        self.context.counters.failed(error.kind);
        Stop::Store(error)
    }

    /// The store's own answers say that it has the log.
    pub(super) async fn confirmed(&mut self) -> Result<(), Stop> {
        self.manifest.done = true;
        self.progress();
        self.context.counters.logs.add(1);
        tracing::debug!(
            connection = self.id,
            key = self.manifest.key,
            "the bucket has a log"
        );
        if self.manifest.loose || !self.manifest.doomed.is_empty() {
            self.keep().await?;
        }
        Ok(())
    }

    /// There is an object with the log's key, and nothing says that it is ours. This is the only
    /// case in which it is looked at, and that may be refused.
    pub(super) async fn conflict(&mut self, error: StoreError) -> Result<(), Stop> {
        let key = self.manifest.key.clone().unwrap_or_default();
        let length = self.length().await?.ok_or(Stop::Vanished)?;
        let (stage, id) = (self.context.stage.clone(), self.id.to_owned());
        let sums = (self.context).blocking(move || stage.sums(&id, 0, length));
        let sums = sums.await?;
        self.compare(&key, &sums, error).await?;
        self.confirmed().await
    }

    /// Looks whether an object has these bytes; if that cannot be told, `error` stands.
    pub(super) async fn compare(
        &self,
        key: &str,
        sums: &Sums,
        error: StoreError,
    ) -> Result<(), Stop> {
        // A refusal says nothing of the store: we do not ask for that permission.
        let found = tokio::time::timeout(patience(0, 0), self.context.store.head(key)).await;
        match found {
            Ok(Ok(Some(found))) if found.length == sums.length && proves(sums, &found.receipt) => {
                Ok(())
            }
            _ => Err(Stop::Store(error)),
        }
    }

    /// Takes the log away, and what else may be left of its uploads.
    pub(super) async fn clean(&mut self) -> Result<(), Stop> {
        let (stage, id) = (self.context.stage.clone(), self.id.to_owned());
        let removed = self.context.blocking(move || stage.remove(&id));
        removed.await?;
        self.sweep().await?;
        let (stage, id) = (self.context.stage.clone(), self.id.to_owned());
        let forgotten = self.context.blocking(move || stage.forget(&id));
        forgotten.await?;
        Ok(())
    }

    /// Aborts every upload of the log's key. The key holds the id of a log in our own directory,
    /// which we hold locked: no other instance can have an upload of it.
    async fn sweep(&mut self) -> Result<(), Stop> {
        let Some(key) = self.manifest.key.clone() else {
            return Ok(());
        };
        let context = self.context;
        let mut ids = std::mem::take(&mut self.manifest.doomed);
        if std::mem::take(&mut self.manifest.loose) {
            let time = patience(0, self.history.expired);
            let found = self
                .ask("ListMultipartUploads", time, context.store.uploads(&key))
                .await;
            ids.extend(found.map_err(Stop::Store)?);
        }
        ids.sort();
        ids.dedup();
        for id in ids {
            let target = Upload { key: &key, id: &id };
            self.abort(target).await.map_err(Stop::Store)?;
        }
        Ok(())
    }

    /// Aborts the uploads that are known to be useless. Those that cannot be are tried again when
    /// the bucket has the log.
    pub(super) async fn abort_doomed(&mut self) {
        let Some(key) = self.manifest.key.clone() else {
            return;
        };
        for id in std::mem::take(&mut self.manifest.doomed) {
            let target = Upload { key: &key, id: &id };
            if self.abort(target).await.is_err() {
                self.manifest.doomed.push(id);
            }
        }
    }

    async fn abort(&mut self, target: Upload<'_>) -> Result<(), StoreError> {
        let context = self.context;
        let time = patience(0, self.history.expired);
        let request = context.store.abort(target);
        match self.ask("AbortMultipartUpload", time, request).await {
            Err(error) if error.kind != Kind::NoUpload => Err(error),
            _ => Ok(()),
        }
    }
}

const fn has_checksum(receipt: &Receipt) -> bool {
    receipt.sha256.is_some() || receipt.crc64.is_some()
}

/// Whether an object is known to have these bytes.
fn proves(sums: &Sums, receipt: &Receipt) -> bool {
    match sums.mismatch(receipt) {
        None => has_checksum(receipt) || !receipt.opaque,
        Some(_) => false,
    }
}
