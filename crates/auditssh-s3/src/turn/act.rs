//! The requests of a turn. What they may leave behind is written down before each.

use super::{Stop, Turn};
use crate::backoff::patience;
use crate::error::{Kind, StoreError};
use crate::manifest::{Multipart, Sent};
use crate::store::{Piece, Store, Sums, Upload, Whole};
use crate::sums::hex;
use std::future::Future;
use std::time::Duration;

impl<S: Store> Turn<'_, S> {
    /// One request, when the store may be asked and for as long as it may take.
    pub(super) async fn ask<T>(
        &mut self,
        operation: &'static str,
        time: Duration,
        request: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let pass = self.context.gate.enter().await;
        let result = if let Ok(result) = tokio::time::timeout(time, request).await {
            self.history.expired = 0;
            result
        } else {
            self.history.expired = self.history.expired.saturating_add(1);
            let text = format!("no answer for {} s", time.as_secs());
            Err(StoreError::new(Kind::Unanswered, operation, text))
        };
        pass.report(&result);
        if let Err(error) = &result {
            self.context.counters.failed(error.kind);
        }
        result
    }

    /// Begins a multipart upload. False while it is not known who logs in.
    pub(super) async fn create(&mut self) -> Result<bool, Stop> {
        let Some(object) = self.object().await? else {
            return Ok(false);
        };
        self.abort_doomed().await;
        let loose = std::mem::replace(&mut self.manifest.loose, true);
        self.keep().await?;
        let context = self.context;
        let time = patience(0, self.history.expired);
        let made = self.ask("CreateMultipartUpload", time, context.store.create(&object));
        let id = made.await.map_err(Stop::Store)?;
        self.manifest.loose = loose;
        let before = self.manifest.upload.take();
        self.manifest.upload = Some(Multipart {
            id,
            part_size: context.part_size,
            again: before.is_some_and(|before| before.completed || before.again),
            ..Multipart::default()
        });
        self.keep().await?;
        self.history.verified = true;
        self.progress();
        Ok(true)
    }

    /// Uploads the next part.
    pub(super) async fn part(&mut self, length: u64) -> Result<(), Stop> {
        let Some(mut upload) = self.manifest.upload.clone() else {
            return Ok(());
        };
        let body = self.piece(upload.length(), length).await?;
        let key = self.manifest.key.clone().unwrap_or_default();
        let number = u32::try_from(upload.parts.len() + 1).unwrap_or(u32::MAX);
        let context = self.context;
        let target = Upload {
            key: &key,
            id: &upload.id,
        };
        let time = patience(length, self.history.expired);
        let sent = self.ask(
            "UploadPart",
            time,
            context.store.part(target, number, &body),
        );
        match sent.await {
            Ok(receipt) => {
                self.accept_part(&body.sums, &receipt)?;
                let etag = receipt.etag.unwrap_or_default();
                upload.parts.push(Sent::new(etag, &body.sums));
                self.manifest.upload = Some(upload);
                self.keep().await?;
                self.progress();
                context.counters.parts.add(1);
                context.counters.bytes.add(length);
                Ok(())
            }
            Err(error) if matches!(error.kind, Kind::NoUpload | Kind::BadParts) => {
                tracing::warn!(connection = self.id, %error, "an upload is gone; it begins anew");
                self.give_up();
                self.keep().await
            }
            Err(error) => Err(Stop::Store(error)),
        }
    }

    /// Makes the object of the parts.
    pub(super) async fn complete(&mut self) -> Result<(), Stop> {
        let Some(upload) = self.manifest.upload.clone() else {
            return Ok(());
        };
        let whole = Whole {
            parts: upload.whole(),
            length: upload.length(),
            crc64: self.whole_crc64(upload.length()).await?,
        };
        self.mark_completed(true).await?;
        let key = self.manifest.key.clone().unwrap_or_default();
        let context = self.context;
        let guard = context.guards();
        let target = Upload {
            key: &key,
            id: &upload.id,
        };
        let time = patience(0, self.history.expired) * 2;
        let made = self.ask(
            "CompleteMultipartUpload",
            time,
            context.store.complete(target, &whole, guard),
        );
        let result = made.await;
        if let Err(error) = &result
            && !error.kind.is_unsure()
        {
            // Refused for sure: it is as unsure as before.
            self.mark_completed(upload.completed).await?;
        }
        match result {
            Ok(receipt) => self.accept_whole(&whole, &receipt).await,
            Err(error) => self.not_completed(&upload, error).await,
        }
    }

    async fn not_completed(&mut self, upload: &Multipart, error: StoreError) -> Result<(), Stop> {
        let unsure = upload.completed || upload.again;
        match error.kind {
            Kind::Exists if unsure => self.confirmed().await,
            Kind::Exists => self.conflict(error).await,
            Kind::NoUpload if unsure => {
                // It may be complete, or aborted by someone: the whole log is put, if there is no
                // object yet.
                if let Some(upload) = &mut self.manifest.upload {
                    upload.gone = true;
                }
                self.keep().await
            }
            Kind::NoUpload | Kind::BadParts => {
                tracing::warn!(connection = self.id, %error, "parts are lost; the upload begins anew");
                self.give_up();
                self.keep().await?;
                self.history.restarts = self.history.restarts.saturating_add(1);
                // Not at once, and not for ever without a pause.
                Err(Stop::Store(error))
            }
            Kind::Unsupported if self.context.guards() => {
                self.context.unguard();
                Ok(())
            }
            _ => Err(Stop::Store(error)),
        }
    }

    async fn mark_completed(&mut self, completed: bool) -> Result<(), Stop> {
        let Some(upload) = &mut self.manifest.upload else {
            return Ok(());
        };
        if upload.completed == completed {
            return Ok(());
        }
        upload.completed = completed;
        self.keep().await
    }

    /// Makes the object of the whole log at once.
    pub(super) async fn put(&mut self, length: u64) -> Result<(), Stop> {
        let Some(object) = self.object().await? else {
            return Ok(());
        };
        let body = self.piece(0, length).await?;
        let mark = hex(&body.sums.sha256);
        // What was sent before and is not the same proves nothing.
        let before = self.manifest.sent.take().filter(|sent| *sent == mark);
        let unsure = before.is_some() || self.manifest.may_exist();
        self.manifest.sent = Some(mark);
        self.keep().await?;
        let context = self.context;
        let guard = context.guards();
        let time = patience(length, self.history.expired);
        let made = self.ask("PutObject", time, context.store.put(&object, &body, guard));
        let result = made.await;
        if let Err(error) = &result
            && !error.kind.is_unsure()
            && before.is_none()
        {
            self.manifest.sent = None;
            self.keep().await?;
        }
        match result {
            Ok(receipt) => {
                context.counters.bytes.add(length);
                self.accept_put(&body.sums, &receipt).await
            }
            Err(error) => match error.kind {
                Kind::Exists if unsure => self.confirmed().await,
                Kind::Exists => self.conflict(error).await,
                Kind::Unsupported if guard => {
                    context.unguard();
                    Ok(())
                }
                _ => Err(Stop::Store(error)),
            },
        }
    }

    /// Bytes of the log, and their checksums.
    async fn piece(&self, offset: u64, length: u64) -> Result<Piece, Stop> {
        let (stage, id) = (self.context.stage.clone(), self.id.to_owned());
        let synced = self.context.synced;
        let path = stage.path(&id);
        let sums: Sums = self
            .context
            .blocking(move || {
                if !synced {
                    stage.sync(&id)?;
                }
                stage.sums(&id, offset, length)
            })
            .await?;
        Ok(Piece { path, offset, sums })
    }

    async fn whole_crc64(&self, length: u64) -> Result<Option<u64>, Stop> {
        if !self.context.whole_crc64 {
            return Ok(None);
        }
        let (stage, id) = (self.context.stage.clone(), self.id.to_owned());
        let sums = self.context.blocking(move || stage.sums(&id, 0, length));
        Ok(Some(sums.await?.crc64))
    }
}
