//! A log that can be read again and again.

use crate::cmd::log::{Log, Read, Which};
use anyhow::Context as _;
use auditssh_archive::verify::is_written;
use auditssh_log::Message;
use auditssh_view::runs::{Did, Runs, Size, Start, Step};
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use tempfile::NamedTempFile;

/// How many events are read ahead, and the longest of them.
const AHEAD: usize = 32;
const LONGEST: usize = 32 << 10;

/// Where a log is, on this machine.
pub(super) struct Recording {
    log: Which,
    /// Whether it is read as it is written.
    pub(super) follow: bool,
    /// What came as a stream, so that it can be read again.
    _copy: Option<NamedTempFile>,
}

/// Something that a program showed.
#[derive(Debug)]
pub(super) struct Event {
    /// Nanoseconds since it began.
    pub(super) at: u64,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Begin(Box<Start>),
    Output(Vec<u8>),
    Errors(Vec<u8>),
    Resize(Size),
    End,
}

impl Event {
    /// The event as a step.
    pub(super) fn step(&self) -> Step<'_> {
        let what = match &self.what {
            What::Begin(start) => Did::Begin(start),
            What::Output(data) => Did::Output(data),
            What::Errors(data) => Did::Errors(data),
            What::Resize(size) => Did::Resize(*size),
            What::End => Did::End,
        };
        Step {
            channel: 0,
            at: self.at,
            what,
        }
    }
}

impl Recording {
    pub(super) fn new(log: &Which, follow: bool) -> anyhow::Result<Self> {
        if follow {
            // What cannot be followed is refused.
            drop(log.opened(true)?);
        }
        if !log.is_stream() {
            let log = log.clone();
            return Ok(Self {
                log,
                follow,
                _copy: None,
            });
        }
        let mut copy = NamedTempFile::with_prefix("auditssh-")
            .context("cannot make a file for the log, which is read more than once")?;
        io::copy(&mut log.open()?.into_input(), &mut copy)
            .with_context(|| log.path().display().to_string())?;
        Ok(Self {
            log: log.at(copy.path()),
            follow,
            _copy: Some(copy),
        })
    }

    /// Whether a server still writes it.
    pub(super) fn is_written(&self) -> bool {
        is_written(&self.log.path()).unwrap_or(false)
    }

    /// Gives every message that is there by now.
    pub(super) fn read(
        &self,
        each: impl FnMut(&Message) -> anyhow::Result<()>,
    ) -> anyhow::Result<Read> {
        self.log.open()?.read(each)
    }

    /// The events of the program on this channel that began as the `nth` there, read by a thread that
    /// ends when nobody wants more. What is wrong with the log was told when it was read first.
    pub(super) fn events(&self, channel: u64, nth: u64) -> anyhow::Result<Receiver<Event>> {
        let (sender, receiver) = sync_channel(AHEAD);
        let (log, follow) = (self.log.clone(), self.follow);
        thread::Builder::new().name("log".into()).spawn(move || {
            if let Ok(log) = log.opened(follow) {
                // Whoever reads is gone, or the log has no more.
                let _ = send(log, channel, nth, &sender);
            }
        })?;
        Ok(receiver)
    }
}

fn send(log: Log, channel: u64, nth: u64, to: &SyncSender<Event>) -> anyhow::Result<()> {
    let mut runs = Runs::default();
    let mut begun = 0_u64;
    let mut each = |step: Step<'_>| {
        if step.channel != channel {
            return Ok(());
        }
        if matches!(step.what, Did::Begin(_)) {
            begun += 1;
        }
        if begun != nth {
            return Ok(());
        }
        let at = step.at;
        let send = |what| to.send(Event { at, what });
        let result = match step.what {
            Did::Begin(start) => send(What::Begin(Box::new(start.clone()))),
            Did::Output(data) => data
                .chunks(LONGEST)
                .try_for_each(|data| send(What::Output(data.to_vec()))),
            Did::Errors(data) => data
                .chunks(LONGEST)
                .try_for_each(|data| send(What::Errors(data.to_vec()))),
            Did::Resize(size) => send(What::Resize(size)),
            Did::End => send(What::End),
            Did::Input(_) | Did::Exit(_) => Ok(()),
        };
        result.map_err(|_| anyhow::anyhow!("nobody wants more"))
    };
    log.read(|message| runs.push(message, &mut each))?;
    runs.finish(&mut each)
}
