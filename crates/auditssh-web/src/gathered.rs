//! Recordings of two places: a directory in which logs are written, and where they are brought when
//! they are complete.

#[cfg(test)]
mod tests;

use auditssh_search::index::Head;
use auditssh_search::place::Writer;
use auditssh_search::{Directory, Listed, Place};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the other place is listed; less often if that takes long, so that it never takes more
/// than a twentieth of the time.
const EVERY: Duration = Duration::from_secs(30);
const REST: u32 = 20;

/// A place to which logs are brought when they are complete, such as a bucket. It names them as it
/// likes.
pub trait Kept: Place {
    /// The connection whose log has this name.
    fn id<'a>(&self, name: &'a str) -> Option<&'a str>;

    /// What recovery set aside beside a log, when the logs were listed last: how the names go on.
    fn set_aside(&self, name: &str) -> Vec<String>;
}

/// Logs of a directory and of the place to which they are brought, each by the id of its connection.
/// Of those that are in both, the directory's is read.
#[derive(Debug)]
pub(crate) struct Gathered {
    directory: PathBuf,
    near: Directory,
    far: Arc<dyn Kept>,
    known: Mutex<Known>,
    /// Held while the other place is listed.
    listing: Mutex<()>,
    /// Whether it could not be listed the last time.
    failed: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    near: BTreeMap<String, Listed>,
    /// By id; the names are those of the other place.
    far: BTreeMap<String, Listed>,
    /// Logs that left the directory, and when: until the other place is listed they are shown as
    /// they were.
    left: BTreeMap<String, (Listed, Instant)>,
    /// When the last listing of the other place began, and when the next one is due.
    listed: Option<Instant>,
    due: Option<Instant>,
}

impl Gathered {
    pub(crate) fn new(directory: PathBuf, far: Arc<dyn Kept>) -> Self {
        Self {
            near: Directory::new(&directory),
            directory,
            far,
            known: Mutex::default(),
            listing: Mutex::default(),
            failed: AtomicBool::new(false),
        }
    }

    /// Whether the other place could be listed, for all that is known.
    pub(crate) fn is_well(&self) -> bool {
        !self.failed.load(Ordering::Relaxed)
    }

    /// Whether a log stands in the directory now.
    pub(crate) fn is_near(&self, id: &str) -> bool {
        self.directory.join(id).is_file()
    }

    /// The bytes of a log of the other place as they are there, and its name there.
    pub(crate) fn open_far(&self, id: &str) -> io::Result<(Box<dyn Read + Send>, String)> {
        let name = self.name(id)?;
        Ok((self.far.open(&name)?, name))
    }

    /// What recovery set aside beside a log of the other place.
    pub(crate) fn set_aside(&self, name: &str) -> Vec<String> {
        self.far.set_aside(name)
    }

    /// The name that the other place has for a log. One that left the directory a moment ago is
    /// looked for there.
    fn name(&self, id: &str) -> io::Result<String> {
        let asked = Instant::now();
        let known = self.lock();
        let found = known.far.get(id).map(|log| log.name.clone());
        let was_here = known.near.contains_key(id) || known.left.contains_key(id);
        drop(known);
        match found {
            Some(name) => return Ok(name),
            None if !was_here => return Err(io::ErrorKind::NotFound.into()),
            None => self.list_far(asked)?,
        }
        let known = self.lock();
        let log = known.far.get(id).ok_or(io::ErrorKind::NotFound)?;
        Ok(log.name.clone())
    }

    /// Lists the other place, unless that was begun after `asked`.
    fn list_far(&self, asked: Instant) -> io::Result<()> {
        let one = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.lock().listed.is_some_and(|listed| listed >= asked) {
            return Ok(());
        }
        let begun = Instant::now();
        let listed = self.far.list();
        let took = begun.elapsed();
        let mut known = self.lock();
        known.due = Some(Instant::now() + (took * REST).max(EVERY));
        let logs = listed?;
        known.listed = Some(begun);
        known.far = by_id(&*self.far, logs);
        let Known { far, left, .. } = &mut *known;
        left.retain(|id, (_, when)| *when > begun && !far.contains_key(id));
        drop(known);
        drop(one);
        Ok(())
    }

    /// The same, if it is due. What is wrong is said once: the directory is shown all the same.
    fn refresh_far(&self) {
        let now = Instant::now();
        if self.lock().due.is_some_and(|due| due > now) {
            return;
        }
        match self.list_far(now) {
            Ok(()) if self.failed.swap(false, Ordering::Relaxed) => {
                tracing::info!("the bucket of the logs can be read again");
            }
            Err(error) if !self.failed.swap(true, Ordering::Relaxed) => {
                tracing::error!(%error, "the bucket of the logs cannot be read");
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What either place says of a log. It may leave the directory at any time.
    fn either<T>(
        &self,
        id: &str,
        near: impl FnOnce(&Directory) -> io::Result<T>,
        far: impl FnOnce(&dyn Kept, &str) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.is_near(id) {
            match near(&self.near) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                found => return found,
            }
        }
        far(&*self.far, &self.name(id)?)
    }
}

impl Place for Gathered {
    fn list(&self) -> io::Result<Vec<Listed>> {
        let near = match self.near.list() {
            // No server ever wrote here: logs are only brought from elsewhere.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            near => near?,
        };
        self.lock().see(near);
        self.refresh_far();
        Ok(self.lock().all())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        self.either(name, |near| near.open(name), |far, key| far.open(key))
    }

    fn facts(&self, log: &Listed) -> io::Result<Head> {
        let there = |name: &str| Listed {
            name: name.to_owned(),
            ..log.clone()
        };
        self.either(
            &log.name,
            |near| near.facts(log),
            |far, name| far.facts(&there(name)),
        )
    }

    fn end(&self, name: &str, length: u64) -> io::Result<Vec<u8>> {
        self.either(
            name,
            |near| near.end(name, length),
            |far, key| far.end(key, length),
        )
    }

    fn index(&self, name: &str) -> io::Result<Option<Box<dyn Read + Send>>> {
        self.either(name, |near| near.index(name), |far, key| far.index(key))
    }

    fn keep(&self, name: &str, index: &[u8]) -> io::Result<()> {
        self.either(
            name,
            |near| near.keep(name, index),
            |far, key| far.keep(key, index),
        )
    }

    fn at_once(&self) -> usize {
        self.far.at_once()
    }

    fn path(&self, name: &str) -> String {
        let near = |near: &Directory| Ok(near.path(name));
        let path = self.either(name, near, |far, key| Ok(far.path(key)));
        path.unwrap_or_else(|_| name.to_owned())
    }
}

impl Known {
    /// Takes what the directory holds now.
    fn see(&mut self, logs: Vec<Listed>) {
        let logs = logs.into_iter().map(|log| (log.name.clone(), log));
        let before = std::mem::replace(&mut self.near, logs.collect());
        let now = Instant::now();
        for (id, log) in before {
            if !self.near.contains_key(&id) && !self.far.contains_key(&id) {
                let log = Listed {
                    writer: Writer::None,
                    ..log
                };
                self.left.insert(id, (log, now));
            }
        }
    }

    /// All logs, by id.
    fn all(&self) -> Vec<Listed> {
        let mut all = self.near.clone();
        for (id, (log, _)) in &self.left {
            all.entry(id.clone()).or_insert_with(|| log.clone());
        }
        for (id, log) in &self.far {
            let named = || Listed {
                name: id.clone(),
                ..log.clone()
            };
            all.entry(id.clone()).or_insert_with(named);
        }
        all.into_values().collect()
    }
}

/// Of several logs of one connection the latest counts.
fn by_id(far: &dyn Kept, logs: Vec<Listed>) -> BTreeMap<String, Listed> {
    let mut found: BTreeMap<String, Listed> = BTreeMap::new();
    for log in logs {
        let Some(id) = far.id(&log.name) else {
            continue;
        };
        let is_later = |one: &Listed| one.modified < log.modified;
        if found.get(id).is_none_or(is_later) {
            found.insert(id.to_owned(), log);
        }
    }
    found
}
