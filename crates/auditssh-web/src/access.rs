//! Who looked at what: a log of its own, in the form of the recordings, so that it is as safe, as
//! readable and as provable as they are.

#[cfg(test)]
mod tests;

use auditssh_archive::{Archive, CreateError, Entry, OpenError, RecordError, Recorder, Sync};
use auditssh_log::codec::Decoder;
use auditssh_log::extension::Access;
use auditssh_log::seal::SigningKey;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Mutex;

/// After this time another log is begun, so that old ones are closed and can be kept elsewhere.
const LONGEST: Duration = Duration::from_hours(24);
/// How long closing the log may take at the end; what is not closed is recovered at the next start.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest text of a request that is kept, in bytes.
const LONGEST_DETAIL: usize = 1024;

/// Where accesses are written down.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A directory of its own.
    pub directory: PathBuf,
    /// Signs the end of each log.
    pub signing_key: Option<SigningKey>,
}

/// An access cannot be written down: it must not happen.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AccessError {
    /// No log can be begun.
    #[error("the log of accesses cannot be begun: {0}")]
    Create(#[from] CreateError),
    /// It cannot be written.
    #[error("the log of accesses cannot be written: {0}")]
    Record(#[from] RecordError),
}

/// Writes accesses down.
#[derive(Debug)]
pub(crate) struct Accesses {
    archive: Archive,
    directory: PathBuf,
    current: Mutex<Option<(Instant, Recorder)>>,
}

impl Accesses {
    /// Takes the directory. Blocks.
    pub(crate) fn open(settings: Settings) -> Result<Self, OpenError> {
        let archive = Archive::open(auditssh_archive::Settings {
            sync: Sync::Always,
            signing_key: settings.signing_key,
            ..auditssh_archive::Settings::new(&settings.directory)
        })?;
        Ok(Self {
            archive,
            directory: settings.directory,
            current: Mutex::default(),
        })
    }

    /// Resolves when the access is on the disk.
    pub(crate) async fn record(&self, mut access: Access) -> Result<(), AccessError> {
        let detail = access.detail.as_bytes();
        if let Some(short) = detail.get(..LONGEST_DETAIL) {
            access.detail = short.into();
        }
        let (event, extra) = access.record();
        let entry = Entry::from(event).with(extra);
        let recorder = self.recorder().await?;
        if let Ok(()) = recorder.append(entry.clone()).await {
            return Ok(());
        }
        // Once more in another log: the disk may have had room again for long.
        self.leave(&recorder).await;
        let recorder = self.recorder().await?;
        Ok(recorder.append(entry).await?)
    }

    /// Whether accesses can be written down, for all that is known.
    pub(crate) fn is_well(&self) -> bool {
        self.archive
            .status()
            .is_none_or(|status| status.refusal.is_none())
    }

    /// Closes the log.
    pub(crate) async fn shutdown(&self) {
        drop(self.current.lock().await.take());
        if self.archive.shutdown(PATIENCE).await > 0 {
            tracing::warn!("the log of accesses is not closed; the next start recovers it");
        }
    }

    /// The log that is written.
    async fn recorder(&self) -> Result<Recorder, CreateError> {
        let mut current = self.current.lock().await;
        if let Some((begun, recorder)) = current.as_ref()
            && begun.elapsed() < LONGEST
        {
            return Ok(recorder.clone());
        }
        let recorder = self.archive.create().await?;
        // The one before is closed when nobody writes to it any more.
        *current = Some((Instant::now(), recorder.clone()));
        Ok(recorder)
    }

    async fn leave(&self, failed: &Recorder) {
        let mut current = self.current.lock().await;
        let is_same =
            |(_, one): &(Instant, Recorder)| one.connection_id() == failed.connection_id();
        if current.as_ref().is_some_and(is_same) {
            *current = None;
        }
    }

    /// The directory of the logs.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

/// An access as it was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Unix time in nanoseconds.
    pub(crate) time: i64,
    /// The log in which it stands.
    pub(crate) log: String,
    pub(crate) access: Access,
}

/// The latest accesses, the newest first. Blocks.
pub(crate) fn latest(directory: &Path, limit: usize) -> std::io::Result<Vec<Written>> {
    let mut logs = Vec::new();
    for path in auditssh_archive::verify::logs(directory)? {
        let changed = path.metadata().and_then(|status| status.modified());
        logs.push((changed.unwrap_or(SystemTime::UNIX_EPOCH), path));
    }
    logs.sort();
    let mut found = Vec::new();
    while let Some((_, path)) = logs.pop()
        && found.len() < limit
    {
        let mut last = VecDeque::new();
        read(&path, |written| {
            if last.len() == limit {
                last.pop_front();
            }
            last.push_back(written);
        });
        found.extend(last.into_iter().rev());
    }
    found.sort_by_key(|written| std::cmp::Reverse(written.time));
    found.truncate(limit);
    Ok(found)
}

/// What can be read of a log.
fn read(path: &Path, mut each: impl FnMut(Written)) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Ok(reader) = auditssh_archive::reader::LogReader::open(path, false) else {
        return;
    };
    for message in Decoder::new(reader).map_while(Result::ok) {
        if let Some(access) = Access::read(&message) {
            each(Written {
                time: message.timestamp,
                log: name.clone().into_owned(),
                access,
            });
        }
    }
}
