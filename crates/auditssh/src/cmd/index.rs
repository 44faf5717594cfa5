//! `auditssh index`.

use super::places::{Named, Where};
use crate::{cli, progress};
use anyhow::Context as _;
use auditssh_search::index::{BadIndex, Index, make};
use auditssh_search::place::{Listed, Place, Writer};
use auditssh_view::Visible;
use indicatif::ProgressBar;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// How many logs are read at the same time, at most: each may need the memory of some screens.
const THREADS: usize = 4;

const AFTER_HELP: &str = "\
An index stands beside its log, as `.ID.index` in a directory and as KEY.index in a bucket, where it
needs the permission to put objects. It may be removed at any time, and must be if the log is: it has
the commands, what was typed and what stood on screens. Nobody may read it who may not read the log.
One that does not fit its log is not used; here it is replaced.

Exit status:
  0  every log that is complete has an index
  1  wrong usage, or an index could not be made
  2  a log is damaged; its index has what precedes that";

/// Make indexes, with which `auditssh search` is quick
///
/// Reads the logs that have none, and writes beside each who was connected when, what ran, and every
/// line that can be searched. Logs that are still written get theirs when they are complete. May run
/// beside a server; with `audit.index: true` the server does it itself.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    places: Where,
    /// Make those that are there already once more
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut total = Count::default();
    for place in args.places.places()? {
        match place {
            Named::Logs(place) => total.add(&index(&*place, args.force)?),
            Named::Stream(log) => anyhow::bail!(
                "{}: only logs in a directory or a bucket have indexes",
                log.path().display()
            ),
        }
    }
    let Count {
        made, there, open, ..
    } = total;
    tell(&format!(
        "{made} made, {there} were there, {open} logs are still written"
    ));
    Ok(ExitCode::from(match total {
        Count { failed: 1.., .. } => cli::FAILURE,
        Count { damaged: 1.., .. } => cli::DAMAGED,
        _ => cli::OK,
    }))
}

/// What became of logs.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    made: u64,
    there: u64,
    open: u64,
    damaged: u64,
    failed: u64,
}

impl Count {
    fn add(&mut self, other: &Self) {
        self.made += other.made;
        self.there += other.there;
        self.open += other.open;
        self.damaged += other.damaged;
        self.failed += other.failed;
    }
}

fn index(place: &dyn Place, force: bool) -> anyhow::Result<Count> {
    let whole = place.path("");
    place.tidy().with_context(|| whole.clone())?;
    let logs = place.list().with_context(|| whole)?;
    let bar = progress::bar(logs.iter().map(|log| log.size).sum());
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Count::default()));
    let work = || {
        while let Some(log) = logs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let count = one(place, log, force, &bar);
            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
            total.add(&count);
            bar.inc(log.size);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        // This one works as well.
        for _ in 1..threads.min(THREADS).min(logs.len()) {
            scope.spawn(work);
        }
        work();
    });
    bar.finish_and_clear();
    Ok(total.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn one(place: &dyn Place, log: &Listed, force: bool, bar: &ProgressBar) -> Count {
    let mut count = Count::default();
    if log.writer != Writer::None {
        count.open += 1;
        return count;
    }
    let say = |text: String| bar.suspend(|| tell(&format!("{}: {text}", place.path(&log.name))));
    match Index::of(place, log) {
        Ok(Some(index)) if !force => {
            count.there += 1;
            count.damaged += u64::from(index.head().state.is_damaged());
            return count;
        }
        Ok(_) | Err(BadIndex::Version) => {}
        Err(error) => say(format!("its index is made anew: {error}")),
    }
    let made = make(place, log).and_then(|made| {
        let kept = made.bytes.map(|bytes| place.keep(&log.name, &bytes));
        kept.transpose().map(|kept| (made.head, kept.is_some()))
    });
    match made {
        Ok((head, true)) => {
            count.made += 1;
            if head.state.is_damaged() {
                count.damaged += 1;
                say("the log is damaged; its index has what precedes that".to_owned());
            }
        }
        // Somebody began to write it.
        Ok((_, false)) => count.open += 1,
        // It was brought elsewhere.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            count.failed += 1;
            say(format!("its index cannot be made: {error}"));
        }
    }
    count
}

fn tell(text: &str) {
    // Nothing is left to tell it to when standard error is gone.
    let _ = writeln!(io::stderr(), "auditssh: {}", Visible(text.as_bytes()));
}
