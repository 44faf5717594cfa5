//! A bucket as a place of logs, for searching.

use super::{INDEX, Place};
use auditssh_s3::{Bucket, StoreError};
use auditssh_search::place::{END, Listed, Place as Logs, Writer};
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The logs that a place in a bucket names. An index stands beside its log: `KEY.index`.
#[derive(Debug)]
pub(crate) struct InBucket {
    place: Place,
    bucket: Bucket,
    /// The keys of the indexes that were there when the logs were listed.
    indexes: Mutex<BTreeSet<String>>,
}

impl InBucket {
    pub(crate) fn new(place: Place, config: Option<&Path>) -> anyhow::Result<Self> {
        let bucket = place.bucket(config)?;
        Ok(Self {
            place,
            bucket,
            indexes: Mutex::default(),
        })
    }
}

impl Logs for InBucket {
    fn list(&self) -> io::Result<Vec<Listed>> {
        let found = self.place.logs(&self.bucket).map_err(io::Error::other)?;
        *self.indexes.lock().unwrap_or_else(PoisonError::into_inner) = found.indexes;
        let logs = found.logs.into_iter();
        let listed = logs.map(|object| Listed {
            name: object.key,
            size: object.size,
            modified: object.modified,
            // A log is brought there when it is complete.
            writer: Writer::None,
        });
        Ok(listed.collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.bucket.open(name).map_err(failed)?))
    }

    fn end(&self, name: &str, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if length > 0 {
            let end = self.bucket.end(name, END).map_err(failed)?;
            end.take(END).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    }

    fn index(&self, name: &str) -> io::Result<Option<Box<dyn Read + Send>>> {
        let key = format!("{name}{INDEX}");
        let indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there = indexes.contains(&key);
        drop(indexes);
        if !is_there {
            return Ok(None);
        }
        Ok(Some(Box::new(self.bucket.open(&key).map_err(failed)?)))
    }

    fn keep(&self, name: &str, index: &[u8]) -> io::Result<()> {
        let key = format!("{name}{INDEX}");
        self.bucket.put(&key, index.to_vec()).map_err(failed)?;
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        indexes.insert(key);
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        self.place.path(name).to_string_lossy().into_owned()
    }
}

fn failed(error: StoreError) -> io::Error {
    io::Error::other(error)
}
