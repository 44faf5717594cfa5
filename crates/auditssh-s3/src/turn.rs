//! One turn of a log: its upload goes on from where its manifest says it is, as far as it can.

mod act;
mod beside;
mod confirm;

use crate::board::{Ended, History};
use crate::context::Context;
use crate::error::{Kind, StoreError};
use crate::facts::Facts;
use crate::manifest::{Manifest, Multipart};
use crate::store::{Object, Store};
use auditssh_archive::cast_owner;
use std::io;

/// So many failures in a row that no other log has, and it is set aside.
const STRIKES: u32 = 5;

/// So many answers in a row that do not fit, although everything else does, and they are taken for
/// the store's way.
const DOUBTS: u32 = 3;

/// A turn under way.
pub(crate) struct Turn<'a, S> {
    context: &'a Context<S>,
    id: &'a str,
    manifest: Manifest,
    history: History,
    facts: Option<Facts>,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Nothing before so many bytes are safe.
    Wait(u64),
    Create,
    Part {
        length: u64,
    },
    Complete,
    Put {
        length: u64,
    },
    Clean,
}

/// Why a turn does not go on.
#[derive(Debug)]
pub(crate) enum Stop {
    Store(StoreError),
    Disk(io::Error),
    /// The log is not there any more.
    Vanished,
    /// The server ends.
    Ending,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// Has a log its turn.
pub(crate) async fn take<S: Store>(context: &Context<S>, id: &str) -> (Ended, History) {
    let Some(log) = context.board.log(id) else {
        return (Ended::Gone, History::default());
    };
    let mut history = log.history;
    let result = match Turn::begin(context, id, history).await {
        Ok(mut turn) => {
            let result = turn.run().await;
            history = turn.history;
            result
        }
        Err(stop) => Err(stop),
    };
    match result {
        Ok(ended) => (ended, history),
        Err(stop) => (context.stopped(id, &mut history, stop).await, history),
    }
}

impl<'a, S: Store> Turn<'a, S> {
    async fn begin(context: &'a Context<S>, id: &'a str, history: History) -> Result<Self, Stop> {
        let (stage, name) = (context.stage.clone(), id.to_owned());
        let bucket = context.bucket.clone();
        let found = context.blocking(move || {
            let manifest = stage.manifest(&name, &bucket)?;
            let exists = stage.length(&name)?.is_some();
            let begun = if exists { 0 } else { stage.begun(&name) };
            Ok((manifest, exists, begun))
        });
        let (manifest, exists, begun) = found.await?;
        let mut turn = Self {
            context,
            id,
            manifest: Manifest::new(&context.bucket),
            history,
            facts: None,
        };
        match manifest {
            Some(manifest) => turn.manifest = manifest,
            // A log that is not of this run may have had a manifest that is lost.
            None => turn.manifest.loose = context.is_left(id),
        }
        if !exists && context.is_orphan(id) {
            // The log was removed since the bucket had it, before the last run ended.
            turn.manifest.done = true;
            turn.give_up();
            // Who it was is not known any more.
            turn.facts = Some(Facts {
                begun,
                ..Facts::unknown()
            });
        }
        Ok(turn)
    }

    async fn run(&mut self) -> Result<Ended, Stop> {
        loop {
            if self.context.is_ending() && !self.manifest.done {
                return Err(Stop::Ending);
            }
            self.verify().await?;
            let length = self.length().await?;
            match self.next_step(length)? {
                Step::Wait(wanted) => return Ok(Ended::Until(wanted)),
                Step::Create => {
                    if !self.create().await? {
                        // Who logged in is told by what is sealed next.
                        return Ok(Ended::Until(self.sealed() + 1));
                    }
                }
                Step::Part { length } => self.part(length).await?,
                Step::Complete => self.complete().await?,
                Step::Put { length } => self.put(length).await?,
                Step::Clean => {
                    let cleaned = match self.send_beside().await {
                        Ok(()) => self.clean().await,
                        stopped => stopped,
                    };
                    // The bucket has the log: nothing is to be set aside, whatever is left over.
                    self.history.strikes = 0;
                    cleaned?;
                    return Ok(Ended::Gone);
                }
            }
        }
    }

    fn sealed(&self) -> u64 {
        self.context.board.log(self.id).map_or(0, |log| log.sealed)
    }

    /// How long the log is now; `None` if it is not there.
    async fn length(&self) -> Result<Option<u64>, Stop> {
        let (stage, id) = (self.context.stage.clone(), self.id.to_owned());
        let length = self.context.blocking(move || stage.length(&id));
        Ok(length.await?)
    }

    fn next_step(&self, length: Option<u64>) -> Result<Step, Stop> {
        if self.manifest.done {
            return Ok(Step::Clean);
        }
        let Some(log) = self.context.board.log(self.id) else {
            return Err(Stop::Vanished);
        };
        let length = length.ok_or(Stop::Vanished)?;
        let first = self.context.part_size;
        let usable = if log.closed { length } else { log.sealed };
        match &self.manifest.upload {
            Some(upload) if !upload.gone => Ok(step_of(upload, usable, log.closed)),
            upload => {
                // A second multipart upload can only stand for one that may be complete already if
                // the log is too large for a single request.
                let again = upload.is_some() && length <= self.context.largest_put;
                Ok(match log.closed {
                    true if length <= first || again => Step::Put { length },
                    true => Step::Create,
                    false if usable > first => Step::Create,
                    false => Step::Wait(first + 1),
                })
            }
        }
    }

    /// Compares what the store has of the log with the log, once in each run: after a crash, or a
    /// disk that failed, the log may be another.
    async fn verify(&mut self) -> Result<(), Stop> {
        if self.history.verified || self.manifest.done {
            return Ok(());
        }
        let Some(upload) = self.manifest.upload.clone() else {
            self.history.verified = true;
            return Ok(());
        };
        let (stage, id) = (self.context.stage.clone(), self.id.to_owned());
        let same = self.context.blocking(move || {
            let mut offset = 0;
            let length = stage.length(&id)?.unwrap_or_default();
            if length < upload.length() {
                return Ok(false);
            }
            for part in &upload.parts {
                if stage.sums(&id, offset, part.size)? != part.sums() {
                    return Ok(false);
                }
                offset += part.size;
            }
            Ok(true)
        });
        if same.await? {
            self.history.verified = true;
            return Ok(());
        }
        tracing::warn!(
            connection = self.id,
            "a log is not what was uploaded of it before the start; its upload begins anew"
        );
        self.give_up();
        self.keep().await?;
        self.history.verified = true;
        Ok(())
    }

    /// The upload is to be aborted, and another begun.
    fn give_up(&mut self) {
        if let Some(upload) = self.manifest.upload.take()
            && !upload.gone
        {
            self.manifest.doomed.push(upload.id);
        }
    }

    /// Writes the manifest down. If there is no space for it, the upload goes on without: it is
    /// what makes space.
    async fn keep(&self) -> Result<(), Stop> {
        let (stage, id) = (self.context.stage.clone(), self.id.to_owned());
        let manifest = self.manifest.clone();
        let kept = self.context.blocking(move || stage.keep(&id, &manifest));
        match kept.await {
            Err(error) if is_full(&error) => {
                tracing::warn!(connection = self.id, %error, "how far an upload is cannot be kept");
                Ok(())
            }
            result => Ok(result?),
        }
    }

    /// Something went as it should.
    const fn progress(&mut self) {
        self.history.failures = 0;
        self.history.strikes = 0;
        self.history.doubts = 0;
    }

    /// The object, as far as it is not bytes; `None` while it is not known who logs in.
    async fn object(&mut self) -> Result<Option<Object>, Stop> {
        if self.facts.is_none() {
            let (stage, id) = (self.context.stage.clone(), self.id.to_owned());
            let log = self.context.board.log(self.id).ok_or(Stop::Vanished)?;
            let length = if log.closed { u64::MAX } else { log.sealed };
            let read = self.context.blocking(move || {
                let log = stage.open(&id, 0, length)?;
                match cast_owner(&id) {
                    Some(_) => Facts::read_cast(log),
                    None => Facts::read(log),
                }
            });
            let facts = read.await?;
            if !facts.settled && !log.closed {
                return Ok(None);
            }
            self.facts = Some(facts);
        }
        let Some(facts) = &self.facts else {
            return Ok(None);
        };
        let key = match &self.manifest.key {
            Some(key) => key.clone(),
            None => self.context.template.key(self.id, facts),
        };
        let metadata = facts.metadata(self.context.metadata);
        self.manifest.key = Some(key.clone());
        Ok(Some(Object {
            key,
            content_type: None,
            metadata,
        }))
    }
}

/// What is to be done for an upload under way, when so much of the log may be sent.
fn step_of(upload: &Multipart, usable: u64, closed: bool) -> Step {
    let (sent, next) = (upload.length(), upload.next_size());
    let rest = usable.saturating_sub(sent);
    if upload.completed || closed && rest == 0 {
        return Step::Complete;
    }
    if rest >= next || closed {
        return Step::Part {
            length: rest.min(next),
        };
    }
    Step::Wait(sent + next)
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Whether an error is one of the machine, not of a log.
fn is_shared(error: &io::Error) -> bool {
    let errors = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE];
    let exhausted = error.raw_os_error();
    is_full(error)
        || error.kind() == io::ErrorKind::OutOfMemory
        || errors
            .iter()
            .any(|errno| exhausted == Some(errno.raw_os_error()))
}

impl<S: Store> Context<S> {
    /// What follows from a turn that did not go on.
    async fn stopped(&self, id: &str, history: &mut History, stop: Stop) -> Ended {
        let shared = matches!(&stop, Stop::Disk(error) if is_shared(error));
        let (kind, reason, asked) = match stop {
            Stop::Ending => return Ended::Wait(std::time::Duration::ZERO),
            Stop::Vanished => {
                self.counters.vanished.add(1);
                tracing::error!(
                    connection = id,
                    "a log was deleted before the bucket had it"
                );
                return Ended::Gone;
            }
            Stop::Store(error) => (Some(error.kind), error.to_string(), error.retry_after),
            Stop::Disk(error) => (None, format!("the log cannot be read: {error}"), None),
        };
        history.failures = history.failures.saturating_add(1);
        let permanent = kind.is_none_or(|kind| kind.is_permanent() || kind == Kind::Exists);
        let successes = self.gate.successes();
        // What others suffer from as well is not this log's fault.
        let own = kind.is_none_or(|kind| kind == Kind::Exists) && !shared;
        let alone = own || successes > history.successes;
        history.successes = successes;
        match (permanent, alone) {
            (true, true) => history.strikes += 1,
            (true, false) => {}
            (false, _) => history.strikes = 0,
        }
        let log = self.board.log(id);
        if history.strikes >= STRIKES && log.is_some_and(|log| log.closed) {
            match self.set_aside(id, &reason).await {
                Ok(()) => return Ended::Gone,
                Err(error) => tracing::error!(connection = id, %error, "a log cannot be set aside"),
            }
        }
        match kind {
            None => {
                tracing::error!(
                    connection = id,
                    reason,
                    "a log cannot be uploaded; it is tried again"
                );
            }
            Some(_) if history.failures.is_power_of_two() => {
                tracing::warn!(
                    connection = id,
                    reason,
                    "a log is not uploaded yet; it is tried again"
                );
            }
            Some(_) => {}
        }
        let failures = history.failures.max(history.restarts);
        Ended::Wait(crate::backoff::wait(failures, permanent, asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_of_fixed_size_wherever_the_log_is() {
        let mut upload = Multipart {
            part_size: 100,
            ..Multipart::default()
        };
        assert_eq!(step_of(&upload, 99, false), Step::Wait(100));
        assert_eq!(step_of(&upload, 250, false), Step::Part { length: 100 });
        assert_eq!(step_of(&upload, 99, true), Step::Part { length: 99 });
        assert_eq!(step_of(&upload, 0, true), Step::Complete);
        upload.completed = true;
        assert_eq!(step_of(&upload, 250, true), Step::Complete);
    }
}
