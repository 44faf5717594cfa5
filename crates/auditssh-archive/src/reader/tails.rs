//! The tails of a log that someone else is writing.

use super::part::Wrapped;
use crate::directory::tail_name;
use auditssh_log::codec::Format;
use auditssh_log::tail::{self, FRAME, HEADER, Header};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How much of a tail is read at a time.
const STEP: usize = 64 << 10;

/// Both tails, kept open: they can still be read when the writer has removed them.
#[derive(Debug)]
pub(super) struct Tails {
    paths: Vec<PathBuf>,
    open: [Option<Tail>; 2],
}

#[derive(Debug)]
struct Tail {
    file: File,
    seed: u32,
    format: Option<Format>,
    /// The chunk whose frames were read so far, and where the next of them begins.
    chunk: u32,
    at: u64,
}

impl Tails {
    pub(super) fn none() -> Self {
        Self {
            paths: Vec::new(),
            open: [None, None],
        }
    }

    pub(super) fn of(directory: Option<&Path>, id: &str) -> Self {
        let directory = directory.unwrap_or(Path::new("."));
        let mut tails = Self {
            paths: [0, 1]
                .map(|index| directory.join(tail_name(id, index)))
                .into(),
            open: [None, None],
        };
        tails.open_new();
        tails
    }

    /// Whether the log is still being written, or was left as if it were.
    pub(super) fn exist(&self) -> bool {
        self.paths.iter().any(|path| path.exists())
    }

    pub(super) fn format(&self) -> Option<Format> {
        self.open.iter().flatten().find_map(|tail| tail.format)
    }

    /// Appends the messages from `first` on that stand in the tail of `members`, the chunk that is
    /// not sealed yet, or of the one after it. Returns how many there are.
    pub(super) fn next(&mut self, members: u32, first: u64, to: &mut Wrapped) -> io::Result<u64> {
        self.open_new();
        for chunk in [members, members.wrapping_add(1)] {
            let [even, odd] = &mut self.open;
            let tail = if chunk % 2 == 0 { even } else { odd };
            let Some(tail) = tail else { continue };
            let count = tail.next(chunk, first, to)?;
            if count > 0 {
                return Ok(count);
            }
        }
        Ok(0)
    }

    fn open_new(&mut self) {
        for (tail, path) in self.open.iter_mut().zip(&self.paths) {
            if tail.is_none() {
                *tail = File::open(path).ok().and_then(Tail::of);
            }
        }
    }
}

impl Tail {
    fn of(file: File) -> Option<Self> {
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0).ok()?;
        let header = Header::decode(&header)?;
        Some(Self {
            file,
            seed: header.seed(),
            format: match header.version {
                1 => Some(Format::Audit),
                2 => Some(Format::Binary),
                _ => None,
            },
            chunk: u32::MAX,
            at: HEADER as u64,
        })
    }

    /// Appends what frames of `chunk` hold from where reading stopped, those below `first` passed
    /// over. Returns how many messages that are.
    fn next(&mut self, chunk: u32, first: u64, to: &mut Wrapped) -> io::Result<u64> {
        if self.chunk != chunk {
            (self.chunk, self.at) = (chunk, HEADER as u64);
        }
        let mut next = first;
        let mut bytes = self.read(STEP)?;
        let mut at = 0;
        while to.len() < STEP {
            let rest = bytes.get(at..).unwrap_or_default();
            let wanted = wanted(rest);
            if wanted > rest.len() && bytes.len() >= STEP {
                self.at += at as u64;
                at = 0;
                bytes = self.read(wanted.max(STEP))?;
                if bytes.len() < wanted {
                    break;
                }
                continue;
            }
            let Some((frame, length)) = tail::read(rest, self.seed) else {
                break;
            };
            if frame.chunk != chunk || frame.number > next {
                break;
            }
            if frame.number == next {
                to.push(frame.message);
                next = next.saturating_add(1);
            }
            at += length;
        }
        self.at += at as u64;
        Ok(next - first)
    }

    fn read(&self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, self.at + done as u64) {
                Ok(0) => break,
                Ok(length) => done += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }
}

/// How many bytes the frame at the start of `bytes` takes, as far as that can be told.
fn wanted(bytes: &[u8]) -> usize {
    match bytes.first_chunk() {
        Some(length) => match u32::from_le_bytes(*length) as usize {
            length @ 1..=tail::MAX_MESSAGE => FRAME + length,
            _ => FRAME,
        },
        None => FRAME,
    }
}
