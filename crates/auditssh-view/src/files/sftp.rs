//! SFTP, versions 3 to 6, read from both of its streams.

mod fields;
mod frames;
mod handle;
mod kind;
mod requests;

use super::{Action, At, Begun, Entry, Outcome, Shared, To, Told};
use fields::Fields;
use frames::{Frame, Frames};
use handle::{Handle, Mode, not_opened};
use std::collections::{BTreeMap, VecDeque};

/// What a request that waits for its answer takes, about, in bytes. Some clients ask for all of a file
/// at once.
const PENDING: usize = 128;
/// Most files that are open at once.
const MOST_OPEN: usize = 1024;
/// How many sizes are remembered that the server told.
const SIZES: usize = 64;

#[derive(Debug)]
pub(super) struct Sftp {
    version: u32,
    requests: Frames,
    replies: Frames,
    pending: BTreeMap<u32, Pending>,
    /// Open files by number, and their shared by what the server calls them.
    files: BTreeMap<u64, Handle>,
    names: BTreeMap<Vec<u8>, u64>,
    opened: u64,
    sizes: VecDeque<(Vec<u8>, u64)>,
    /// Where the content goes that is coming from the client, and to it.
    writing: Option<(u64, u64)>,
    reading: Option<(u64, u64)>,
    lost: bool,
}

/// A request that is not answered.
#[derive(Debug)]
enum Pending {
    Open {
        path: Vec<u8>,
        mode: Mode,
        begun: At,
    },
    Read {
        file: u64,
        offset: u64,
    },
    Write {
        file: u64,
    },
    Close {
        file: u64,
    },
    Size {
        path: Vec<u8>,
    },
    FileSize {
        file: u64,
    },
    /// What is told of it when the answer is there.
    Told(Vec<Entry>),
    /// An open file is cut or extended to so many bytes, and what is told of that.
    Resize {
        file: u64,
        size: u64,
        entries: Vec<Entry>,
    },
}

impl Default for Sftp {
    fn default() -> Self {
        Self {
            version: 3,
            requests: Frames::default(),
            replies: Frames::default(),
            pending: BTreeMap::new(),
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            opened: 0,
            sizes: VecDeque::new(),
            writing: None,
            reading: None,
            lost: false,
        }
    }
}

impl Sftp {
    /// Takes what the client sent.
    pub(super) fn requests(
        &mut self,
        mut data: &[u8],
        at: At,
        shared: &mut Shared,
        to: &mut To<'_>,
    ) {
        let mut frames = std::mem::take(&mut self.requests);
        while !self.lost
            && let Some(frame) = frames.next(&mut data)
        {
            match frame {
                Frame::Packet(kind, body) => {
                    if self.request(kind, Fields(body), at, shared).is_none() {
                        self.lose(at, to);
                    }
                }
                Frame::Content(bytes) => {
                    if let Some((file, offset)) = &mut self.writing
                        && let Some(handle) = self.files.get_mut(file)
                    {
                        handle.write(*offset, bytes, shared, to);
                        *offset = offset.saturating_add(bytes.len() as u64);
                    }
                }
                Frame::Lost => self.lose(at, to),
            }
        }
        self.requests = frames;
    }

    /// Takes what the server sent.
    pub(super) fn replies(
        &mut self,
        mut data: &[u8],
        at: At,
        shared: &mut Shared,
        to: &mut To<'_>,
    ) {
        let mut frames = std::mem::take(&mut self.replies);
        while !self.lost
            && let Some(frame) = frames.next(&mut data)
        {
            match frame {
                // What cannot be read tells nothing.
                Frame::Packet(kind, body) => {
                    let _ = self.reply(kind, Fields(body), at, shared, to);
                }
                Frame::Content(bytes) => {
                    if let Some((file, offset)) = &mut self.reading
                        && let Some(handle) = self.files.get_mut(file)
                    {
                        handle.read(*offset, bytes, shared, to);
                        *offset = offset.saturating_add(bytes.len() as u64);
                    }
                }
                Frame::Lost => self.lose(at, to),
            }
        }
        self.replies = frames;
    }

    /// Tells what did not end.
    pub(super) fn end(&mut self, at: At, shared: &mut Shared, to: &mut To<'_>) {
        for pending in std::mem::take(&mut self.pending).into_values() {
            shared.give(pending.size());
            match pending {
                Pending::Open { path, mode, begun } => {
                    not_opened(path, mode, begun, at, Outcome::Unknown, shared, to);
                }
                Pending::Told(entries) | Pending::Resize { entries, .. } => {
                    tell(entries, at, &Outcome::Unknown, to);
                }
                _ => {}
            }
        }
        for handle in std::mem::take(&mut self.files).into_values() {
            handle.close(at, &Outcome::Unknown, shared, to);
        }
    }

    fn lose(&mut self, at: At, to: &mut To<'_>) {
        self.lost = true;
        to(Told::Entry(&Entry {
            channel: at.channel,
            begun: at.time,
            ended: at.time,
            protocol: "sftp",
            action: Action::Lost,
            path: Vec::new(),
            outcome: Outcome::Unknown,
        }));
    }

    /// Takes an answer.
    fn reply(
        &mut self,
        kind: u8,
        mut fields: Fields<'_>,
        at: At,
        shared: &mut Shared,
        to: &mut To<'_>,
    ) -> Option<()> {
        if kind == kind::VERSION {
            self.version = self.version.min(fields.u32()?);
            return Some(());
        }
        self.reading = None;
        let id = fields.u32()?;
        let pending = self.pending.remove(&id)?;
        shared.give(pending.size());
        match (kind, pending) {
            (kind::HANDLE, Pending::Open { path, mode, begun }) => {
                let name = fields.string()?;
                // The server gives a name again, so whatever had it is closed.
                if let Some(before) = self.names.remove(name)
                    && let Some(handle) = self.files.remove(&before)
                {
                    handle.close(at, &Outcome::Unknown, shared, to);
                }
                let Some(file) = self.open(name, path, mode, begun, shared) else {
                    self.lose(at, to);
                    return None;
                };
                let size = self.known_size(file);
                let handle = self.files.get_mut(&file)?;
                handle.length = size;
                to(Told::Open(&Begun {
                    at,
                    protocol: "sftp",
                    path: &handle.path,
                    direction: Some(mode.direction()),
                }));
            }
            (kind::DATA, Pending::Read { file, offset }) => self.reading = Some((file, offset)),
            (kind::ATTRS, Pending::Size { path }) => {
                let size = fields.attributes(self.version).size?;
                self.sizes.retain(|(other, _)| *other != path);
                self.sizes.truncate(SIZES - 1);
                self.sizes.push_front((path, size));
            }
            (kind::ATTRS, Pending::FileSize { file }) => {
                let size = fields.attributes(self.version).size?;
                self.files.get_mut(&file)?.length = Some(size);
            }
            (kind::STATUS, pending) => self.status(pending, fields.u32()?, at, shared, to),
            _ => {}
        }
        Some(())
    }

    fn status(
        &mut self,
        pending: Pending,
        code: u32,
        at: At,
        shared: &mut Shared,
        to: &mut To<'_>,
    ) {
        let failure = kind::failure(code);
        let outcome = failure.map_or(Outcome::Done, |why| Outcome::Failed(why.into()));
        match pending {
            Pending::Open { path, mode, begun } => {
                not_opened(path, mode, begun, at, outcome, shared, to);
            }
            Pending::Read { file, offset } => {
                let Some(handle) = self.files.get_mut(&file) else {
                    return;
                };
                match failure {
                    // Whoever reads ahead is told so more than once.
                    _ if code == kind::EOF => {
                        handle.end = Some(handle.end.map_or(offset, |end| end.min(offset)));
                    }
                    Some(why) => {
                        handle.failure.get_or_insert(why.into());
                    }
                    None => {}
                }
            }
            Pending::Write { file } => {
                if let (Some(why), Some(handle)) = (failure, self.files.get_mut(&file)) {
                    handle.not_written(why.into());
                }
            }
            Pending::Close { file } => {
                if let Some(handle) = self.files.remove(&file) {
                    handle.close(at, &outcome, shared, to);
                }
            }
            Pending::Told(entries) => tell(entries, at, &outcome, to),
            Pending::Resize {
                file,
                size,
                entries,
            } => {
                if let (None, Some(handle)) = (failure, self.files.get_mut(&file)) {
                    handle.resize(size);
                }
                tell(entries, at, &outcome, to);
            }
            Pending::Size { .. } | Pending::FileSize { .. } => {}
        }
    }

    /// A file is open under this name.
    fn open(
        &mut self,
        name: &[u8],
        path: Vec<u8>,
        mode: Mode,
        begun: At,
        shared: &mut Shared,
    ) -> Option<u64> {
        if self.files.len() >= MOST_OPEN || name.len() > 256 {
            return None;
        }
        let handle = Handle::new(path, mode, begun, shared);
        if !shared.take(handle.size()) {
            return None;
        }
        self.opened += 1;
        let file = self.opened;
        self.names.insert(name.to_vec(), file);
        self.files.insert(file, handle);
        Some(file)
    }

    fn known_size(&self, file: u64) -> Option<u64> {
        let path = &self.files.get(&file)?.path;
        let (_, size) = self.sizes.iter().find(|(other, _)| other == path)?;
        Some(*size)
    }
}

impl Pending {
    /// How many bytes it takes, about.
    fn size(&self) -> usize {
        PENDING
            + match self {
                Self::Open { path, .. } | Self::Size { path } => path.len(),
                Self::Told(entries) | Self::Resize { entries, .. } => {
                    entries.iter().map(length).sum()
                }
                Self::Read { .. }
                | Self::Write { .. }
                | Self::Close { .. }
                | Self::FileSize { .. } => 0,
            }
    }
}

/// How many bytes an entry that waits takes, about.
fn length(entry: &Entry) -> usize {
    let other = match &entry.action {
        Action::Rename(path) | Action::Symlink(path) | Action::Link(path) => path.len(),
        _ => 0,
    };
    entry.path.len() + other + size_of::<Entry>()
}

fn tell(entries: Vec<Entry>, at: At, outcome: &Outcome, to: &mut To<'_>) {
    for mut entry in entries {
        entry.ended = at.time;
        entry.outcome = outcome.clone();
        to(Told::Entry(&entry));
    }
}
