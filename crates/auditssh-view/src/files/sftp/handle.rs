use crate::files::transfer::Transfer;
use crate::files::{Action, At, Direction, Entry, Outcome, Shared, To, Told};
use std::borrow::Cow;

/// How a file was opened.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the protocol"
)]
pub(super) struct Mode {
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) append: bool,
    /// Whether nothing is in it at first.
    pub(super) empty: bool,
}

impl Mode {
    /// Which way its content goes, or the way that matters more.
    pub(super) const fn direction(self) -> Direction {
        if self.write {
            Direction::Upload
        } else {
            Direction::Download
        }
    }
}

/// An open file.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) path: Vec<u8>,
    mode: Mode,
    up: Transfer,
    down: Transfer,
    /// Its size, if the server told it.
    pub(super) length: Option<u64>,
    /// Where the server said that it ends.
    pub(super) end: Option<u64>,
    pub(super) failure: Option<Cow<'static, str>>,
}

impl Handle {
    pub(super) fn new(path: Vec<u8>, mode: Mode, begun: At, shared: &mut Shared) -> Self {
        Self {
            path,
            mode,
            up: Transfer::new(shared.next(), Direction::Upload, begun),
            down: Transfer::new(shared.next(), Direction::Download, begun),
            length: None,
            end: None,
            failure: None,
        }
    }

    pub(super) fn write(
        &mut self,
        offset: u64,
        bytes: &[u8],
        shared: &mut Shared,
        to: &mut To<'_>,
    ) {
        self.mode.write = true;
        self.up.push(&self.path, offset, bytes, shared, to);
    }

    pub(super) fn read(&mut self, offset: u64, bytes: &[u8], shared: &mut Shared, to: &mut To<'_>) {
        self.mode.read = true;
        self.down.push(&self.path, offset, bytes, shared, to);
    }

    /// The file is cut or extended.
    pub(super) fn resize(&mut self, size: u64) {
        // Nothing is there beyond what was written.
        if size == self.up.next() {
            self.mode.empty = true;
        } else {
            self.up.spoil("it was cut or extended meanwhile");
        }
    }

    /// Something else writes into it.
    pub(super) fn copied_into(&mut self) {
        self.mode.write = true;
        self.up.spoil("the server copied into it");
    }

    /// A write was refused.
    pub(super) fn not_written(&mut self, why: Cow<'static, str>) {
        self.up.spoil("not all of it was written");
        self.failure.get_or_insert(why);
    }

    /// How many bytes it takes, about.
    pub(super) fn size(&self) -> usize {
        self.path.len() + 2 * size_of::<Self>()
    }

    /// Tells what went through.
    pub(super) fn close(mut self, at: At, outcome: &Outcome, shared: &mut Shared, to: &mut To<'_>) {
        shared.give(self.size());
        let outcome = match self.failure.take() {
            Some(failure) => Outcome::Failed(failure),
            None => outcome.clone(),
        };
        if self.mode.append {
            self.up.spoil("it was appended to a file");
        } else if !self.mode.empty {
            self.up
                .spoil("it was written into a file that was not emptied");
        }
        if outcome == Outcome::Unknown {
            self.up.spoil("it was not closed");
        }
        let next = Some(self.down.next());
        if self.end != next && self.length != next {
            self.down.spoil("it was not read to its end");
        }
        let read = self.mode.read && (!self.mode.write || self.down.next() > 0);
        // Whoever has all of a file may leave without a word.
        let got = match &outcome {
            Outcome::Unknown if self.down.is_whole() => Outcome::Done,
            outcome => outcome.clone(),
        };
        let (up, down) = ((self.up, self.mode.write, outcome), (self.down, read, got));
        for (transfer, happened, outcome) in [up, down] {
            if happened {
                tell(transfer, self.path.clone(), at, outcome, shared, to);
            } else {
                transfer.finish(shared);
            }
        }
    }
}

/// A file that could not be opened, or of which that is not known.
pub(super) fn not_opened(
    path: Vec<u8>,
    mode: Mode,
    begun: At,
    at: At,
    outcome: Outcome,
    shared: &mut Shared,
    to: &mut To<'_>,
) {
    let mut transfer = Transfer::new(shared.next(), mode.direction(), begun);
    transfer.spoil("nothing went through");
    tell(transfer, path, at, outcome, shared, to);
}

fn tell(
    transfer: Transfer,
    path: Vec<u8>,
    at: At,
    outcome: Outcome,
    shared: &mut Shared,
    to: &mut To<'_>,
) {
    let (number, direction) = (transfer.number, transfer.direction);
    to(Told::Entry(&Entry {
        channel: at.channel,
        begun: transfer.begun.time,
        ended: at.time,
        protocol: "sftp",
        action: Action::Transfer {
            number,
            direction,
            content: transfer.finish(shared),
        },
        path,
        outcome,
    }));
}
