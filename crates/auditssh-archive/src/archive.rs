//! One directory of logs, its threads and its lock.

use crate::clock::{Clock, SystemClock};
use crate::directory::{self, Lock, tail_name};
use crate::disk::{Disk, uninterrupted, write_all};
use crate::error::{CreateError, OpenError, Refusal};
use crate::form::Form;
use crate::lines::{self, Ends};
use crate::log::Log;
use crate::recorder::{Recorder, new_id};
use crate::recovery;
use crate::sealer::{self, Seals};
use crate::settings::{Settings, Sync};
use crate::shared::{Left, Shared};
use crate::spool::{self, Spool, Tails};
use crate::status::{Counters, Status};
use crate::sync::{Queue, lock};
use crate::{syncer, ticker};
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const WRITERS: usize = 2;
const SEALERS: usize = 2;
const SYNCERS: usize = 2;

/// No log is begun with less space than this, in bytes: others need it to end well.
const SPACE: u64 = 1 << 20;

/// No log is begun while so many cannot be sealed: they are kept open, and wait.
const BLOCKED: usize = 256;

/// After so many ticks in which nothing could be looked at the storage hangs.
const SILENCE: u32 = 60;

/// Where logs are kept: nowhere, in a directory, or by several outputs, each with a directory and
/// settings of its own. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Archive(Vec<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    _lock: Option<Lock>,
}

impl Archive {
    /// Takes a directory, recovers what an earlier run left in it, and starts the threads. Blocks.
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        let (disk, lock) = directory::take(&settings)?;
        Self::start(settings, Arc::new(disk), Arc::new(SystemClock), Some(lock))
    }

    /// The same with another disk and another clock: for tests.
    pub fn open_on(
        settings: Settings,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        Self::start(settings, disk, clock, None)
    }

    /// Keeps nothing (`format: none`, `storage: none`).
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Several archives as one: a connection has a log in each.
    pub fn of(outputs: impl IntoIterator<Item = Self>) -> Self {
        Self(outputs.into_iter().flat_map(|archive| archive.0).collect())
    }

    /// Each output by itself.
    pub fn outputs(&self) -> impl Iterator<Item = Self> {
        self.0.iter().map(|output| Self(vec![Arc::clone(output)]))
    }

    fn start(
        settings: Settings,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        lock: Option<Lock>,
    ) -> Result<Self, OpenError> {
        let left = recovery::leftovers(&*disk).map_err(OpenError::Recovery)?;
        let looked = Mutex::new((Instant::now(), disk.space().ok()));
        let shared = Arc::new(Shared {
            settings,
            disk,
            clock,
            counters: Counters::default(),
            writers: (0..WRITERS).map(|_| Queue::new()).collect(),
            sealers: (0..SEALERS).map(|_| Queue::new()).collect(),
            syncers: (0..SYNCERS).map(|_| Queue::new()).collect(),
            ticks: Queue::new(),
            live: Mutex::new(HashMap::new()),
            left: Mutex::new(left.into_iter().map(Left::new).collect()),
            ending: AtomicBool::new(false),
            looked,
        });
        ticker::recover(&shared);
        let threads = threads(&shared).map_err(OpenError::Thread)?;
        Ok(Self(vec![Arc::new(Inner {
            shared,
            threads,
            _lock: lock,
        })]))
    }

    /// Begins the log of a connection under an id of its own, in each output. An output that can't
    /// is left out if its sessions go on unrecorded ([`OnFailure::Continue`](crate::OnFailure))
    /// and there is another one.
    pub async fn create(&self) -> Result<Recorder, CreateError> {
        if self.0.is_empty() {
            return Ok(Recorder::discarding());
        }
        let outputs = self.0.clone();
        let begun = tokio::task::spawn_blocking(move || {
            let outputs: Vec<_> = outputs.iter().map(|output| &output.shared).collect();
            begin(&outputs)
        });
        match begun.await {
            Ok(result) => Ok(Recorder::new(result?)),
            Err(_) => Err(CreateError::Refused(Refusal::ShuttingDown)),
        }
    }

    /// How the archive is now, all outputs together; `None` if it keeps nothing.
    pub fn status(&self) -> Option<Status> {
        let all = self
            .0
            .iter()
            .map(|output| (output.status(), output.shared.goes_on()));
        let all: Vec<_> = all.collect();
        let mut needed = all.iter().filter(|(_, goes_on)| !goes_on || all.len() == 1);
        let refused = needed.find_map(|(status, _)| status.refusal.clone());
        let every = all.iter().all(|(status, _)| status.refusal.is_some());
        let any = all.iter().find_map(|(status, _)| status.refusal.clone());
        let mut whole = all
            .iter()
            .map(|(status, _)| status.clone())
            .reduce(Status::and)?;
        whole.refusal = refused.or(any.filter(|_| every));
        Some(whole)
    }

    /// Running totals of the first output; `None` if it keeps nothing.
    pub fn counters(&self) -> Option<&Counters> {
        Some(&self.0.first()?.shared.counters)
    }

    /// Begins no further logs and waits until all are closed, at most for `patience`. Returns how
    /// many are not: the next start recovers them.
    pub async fn shutdown(&self, patience: Duration) -> usize {
        for output in &self.0 {
            output.shared.ending.store(true, Ordering::Release);
        }
        let open = || self.0.iter().map(|output| lock(&output.shared.live).len());
        let closed = async {
            while open().any(|logs| logs > 0) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(patience, closed).await;
        open().sum()
    }
}

impl Inner {
    fn status(&self) -> Status {
        let shared = &self.shared;
        let (looked, space) = *lock(&shared.looked);
        let silence = looked.elapsed();
        let hangs = (silence > shared.settings.tick * SILENCE).then(|| {
            let text = format!("no answer for {} s", silence.as_secs());
            Refusal::Storage(text.into())
        });
        Status {
            refusal: hangs.or_else(|| shared.counters.refusal()),
            open: lock(&shared.live).len(),
            unrecovered: lock(&shared.left).len(),
            space,
        }
    }
}

impl Drop for Inner {
    /// What is queued is still done.
    fn drop(&mut self) {
        self.shared.close();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn threads(shared: &Arc<Shared>) -> io::Result<Vec<JoinHandle<()>>> {
    let mut threads = Vec::new();
    let mut start = |name: String, work: Box<dyn FnOnce() + Send>| {
        threads.push(std::thread::Builder::new().name(name).spawn(work)?);
        Ok::<(), io::Error>(())
    };
    for thread in 0..WRITERS {
        let shared = Arc::clone(shared);
        start(
            format!("log-write-{thread}"),
            Box::new(move || write(&shared, thread)),
        )?;
    }
    for thread in 0..SEALERS {
        let shared = Arc::clone(shared);
        start(
            format!("log-seal-{thread}"),
            Box::new(move || sealer::run(&shared, thread)),
        )?;
    }
    if shared.settings.sync != Sync::None {
        for thread in 0..SYNCERS {
            let shared = Arc::clone(shared);
            start(
                format!("log-sync-{thread}"),
                Box::new(move || syncer::run(&shared, thread)),
            )?;
        }
    }
    if let Sync::Interval(interval) = shared.settings.sync {
        let shared = Arc::clone(shared);
        start(
            "log-interval".into(),
            Box::new(move || ticker::sync(&shared, interval)),
        )?;
    }
    let shared = Arc::clone(shared);
    start("log-tick".into(), Box::new(move || ticker::run(&shared)))?;
    Ok(threads)
}

fn write(shared: &Shared, thread: usize) {
    let Some(queue) = shared.writers.get(thread) else {
        return;
    };
    while let Some(log) = queue.pop() {
        spool::serve(&log);
    }
}

/// Begins the logs of a connection. Nothing is left of them if it is refused.
fn begin(outputs: &[&Arc<Shared>]) -> Result<Vec<Arc<Log>>, CreateError> {
    let id = new_id();
    let (mut logs, mut refusal) = (Vec::new(), None);
    for shared in outputs {
        match begin_one(shared, &id) {
            Ok(log) => logs.push(log),
            Err(error) => {
                Counters::add(&shared.counters.refused, 1);
                if !shared.goes_on() {
                    refusal = Some(error);
                    break;
                }
                if outputs.len() > 1 {
                    tracing::error!(connection = %id, %error, "an output misses a whole session");
                }
                refusal.get_or_insert(error);
            }
        }
    }
    let needed = outputs.iter().filter(|shared| !shared.goes_on()).count();
    let have = logs.iter().filter(|log| !log.shared.goes_on()).count();
    if let Some(error) = refusal.filter(|_| have < needed || logs.is_empty()) {
        for log in &logs {
            discard(&log.shared, &log.id);
        }
        return Err(error);
    }
    for log in &logs {
        Counters::add(&log.shared.counters.begun, 1);
        lock(&log.shared.live).insert(log.id.clone(), Arc::clone(log));
    }
    Ok(logs)
}

fn begin_one(shared: &Arc<Shared>, id: &str) -> Result<Arc<Log>, CreateError> {
    if shared.ending.load(Ordering::Acquire) {
        return Err(CreateError::Refused(Refusal::ShuttingDown));
    }
    match room(shared).and_then(|()| new_log(shared, id)) {
        Ok(log) => {
            admit(shared);
            Ok(log)
        }
        Err(error) => {
            Counters::add(&shared.counters.failures, 1);
            refuse(shared, &error);
            Err(CreateError::Io(Arc::new(error)))
        }
    }
}

/// Connections are refused from now on.
pub(crate) fn refuse(shared: &Shared, error: &io::Error) {
    let refusal = Refusal::Storage(error.to_string().into());
    if shared.counters.refusal().is_none() {
        let directory = shared.settings.directory.display();
        tracing::error!(%directory, %error, "no log can be begun: connections are refused");
    }
    shared.counters.set_refusal(Some(refusal));
}

/// Connections are let in from now on.
pub(crate) fn admit(shared: &Shared) {
    if shared.counters.refusal().is_some() {
        tracing::info!("logs can be begun again: connections are let in");
    }
    shared.counters.set_refusal(None);
}

/// Whether another log may be begun.
pub(crate) fn room(shared: &Shared) -> io::Result<()> {
    let blocked = (lock(&shared.live).values())
        .filter(|log| log.is_blocked())
        .count();
    if blocked >= BLOCKED {
        let text = format!("{blocked} logs wait to be sealed already");
        return Err(io::Error::other(text));
    }
    Ok(())
}

/// Whether there is space for another log.
pub(crate) fn enough(shared: &Shared) -> io::Result<()> {
    if shared.disk.space()?.free < SPACE {
        return Err(io::ErrorKind::StorageFull.into());
    }
    Ok(())
}

/// Makes the files of a log that a connection begins with. Nothing is left of one that cannot be begun.
pub(crate) fn new_log(shared: &Arc<Shared>, id: &str) -> io::Result<Arc<Log>> {
    enough(shared)?;
    let form = &shared.settings.form;
    let (version, ends) = match form {
        Form::Messages(format) => (u32::try_from(format.version()).unwrap_or_default(), None),
        Form::Lines(_) => (lines::VERSION, Some(Ends::default())),
    };
    // The tail comes first and goes last: a log without one is not ours to complete.
    let tails = Tails::begin(Arc::clone(&shared.disk), id, version)?;
    let file = match form {
        Form::Messages(format) => uninterrupted(|| shared.disk.create(id)).and_then(|file| {
            write_all(&*file, &format.header(), 0)?;
            Ok(Some(file))
        }),
        // Its files are made when there is something to write.
        Form::Lines(_) => Ok(None),
    };
    match file {
        Ok(file) => Ok(Arc::new(Log::new(
            id.to_owned(),
            Arc::clone(shared),
            Spool::new(tails, ends),
            Seals::new(sealer::begin(form, id, file)),
        ))),
        Err(error) => {
            drop(tails);
            discard(shared, id);
            Err(error)
        }
    }
}

/// Removes the files of a log that was not begun, as far as that works; the next start recovers what
/// is left. The tail goes last, since a log without one counts as complete.
pub(crate) fn discard(shared: &Shared, id: &str) {
    let gone = match uninterrupted(|| shared.disk.remove(id)) {
        Err(error) => error.kind() == io::ErrorKind::NotFound,
        Ok(()) => true,
    };
    if gone {
        let _ = uninterrupted(|| shared.disk.remove(&tail_name(id, 0)));
    }
}
