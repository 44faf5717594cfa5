//! A search that goes on while logs are written.

use super::{Search, tell};
use anyhow::Context as _;
use auditssh_search::place::Writer;
use auditssh_search::search::{Found, Options, search_in};
use auditssh_search::{Hit, Kind, Listed, Place};
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked for changes: in a directory, and in a bucket, where that costs money.
const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(30);
/// So many times as long as the search of a log took it is not searched again: one that is long takes
/// no more than a tenth of a processor.
const REST: u32 = 10;
/// Most hits of one log that are known not to be new. Of more, some come twice.
const MOST: usize = 100_000;

/// What was seen of a log.
struct Seen {
    log: Listed,
    hits: HashSet<Option<Key>>,
    next: Instant,
}

/// Which line a hit is; without one it is the connection itself.
#[derive(PartialEq, Eq, Hash)]
struct Key(u64, u32, Kind, u64, String);

impl Key {
    fn of(hit: &Hit) -> Option<Self> {
        let line = hit.line.as_ref()?;
        let text = line.text.clone();
        Some(Self(line.channel, line.program, line.kind, line.at, text))
    }
}

/// Searches what is there, then again and again what has changed, until there are enough hits; if it
/// is one log, until that is complete.
pub(super) fn follow(
    search: &mut Search<'_>,
    place: &dyn Place,
    is_one: bool,
) -> anyhow::Result<()> {
    let pause = if place.at_once() > 1 { LATER } else { SOON };
    let mut seen: HashMap<String, Seen> = HashMap::new();
    loop {
        let whole = || place.path("");
        let mut logs = place.list().with_context(whole)?;
        logs.sort_by(|a, b| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
        for log in &logs {
            let now = Instant::now();
            let known = seen.get(&log.name);
            if known.is_some_and(|one| one.log == *log || one.next > now) {
                continue;
            }
            one(search, place, log, &mut seen)?;
            if search.is_over() {
                return Ok(());
            }
        }
        search.printer.finish()?;
        let is_known = |log: &Listed| seen.get(&log.name).is_some_and(|one| one.log == *log);
        let is_over = |log: &Listed| log.writer != Writer::Live && is_known(log);
        if is_one && logs.iter().all(is_over) {
            return Ok(());
        }
        thread::sleep(pause);
    }
}

/// Searches one log, and prints what was not found in it before.
fn one(
    search: &mut Search<'_>,
    place: &dyn Place,
    log: &Listed,
    seen: &mut HashMap<String, Seen>,
) -> anyhow::Result<()> {
    let mut hits = seen
        .remove(&log.name)
        .map(|one| one.hits)
        .unwrap_or_default();
    let options = Options {
        threads: 1,
        ..search.options.clone()
    };
    let begun = Instant::now();
    let mut wrong = Ok(());
    let (printer, total, limit) = (&mut search.printer, &mut search.total, search.limit);
    let outcome = search_in(
        place,
        std::slice::from_ref(log),
        search.query,
        &options,
        &mut |found| {
            match found {
                Found::Hit(hit) => {
                    let key = Key::of(hit);
                    let is_new = if hits.len() < MOST {
                        hits.insert(key)
                    } else {
                        !hits.contains(&key)
                    };
                    if is_new {
                        total.hits += 1;
                        wrong = printer.hit(hit);
                    }
                }
                Found::Problem(_, error) => tell(&format!("{}: {error}", place.path(&log.name))),
                Found::Done(_) => {}
            }
            if wrong.is_err() || total.hits >= limit {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        },
    );
    wrong?;
    search.failed |= outcome.problems > 0;
    if log.writer == Writer::None {
        // It does not change any more.
        hits = HashSet::new();
        total.logs += 1;
        total.damaged += outcome.damaged;
    }
    let next = Instant::now() + begun.elapsed() * REST;
    let log = log.clone();
    seen.insert(log.name.clone(), Seen { log, hits, next });
    Ok(())
}
