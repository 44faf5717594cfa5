//! A bucket as a place of logs, for searching.

use super::{INDEX, Place, id_in};
use auditssh_s3::{Bucket, Kind as StoreKind, Settings, StoreError, Template};
use auditssh_search::place::{END, Listed, Place as Logs, Writer};
use auditssh_web::Kept;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The logs that a place in a bucket names. An index stands beside its log: `KEY.index`.
#[derive(Debug)]
pub(crate) struct InBucket {
    place: Place,
    bucket: Bucket,
    /// What keys are made of, if that is known.
    template: Option<Template>,
    /// What else was there when the logs were listed.
    beside: Mutex<Beside>,
}

/// What stands beside logs.
#[derive(Debug, Default)]
struct Beside {
    /// The keys of indexes.
    indexes: BTreeSet<String>,
    /// What recovery set aside, by the key of the log.
    set_aside: BTreeMap<String, Vec<String>>,
}

/// How many objects are asked for at once.
const AT_ONCE: usize = 16;

impl InBucket {
    pub(crate) fn new(place: Place, config: Option<&Path>) -> anyhow::Result<Self> {
        let bucket = place.bucket(config)?;
        Ok(Self::of(place, bucket, None))
    }

    /// Where an output brings its logs.
    pub(crate) fn of_output(settings: &Settings) -> io::Result<Self> {
        let place = Place::of_output(settings);
        let bucket = Bucket::new(&settings.connection, &settings.connection.bucket)?;
        Ok(Self::of(place, bucket, Some(settings.template.clone())))
    }

    fn of(place: Place, bucket: Bucket, template: Option<Template>) -> Self {
        Self {
            place,
            bucket,
            template,
            beside: Mutex::default(),
        }
    }

    fn beside(&self) -> MutexGuard<'_, Beside> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Logs for InBucket {
    fn list(&self) -> io::Result<Vec<Listed>> {
        let found = self.place.logs(&self.bucket).map_err(io::Error::other)?;
        *self.beside() = Beside {
            indexes: found.indexes,
            set_aside: found.beside,
        };
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
        if !self.beside().indexes.contains(&key) {
            return Ok(None);
        }
        Ok(Some(Box::new(self.bucket.open(&key).map_err(failed)?)))
    }

    fn keep(&self, name: &str, index: &[u8]) -> io::Result<()> {
        let key = format!("{name}{INDEX}");
        self.bucket.put(&key, index.to_vec()).map_err(failed)?;
        self.beside().indexes.insert(key);
        Ok(())
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn path(&self, name: &str) -> String {
        self.place.path(name).to_string_lossy().into_owned()
    }
}

impl Kept for InBucket {
    fn id<'a>(&self, name: &'a str) -> Option<&'a str> {
        let made = self.template.as_ref().and_then(|one| one.id(name));
        // Others were brought there by hand, or under another template.
        made.or_else(|| id_in(name))
    }

    fn is_own(&self, name: &str) -> bool {
        let template = self.template.as_ref();
        template.is_some_and(|template| template.id(name).is_some())
    }

    fn set_aside(&self, name: &str) -> Vec<String> {
        let beside = self.beside();
        beside.set_aside.get(name).cloned().unwrap_or_default()
    }
}

/// What is not there may be elsewhere by now.
fn failed(error: StoreError) -> io::Error {
    match error.kind {
        StoreKind::NoBucket => io::Error::new(io::ErrorKind::NotFound, error),
        _ => io::Error::other(error),
    }
}
