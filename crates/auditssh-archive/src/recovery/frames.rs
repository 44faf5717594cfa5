//! What the tails of a log hold beyond its members.

use crate::directory::tail_name;
use crate::disk::{DiskFile, read_full, uninterrupted};
use auditssh_log::codec::Format;
use auditssh_log::seal::{Chain, Chunk, Flags, Span};
use auditssh_log::tail::{self, Frame, HEADER, Header};
use std::io;

/// No tail grows beyond a chunk, one message of the greatest length and what is kept for closing.
const MAX_TAIL: u64 = 64 << 20;

/// A tail as it was found.
pub(crate) struct Tail {
    /// `None` if the header is damaged, or never reached the disk.
    header: Option<Header>,
    bytes: Vec<u8>,
}

/// The frames that follow the members of a log, a list for each chunk.
pub(crate) struct Run<'a> {
    pub(crate) chunks: Vec<Vec<Frame<'a>>>,
    /// Number of the message after the last.
    pub(crate) next: u64,
}

impl Tail {
    pub(crate) fn read(file: &dyn DiskFile, id: &str) -> io::Result<Self> {
        let length = uninterrupted(|| file.status())?.length;
        if length > MAX_TAIL {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} is longer than a tail can be", tail_name(id, 0)),
            ));
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        let length = read_full(file, &mut bytes, 0)?;
        bytes.truncate(length);
        let header = Header::decode(&bytes).filter(|header| header.id == id.as_bytes());
        Ok(Self { header, bytes })
    }

    pub(crate) fn format(&self) -> Option<Format> {
        match self.header.as_ref()?.version {
            1 => Some(Format::Audit),
            2 => Some(Format::Binary),
            _ => None,
        }
    }

    /// The frames of a chunk from a message on, as far as they count on.
    fn frames(&self, chunk: u32, first: u64) -> Vec<Frame<'_>> {
        let Some(seed) = self.header.as_ref().map(Header::seed) else {
            return Vec::new();
        };
        let (mut frames, mut at, mut next) = (Vec::new(), HEADER, first);
        while let Some((frame, length)) = tail::read(self.from(at), seed) {
            if frame.chunk != chunk || frame.number != next {
                break;
            }
            frames.push(frame);
            at += length;
            next += 1;
        }
        frames
    }

    /// Whether a message stands in it that is none of the first `messages`.
    pub(crate) fn holds_beyond(&self, messages: u64) -> bool {
        match &self.header {
            Some(header) => tail::stray(self.from(HEADER), header.seed(), messages).is_some(),
            None => self.bytes.iter().any(|&byte| byte != 0),
        }
    }

    /// Whether a frame of this chunk or a later one stands in it: the tail was free for that, so
    /// the member two before it is safe.
    pub(crate) fn holds_chunk(&self, chunk: u32) -> bool {
        let Some(seed) = self.header.as_ref().map(Header::seed) else {
            return false;
        };
        let mut rest = self.from(HEADER);
        while let Some(found) = tail::stray(rest, seed, 0) {
            let frame = rest
                .get(found.start..)
                .and_then(|rest| tail::read(rest, seed));
            match frame {
                Some((frame, _)) if frame.chunk < chunk => {}
                _ => return true,
            }
            rest = rest.get(found.end..).unwrap_or_default();
        }
        false
    }

    fn from(&self, at: usize) -> &[u8] {
        self.bytes.get(at..).unwrap_or_default()
    }
}

impl<'a> Run<'a> {
    pub(crate) fn of(tails: &'a [Option<Tail>; 2], chain: &Chain) -> Self {
        let mut run = Self {
            chunks: Vec::new(),
            next: chain.messages(),
        };
        let [even, odd] = tails;
        for chunk in [chain.number(), chain.number().wrapping_add(1)] {
            let tail = if chunk % 2 == 0 { even } else { odd };
            let frames = match tail {
                Some(tail) => tail.frames(chunk, run.next),
                None => Vec::new(),
            };
            if frames.is_empty() {
                break;
            }
            run.next += frames.len() as u64;
            run.chunks.push(frames);
        }
        run
    }
}

/// What a member says of these frames.
pub(crate) fn chunk_of(frames: &[Frame<'_>], flags: Flags) -> Chunk {
    let first = frames.first().map(|frame| frame.stamp).unwrap_or_default();
    let last = frames.last().map(|frame| frame.stamp).unwrap_or_default();
    let gap = frames.iter().any(|frame| frame.gap);
    Chunk {
        flags: if gap { flags | Flags::GAP } else { flags },
        count: u32::try_from(frames.len()).unwrap_or(u32::MAX),
        span: Span {
            first_wall: first.wall,
            last_wall: last.wall,
            first_mono: first.mono,
            last_mono: last.mono,
        },
    }
}
