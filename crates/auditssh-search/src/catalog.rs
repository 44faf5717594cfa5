//! The connections of a place, so that they can be listed quickly.

#[cfg(test)]
mod tests;

use crate::index::{Head, Index, State, make};
use crate::place::{Listed, Place, Writer};
use crate::search::{Found, Options, Query, search_in};
use crate::{Filter, Pattern};
use auditssh_view::survey::Facts;
use std::cmp::Ordering as Order;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;

/// How many logs are read, at least, before what is known of them can be seen.
const BATCH: usize = 64;

/// What is known of the connections of a place. It can be asked while it is refreshed.
#[derive(Debug)]
pub struct Catalog {
    place: Arc<dyn Place>,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    entries: BTreeMap<String, Arc<Entry>>,
    /// The same, the newest first.
    newest: Vec<Arc<Entry>>,
}

/// A connection of a catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its log.
    pub log: Listed,
    /// What is known of the log as a whole.
    pub state: State,
    /// The facts of the connection.
    pub facts: Facts,
    /// Whether messages were passed over, so that the facts count less than there was.
    pub partial: bool,
    /// Why the log cannot be read.
    pub problem: Option<String>,
}

/// What a refresh does about logs that have no index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Their facts are read. Of long logs that is the beginning and the end.
    Read,
    /// Their index is made and put beside them, if that can be done.
    Make,
}

/// What a refresh found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Logs that are new, by name.
    pub new: Vec<String>,
    /// Logs that changed.
    pub changed: Vec<String>,
    /// Logs that are gone.
    pub gone: Vec<String>,
}

/// Which connections are listed, and how.
#[derive(Clone, Debug)]
pub struct Select {
    /// Those that are so.
    pub filter: Filter,
    /// Those with a line that has this.
    pub text: Option<Pattern>,
    /// By what they are sorted.
    pub sort: Sort,
    /// Whether the largest comes first.
    pub descending: bool,
    /// How many are passed over.
    pub offset: usize,
    /// The most that are wanted.
    pub limit: usize,
}

impl Default for Select {
    /// The newest fifty.
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            text: None,
            sort: Sort::Start,
            descending: true,
            offset: 0,
            limit: 50,
        }
    }
}

/// By what connections are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// When they began.
    #[default]
    Start,
    /// Whose they are.
    User,
    /// How long they lasted.
    Duration,
    /// How long their logs are.
    Size,
}

/// Connections that were selected.
#[derive(Clone, Debug, Default)]
pub struct Selected {
    /// How many there are in all.
    pub total: usize,
    /// Those that were wanted.
    pub entries: Vec<Arc<Entry>>,
    /// Whether the text was searched for in all of them.
    pub complete: bool,
}

impl Catalog {
    /// A catalog in which nothing is yet.
    pub fn new(place: Arc<dyn Place>) -> Self {
        Self {
            place,
            known: RwLock::default(),
        }
    }

    /// The place.
    pub fn place(&self) -> &Arc<dyn Place> {
        &self.place
    }

    /// Learns what is new, has changed and is gone. Blocks, for long if much is new; what is known
    /// can be seen meanwhile. `stop` ends it early.
    pub fn refresh(&self, missing: Missing, stop: &AtomicBool) -> io::Result<Changes> {
        let (gone, logs) = self.look()?;
        let learned = self.learn(logs, missing, stop);
        Ok(Changes { gone, ..learned })
    }

    /// The first half of a refresh: forgets what is gone, which is returned, and finds what is new, has
    /// changed or could not be read so far.
    pub fn look(&self) -> io::Result<(Vec<String>, Vec<Listed>)> {
        let logs = self.place.list()?;
        let gone = self.forget(&logs);
        let known = self.read();
        let is_new = |log: &Listed| {
            let entry = known.entries.get(&log.name);
            entry.is_none_or(|entry| entry.log != *log || entry.problem.is_some())
        };
        Ok((gone, logs.into_iter().filter(is_new).collect()))
    }

    /// The other half: learns of some logs. Several threads may do so at once.
    pub fn learn(&self, mut logs: Vec<Listed>, missing: Missing, stop: &AtomicBool) -> Changes {
        let mut changes = Changes::default();
        logs.sort_by_key(|log| std::cmp::Reverse(log.modified));
        let mut rest = logs.as_slice();
        while !rest.is_empty() && !stop.load(Ordering::Relaxed) {
            // The more are known, the longer they take to sort.
            let size = BATCH.max(self.len() / 4).min(rest.len());
            let (batch, more) = rest.split_at(size);
            rest = more;
            let entries = self.entries(batch, missing, stop);
            let mut known = self.write();
            for entry in entries {
                let name = entry.log.name.clone();
                match known.entries.insert(name.clone(), Arc::clone(&entry)) {
                    Some(old) if old == entry => {}
                    Some(_) => changes.changed.push(name),
                    None => changes.new.push(name),
                }
            }
            known.sort();
        }
        changes
    }

    /// How many logs could not be read, and one of them.
    pub fn problems(&self) -> (usize, Option<Arc<Entry>>) {
        let known = self.read();
        let mut found = known.newest.iter().filter(|one| one.problem.is_some());
        let first = found.next().cloned();
        (usize::from(first.is_some()) + found.count(), first)
    }

    /// The connection whose log has this name.
    pub fn get(&self, name: &str) -> Option<Arc<Entry>> {
        self.read().entries.get(name).cloned()
    }

    /// How many connections are known.
    pub fn len(&self) -> usize {
        self.read().entries.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The connections that are wanted. Lists in no time unless a text is asked for, which has logs
    /// or their indexes read ([`having`](Self::having)).
    pub fn select(&self, select: &Select, options: &Options) -> Selected {
        let mut found: Vec<Arc<Entry>> = {
            let known = self.read();
            let passes = |entry: &&Arc<Entry>| select.filter.passes(&entry.facts, entry.state);
            known.newest.iter().filter(passes).cloned().collect()
        };
        let mut complete = true;
        if let Some(text) = &select.text {
            complete = self.having(text, &mut found, options);
        }
        match (select.sort, select.descending) {
            (Sort::Start, true) => {}
            (Sort::Start, false) => found.reverse(),
            (sort, descending) => found.sort_by(|a, b| {
                let order = compare(sort, a, b);
                if descending { order.reverse() } else { order }
            }),
        }
        let total = found.len();
        let entries = found.into_iter().skip(select.offset).take(select.limit);
        Selected {
            total,
            entries: entries.collect(),
            complete,
        }
    }

    /// Keeps those with a line that has a text; returns whether all were searched.
    pub fn having(&self, text: &Pattern, found: &mut Vec<Arc<Entry>>, options: &Options) -> bool {
        let logs: Vec<Listed> = found.iter().map(|entry| entry.log.clone()).collect();
        let query = Query {
            pattern: Some(text.clone()),
            ..Query::default()
        };
        let options = Options {
            most: 1,
            ..options.clone()
        };
        let mut names = BTreeSet::new();
        let outcome = search_in(&*self.place, &logs, &query, &options, &mut |found| {
            if let Found::Hit(hit) = found {
                names.insert(hit.connection.name.clone());
            }
            ControlFlow::Continue(())
        });
        found.retain(|entry| names.contains(&entry.log.name));
        outcome.problems == 0 && !options.is_over()
    }

    /// What is to be known of some logs; less if it is ended early.
    fn entries(&self, logs: &[Listed], missing: Missing, stop: &AtomicBool) -> Vec<Arc<Entry>> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut entries = Vec::new();
            while !stop.load(Ordering::Relaxed)
                && let Some(log) = logs.get(next.fetch_add(1, Ordering::Relaxed))
            {
                entries.extend(self.entry(log, missing).map(Arc::new));
            }
            entries
        };
        let threads = self.place.at_once().min(logs.len());
        if threads <= 1 {
            return work();
        }
        thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let entries = threads.into_iter().map(thread::ScopedJoinHandle::join);
            // Of a thread that failed everything is read the next time.
            entries.flat_map(Result::unwrap_or_default).collect()
        })
    }

    /// `None` if the log is not to be found now: what was known of it stays until it is, or is gone.
    fn entry(&self, log: &Listed, missing: Missing) -> Option<Entry> {
        let place = &*self.place;
        // An index that is not to be believed is as good as none.
        let head = match Index::of(place, log).ok().flatten() {
            Some(index) => Ok(index.into_head()),
            None if missing == Missing::Make && log.writer == Writer::None => {
                make(place, log).map(|made| {
                    if let Some(bytes) = made.bytes {
                        // Without it the log is read the next time.
                        let _ = place.keep(&log.name, &bytes);
                    }
                    made.head
                })
            }
            None => place.facts(log),
        };
        match head {
            Ok(head) => Some(Entry::new(log, head)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Some(Entry {
                log: log.clone(),
                state: State::Damaged,
                facts: Facts::default(),
                partial: true,
                problem: Some(error.to_string()),
            }),
        }
    }

    /// Forgets what is gone.
    fn forget(&self, logs: &[Listed]) -> Vec<String> {
        let names: BTreeSet<&str> = logs.iter().map(|log| log.name.as_str()).collect();
        let mut known = self.write();
        let entries = known.entries.keys();
        let gone: Vec<String> = entries
            .filter(|name| !names.contains(name.as_str()))
            .cloned()
            .collect();
        for name in &gone {
            known.entries.remove(name);
        }
        if !gone.is_empty() {
            known.sort();
        }
        gone
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn sort(&mut self) {
        self.newest = self.entries.values().cloned().collect();
        self.newest.sort_by(|a, b| compare(Sort::Start, b, a));
    }
}

impl Entry {
    fn new(log: &Listed, head: Head) -> Self {
        Self {
            log: log.clone(),
            state: head.state,
            facts: head.facts,
            partial: head.partial,
            problem: None,
        }
    }
}

fn compare(sort: Sort, a: &Entry, b: &Entry) -> Order {
    let order = match sort {
        Sort::Start => Order::Equal,
        Sort::User => a.facts.user.cmp(&b.facts.user),
        Sort::Duration => a.facts.duration().cmp(&b.facts.duration()),
        Sort::Size => a.log.size.cmp(&b.log.size),
    };
    let start = || a.facts.start.cmp(&b.facts.start);
    order
        .then_with(start)
        .then_with(|| a.log.name.cmp(&b.log.name))
}
