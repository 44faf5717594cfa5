use super::{Action, At, Begun, Direction, Entry, Outcome, To, Told, path};
use crate::runs::{Start, words};
use crate::summary::Exit;
use auditssh_log::message::Text;

/// rsync, of whose protocol nothing is read: how it runs is in its command line.
#[derive(Debug)]
pub(super) struct Rsync {
    begun: i64,
    direction: Direction,
    path: Vec<u8>,
    bytes: (u64, u64),
    outcome: Outcome,
}

impl Rsync {
    pub(super) fn new(start: &Start) -> Self {
        let words = words(start.command().map_or(&[], Text::as_bytes));
        let sends = words.iter().any(|word| word == b"--sender");
        // `rsync --server OPTIONS . PATHS`
        let names = words.iter().skip_while(|word| *word != b".").skip(1);
        let names: Vec<&[u8]> = names.map(Vec::as_slice).collect();
        Self {
            begun: start.time,
            direction: if sends {
                Direction::Download
            } else {
                Direction::Upload
            },
            path: path(&names.join(&b' ')),
            bytes: (0, 0),
            outcome: Outcome::Unknown,
        }
    }

    /// It runs.
    pub(super) fn open(&self, at: At, to: &mut To<'_>) {
        to(Told::Open(&Begun {
            at,
            protocol: "rsync",
            path: &self.path,
            direction: Some(self.direction),
        }));
    }

    pub(super) fn input(&mut self, data: &[u8]) {
        self.bytes.0 = self.bytes.0.saturating_add(data.len() as u64);
    }

    pub(super) fn output(&mut self, data: &[u8]) {
        self.bytes.1 = self.bytes.1.saturating_add(data.len() as u64);
    }

    pub(super) fn exit(&mut self, exit: &Exit) {
        self.outcome = match exit {
            Exit::Status(0) => Outcome::Done,
            Exit::Status(status) => Outcome::Failed(format!("status {status}").into()),
            Exit::Signal(_) => Outcome::Failed("ended by a signal".into()),
        };
    }

    pub(super) fn end(&mut self, at: At, to: &mut To<'_>) {
        to(Told::Entry(&Entry {
            channel: at.channel,
            begun: self.begun,
            ended: at.time,
            protocol: "rsync",
            action: Action::Sync {
                direction: self.direction,
                bytes: self.bytes,
            },
            path: std::mem::take(&mut self.path),
            outcome: self.outcome.clone(),
        }));
    }
}
