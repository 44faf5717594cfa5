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
use std::thread;
use std::time::{Duration, Instant};

/// How often the other place is listed: usually, and while a log is on its way there. It is listed less
/// often if that takes long, so that it never takes more than a twentieth of the time.
const EVERY: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(5);
const REST: u32 = 20;
/// The least time between two listings of it that are made for someone who waits.
const LEAST: Duration = Duration::from_secs(2);
/// How long a log that left the directory is shown if the other place cannot be listed.
const LEFT: Duration = Duration::from_mins(10);

/// A place to which logs are brought when they are complete, such as a bucket. It names them as it
/// likes.
pub trait Kept: Place {
    /// The connection whose log has this name.
    fn id<'a>(&self, name: &'a str) -> Option<&'a str>;

    /// Whether a name is one that the place gives by itself. Any other counts only if there is no such
    /// one of the same connection.
    fn is_own(&self, name: &str) -> bool;

    /// What recovery set aside beside a log, when the logs were listed last: how the names go on.
    fn set_aside(&self, name: &str) -> Vec<String>;
}

/// Logs of a directory and of the place to which they are brought, each by the id of its connection.
/// Of those that are in both, the directory's is read.
#[derive(Debug)]
pub(crate) struct Gathered {
    directory: PathBuf,
    near: Directory,
    far: Arc<Far>,
    /// Whether the directory could not be read the last time.
    is_closed: AtomicBool,
}

/// The other place, and what is known of both.
#[derive(Debug)]
struct Far {
    place: Arc<dyn Kept>,
    known: Mutex<Known>,
    /// Held while it is listed.
    listing: Mutex<()>,
    /// Whether a thread lists it.
    is_busy: AtomicBool,
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
    /// The last listing of the other place.
    last: Option<Listing>,
}

/// A listing of the other place.
#[derive(Clone, Copy, Debug)]
struct Listing {
    begun: Instant,
    ended: Instant,
    succeeded: bool,
}

impl Gathered {
    pub(crate) fn new(directory: PathBuf, far: Arc<dyn Kept>) -> Self {
        Self {
            near: Directory::new(&directory),
            directory,
            far: Arc::new(Far {
                place: far,
                known: Mutex::default(),
                listing: Mutex::default(),
                is_busy: AtomicBool::new(false),
                failed: AtomicBool::new(false),
            }),
            is_closed: AtomicBool::new(false),
        }
    }

    /// What cannot be read, for all that is known.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        if self.far.failed.load(Ordering::Relaxed) {
            return Some("the bucket of the logs cannot be read\n");
        }
        let is_closed = self.is_closed.load(Ordering::Relaxed);
        is_closed.then_some("the directory of the logs cannot be read\n")
    }

    /// Whether a log stood in the directory when it was looked at last.
    pub(crate) fn is_known_near(&self, id: &str) -> bool {
        self.far.lock().near.contains_key(id)
    }

    /// Whether a log stands in the directory now. Blocks.
    pub(crate) fn is_near(&self, id: &str) -> bool {
        self.directory.join(id).is_file()
    }

    /// The bytes of a log of the other place as they are there, and its name there. One that left the
    /// directory a moment ago, or was moved there, is looked for.
    pub(crate) fn open_far(&self, id: &str) -> io::Result<(Box<dyn Read + Send>, String)> {
        let asked = Instant::now();
        let open = |name: String| Ok((self.far.place.open(&name)?, name));
        match self.far.name(id).and_then(open) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.far.had(id) => {
                self.far.list_for(asked)?;
                self.far.name(id).and_then(open)
            }
            opened => opened,
        }
    }

    /// What recovery set aside beside a log of the other place.
    pub(crate) fn set_aside(&self, name: &str) -> Vec<String> {
        self.far.place.set_aside(name)
    }

    /// Has the other place listed by another thread, if that is due. The directory is shown meanwhile,
    /// and whatever comes of it.
    fn refresh_far(&self) {
        let is_due = self.far.lock().is_due(Instant::now());
        if !is_due || self.far.is_busy.swap(true, Ordering::AcqRel) {
            return;
        }
        let far = Arc::clone(&self.far);
        let listing = thread::Builder::new().name("bucket-list".to_owned());
        let spawned = listing.spawn(move || {
            far.refresh();
            far.is_busy.store(false, Ordering::Release);
        });
        if let Err(error) = spawned {
            self.far.is_busy.store(false, Ordering::Release);
            tracing::warn!(%error, "no thread can be started to list the bucket of the logs");
        }
    }

    /// What the directory holds. If it cannot be read, the other place is shown all the same.
    fn list_near(&self) -> Vec<Listed> {
        match self.near.list() {
            Ok(logs) => {
                if self.is_closed.swap(false, Ordering::Relaxed) {
                    tracing::info!("the directory of the logs can be read again");
                }
                logs
            }
            // No server ever wrote here: logs are only brought from elsewhere.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                if !self.is_closed.swap(true, Ordering::Relaxed) {
                    let directory = self.directory.display();
                    tracing::error!(%error, %directory, "the directory of the logs cannot be read");
                }
                Vec::new()
            }
        }
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
        far(&*self.far.place, &self.far.name(id)?)
    }
}

impl Far {
    /// The name that the place has for a log, as far as is known.
    fn name(&self, id: &str) -> io::Result<String> {
        let known = self.lock();
        let log = known.far.get(id).ok_or(io::ErrorKind::NotFound)?;
        Ok(log.name.clone())
    }

    /// Whether a log was in either place.
    fn had(&self, id: &str) -> bool {
        let known = self.lock();
        known.near.contains_key(id) || known.left.contains_key(id) || known.far.contains_key(id)
    }

    /// Lists the place for someone who asked then, and waits if that was done a moment ago.
    fn list_for(&self, asked: Instant) -> io::Result<()> {
        let last = self.lock().last;
        if let Some(last) = last.filter(|last| last.begun < asked) {
            let took = last.ended.saturating_duration_since(last.begun);
            let next = last.ended + took.max(LEAST);
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        self.list(asked)
    }

    /// Lists the place, unless that was begun after `asked`.
    fn list(&self, asked: Instant) -> io::Result<()> {
        let one = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.lock().last;
        if last.is_some_and(|last| last.succeeded && last.begun >= asked) {
            return Ok(());
        }
        let begun = Instant::now();
        let listed = self.place.list();
        let mut known = self.lock();
        known.last = Some(Listing {
            begun,
            ended: Instant::now(),
            succeeded: listed.is_ok(),
        });
        known.far = by_id(&*self.place, listed?);
        let Known { far, left, .. } = &mut *known;
        left.retain(|id, (_, when)| *when > begun && !far.contains_key(id));
        drop(known);
        drop(one);
        Ok(())
    }

    /// Lists the place, and says once what is wrong.
    fn refresh(&self) {
        match self.list(Instant::now()) {
            Ok(()) if self.failed.swap(false, Ordering::Relaxed) => {
                tracing::info!("the bucket of the logs can be read again");
            }
            Err(error) if !self.failed.swap(true, Ordering::Relaxed) => {
                let bucket = self.place.path("");
                tracing::error!(
                    %error,
                    bucket,
                    "the bucket of the logs cannot be read: the viewer needs s3:ListBucket and \
                     s3:GetObject (docs/web.md)"
                );
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place for Gathered {
    fn list(&self) -> io::Result<Vec<Listed>> {
        let near = self.list_near();
        self.far.lock().see(near);
        self.refresh_far();
        Ok(self.far.lock().all())
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
        self.far.place.at_once()
    }

    fn path(&self, name: &str) -> String {
        let near = |near: &Directory| Ok(near.path(name));
        let path = self.either(name, near, |far, key| Ok(far.path(key)));
        path.unwrap_or_else(|_| name.to_owned())
    }
}

impl Known {
    /// Whether the other place is to be listed again.
    fn is_due(&self, now: Instant) -> bool {
        let Some(last) = self.last else {
            return true;
        };
        let took = last.ended.saturating_duration_since(last.begun);
        let pause = match (last.succeeded, self.left.is_empty()) {
            (false, _) => EVERY,
            (true, true) => EVERY.max(took * REST),
            (true, false) => SOON.max(took * REST),
        };
        now.saturating_duration_since(last.ended) >= pause
    }

    /// Takes what the directory holds now.
    fn see(&mut self, logs: Vec<Listed>) {
        let logs = logs.into_iter().map(|log| (log.name.clone(), log));
        let before = std::mem::replace(&mut self.near, logs.collect());
        let now = Instant::now();
        self.left
            .retain(|_, (_, when)| now.saturating_duration_since(*when) < LEFT);
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

/// Of several logs of one connection the one counts whose name the place gave by itself, and of several
/// of these the first that was brought: later ones come from someone who knew the id.
fn by_id(far: &dyn Kept, logs: Vec<Listed>) -> BTreeMap<String, Listed> {
    let mut found: BTreeMap<String, Listed> = BTreeMap::new();
    for log in logs {
        let Some(id) = far.id(&log.name) else {
            continue;
        };
        let rank = |log: &Listed| (!far.is_own(&log.name), log.modified);
        if found.get(id).is_none_or(|one| rank(&log) < rank(one)) {
            found.insert(id.to_owned(), log);
        }
    }
    found
}
