//! What recovery set aside beside a log goes to the bucket as well, each file as an object of its own:
//! it is evidence, and must not be on one machine only.

use super::{Stop, Turn};
use crate::backoff::patience;
use crate::error::Kind;
use crate::store::{Object, Piece, Store, Sums};
use crate::sums::hex;

/// What is set aside is no log.
const CONTENT_TYPE: &str = "application/octet-stream";

impl<S: Store> Turn<'_, S> {
    /// Sends what stands beside a log that the bucket has, and takes it away.
    pub(super) async fn send_beside(&mut self) -> Result<(), Stop> {
        let (stage, id) = (self.context.stage.clone(), self.id.to_owned());
        let names = self.context.blocking(move || Ok(stage.beside(&id)));
        for name in names.await? {
            while !self.send(&name).await? {}
        }
        Ok(())
    }

    /// Sends one file. False if it is to be sent once more.
    async fn send(&mut self, name: &str) -> Result<bool, Stop> {
        if self.context.is_ending() {
            return Err(Stop::Ending);
        }
        let Some(object) = self.object_of(name).await? else {
            return Ok(true);
        };
        let body = self.file(name).await?;
        let mark = Some((name.to_owned(), hex(&body.sums.sha256)));
        let unsure = self.manifest.beside == mark;
        self.manifest.beside = mark;
        self.keep().await?;
        let context = self.context;
        let guard = context.guards();
        let time = patience(body.sums.length, self.history.expired);
        let made = self.ask("PutObject", time, context.store.put(&object, &body, guard));
        match made.await {
            Ok(receipt) => self.accept_object(&body.sums, &receipt)?,
            Err(error) if error.kind == Kind::Exists && unsure => {}
            Err(error) if error.kind == Kind::Unsupported && guard => {
                context.unguard();
                return Ok(false);
            }
            Err(error) => {
                if !unsure && !error.kind.is_unsure() {
                    self.manifest.beside = None;
                    self.keep().await?;
                }
                if error.kind != Kind::Exists {
                    return Err(Stop::Store(error));
                }
                self.compare(&object.key, &body.sums, error).await?;
            }
        }
        self.sent(name, &object.key, body.sums.length).await?;
        Ok(true)
    }

    /// The object of a file: its name follows the log's key, and it is of the same connection.
    async fn object_of(&mut self, name: &str) -> Result<Option<Object>, Stop> {
        let Some(mut object) = self.object().await? else {
            return Ok(None);
        };
        let suffix = name.rsplit('.').next().unwrap_or_default();
        object.key = format!("{}.{suffix}", object.key);
        object.content_type = Some(CONTENT_TYPE);
        Ok(Some(object))
    }

    async fn file(&self, name: &str) -> Result<Piece, Stop> {
        let (stage, file) = (self.context.stage.clone(), name.to_owned());
        let path = stage.path(name);
        let sums: Sums = self
            .context
            .blocking(move || {
                let length = stage.length(&file)?.unwrap_or_default();
                stage.sums(&file, 0, length)
            })
            .await?;
        Ok(Piece {
            path,
            offset: 0,
            sums,
        })
    }

    /// The bucket has a file: it goes.
    async fn sent(&mut self, name: &str, key: &str, length: u64) -> Result<(), Stop> {
        let (stage, file) = (self.context.stage.clone(), name.to_owned());
        let removed = self.context.blocking(move || stage.remove(&file));
        removed.await?;
        self.progress();
        self.context.counters.damaged.add(1);
        self.context.counters.bytes.add(length);
        tracing::warn!(
            connection = self.id,
            key,
            "the bucket has what recovery set aside beside a log"
        );
        Ok(())
    }
}
