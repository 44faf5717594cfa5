//! What the tails of a log hold beyond its members.

use crate::directory::tail_name;
use crate::disk::{DiskFile, uninterrupted};
use crate::frames::Frames;
use auditssh_log::codec::Format;
use auditssh_log::seal::{Chain, Chunk, Flags, Span};
use auditssh_log::tail::{Frame, HEADER};
use std::io;
use std::sync::Arc;

/// No tail grows beyond a chunk, one message of the greatest length and what is kept for closing.
const MAX_TAIL: u64 = 64 << 20;

/// No chunk grows beyond this: frames behind it are not the writer's.
pub(crate) const MAX_CHUNK: u64 = 20 << 20;

/// A tail as it was found.
pub(crate) struct Tail {
    frames: Frames<Arc<dyn DiskFile>>,
    /// Whether the header is the one of this log.
    valid: bool,
}

/// The frames that follow the members of a log, a stretch for each chunk.
pub(crate) struct Run {
    pub(crate) chunks: Vec<Stretch>,
    /// Number of the message after the last.
    pub(crate) next: u64,
}

/// The frames of one chunk, where they stand in its tail.
pub(crate) struct Stretch {
    /// Which tail.
    tail: usize,
    /// What a member says of them.
    pub(crate) chunk: Chunk,
    /// How many bytes their messages have together.
    content: u64,
}

impl Tail {
    pub(crate) fn open(file: Arc<dyn DiskFile>, id: &str) -> io::Result<Self> {
        let length = uninterrupted(|| file.status())?.length;
        if length > MAX_TAIL {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} is longer than a tail can be", tail_name(id, 0)),
            ));
        }
        let frames = Frames::open(file, length)?;
        let header = frames.header();
        let valid = header.is_some_and(|header| header.id == id.as_bytes());
        Ok(Self { frames, valid })
    }

    /// What the header says of what stands in it.
    pub(crate) fn version(&self) -> Option<u32> {
        let header = self.frames.header().filter(|_| self.valid)?;
        Some(header.version)
    }

    pub(crate) fn format(&self) -> Option<Format> {
        match self.version()? {
            1 => Some(Format::Audit),
            2 => Some(Format::Binary),
            _ => None,
        }
    }

    /// Chunk and number of the first frame, which may be torn: a disk writes what precedes its
    /// message at once.
    pub(crate) fn first(&mut self) -> io::Result<Option<(u32, u64)>> {
        let head = self.frames.torn(HEADER as u64)?;
        let head = head.filter(|_| self.valid);
        Ok(head.map(|head| (head.chunk, head.number)))
    }

    /// Forces it to the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.frames.file().sync()
    }

    /// The frames of a chunk from a message on, as far as they count on.
    fn stretch(&mut self, tail: usize, chunk: u32, first: u64) -> io::Result<Option<Stretch>> {
        let mut stretch: Option<Stretch> = None;
        let mut at = HEADER as u64;
        while let Some(found) = self
            .valid
            .then(|| self.frames.frame(at))
            .transpose()?
            .flatten()
        {
            let head = found.head;
            let before = stretch.as_ref();
            let count = before.map_or(0, |stretch| stretch.chunk.count);
            let content = before.map_or(0, |stretch| stretch.content) + head.length as u64;
            let next = first.checked_add(count.into());
            if head.chunk != chunk || Some(head.number) != next || content > MAX_CHUNK {
                break;
            }
            at = found.end();
            let stretch = stretch.get_or_insert_with(|| Stretch {
                tail,
                chunk: Chunk {
                    flags: Flags::RECOVERED,
                    count: 0,
                    span: Span {
                        first_wall: head.stamp.wall,
                        first_mono: head.stamp.mono,
                        ..Span::default()
                    },
                },
                content: 0,
            });
            stretch.content = content;
            stretch.chunk.count += 1;
            stretch.chunk.span.last_wall = head.stamp.wall;
            stretch.chunk.span.last_mono = head.stamp.mono;
            if head.gap {
                stretch.chunk.flags |= Flags::GAP;
            }
        }
        Ok(stretch)
    }

    /// Whether a message stands in it that is none of the first `messages`.
    pub(crate) fn holds_beyond(&mut self, messages: u64) -> io::Result<bool> {
        if self.valid {
            Ok(self.frames.stray(HEADER as u64, messages)?.is_some())
        } else {
            Ok(!self.frames.is_blank()?)
        }
    }

    /// Whether a frame of this chunk or a later one stands in it: the tail was free for that, so
    /// the member two before it is safe.
    pub(crate) fn holds_chunk(&mut self, chunk: u32) -> io::Result<bool> {
        let mut at = HEADER as u64;
        while let Some((start, end)) = self
            .valid
            .then(|| self.frames.stray(at, 0))
            .transpose()?
            .flatten()
        {
            match self.frames.frame(start)? {
                Some(found) if found.head.chunk < chunk => {}
                Some(_) => return Ok(true),
                // Made to look like a great many frames: that shows nothing.
                None => break,
            }
            at = end;
        }
        Ok(false)
    }
}

impl Run {
    pub(crate) fn of(tails: &mut [Option<Tail>; 2], chain: &Chain) -> io::Result<Self> {
        let mut run = Self {
            chunks: Vec::new(),
            next: chain.messages(),
        };
        for chunk in [chain.number(), chain.number().wrapping_add(1)] {
            let index = usize::from(chunk % 2 == 1);
            let tail = tails.get_mut(index).and_then(Option::as_mut);
            let stretch = tail.map(|tail| tail.stretch(index, chunk, run.next));
            let Some(stretch) = stretch.transpose()?.flatten() else {
                break;
            };
            run.next = run.next.saturating_add(stretch.chunk.count.into());
            run.chunks.push(stretch);
        }
        Ok(run)
    }
}

impl Run {
    /// The frames of the chunks that stand in the tails, whichever they are.
    pub(crate) fn first(tails: &mut [Option<Tail>; 2]) -> io::Result<Self> {
        let mut firsts = Vec::new();
        for (index, tail) in tails.iter_mut().enumerate() {
            let Some(tail) = tail.as_mut().filter(|tail| tail.valid) else {
                continue;
            };
            let found = tail.frames.frame(HEADER as u64)?;
            firsts.extend(found.map(|found| (found.head.chunk, found.head.number, index)));
        }
        firsts.sort_unstable();
        let mut run = Self {
            chunks: Vec::new(),
            next: firsts.first().map_or(0, |(_, number, _)| *number),
        };
        let lowest = firsts.first().map_or(0, |(chunk, ..)| *chunk);
        for (place, (chunk, number, index)) in (0_u32..).zip(firsts) {
            if Some(chunk) != lowest.checked_add(place) || number != run.next {
                break;
            }
            let tail = tails.get_mut(index).and_then(Option::as_mut);
            let stretch = tail.map(|tail| tail.stretch(index, chunk, number));
            let Some(stretch) = stretch.transpose()?.flatten() else {
                break;
            };
            run.next = run.next.saturating_add(stretch.chunk.count.into());
            run.chunks.push(stretch);
        }
        Ok(run)
    }

    /// How many frames it has.
    pub(crate) fn count(&self) -> u64 {
        let counts = self.chunks.iter().map(|stretch| stretch.chunk.count);
        counts.map(u64::from).sum()
    }
}

impl Stretch {
    /// Hands on each message.
    pub(crate) fn each(
        &self,
        tails: &mut [Option<Tail>; 2],
        mut to: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        let missing = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let tail = tails.get_mut(self.tail).and_then(Option::as_mut);
        let frames = &mut tail.ok_or_else(missing)?.frames;
        let (mut at, mut message) = (HEADER as u64, Vec::new());
        for _ in 0..self.chunk.count {
            let found = frames.frame(at)?.ok_or_else(missing)?;
            message.clear();
            frames.message(&found, &mut message)?;
            to(&message);
            at = found.end();
        }
        Ok(())
    }

    /// Appends its messages to `content`.
    pub(crate) fn read(
        &self,
        tails: &mut [Option<Tail>; 2],
        content: &mut Vec<u8>,
    ) -> io::Result<()> {
        let missing = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let tail = tails.get_mut(self.tail).and_then(Option::as_mut);
        let frames = &mut tail.ok_or_else(missing)?.frames;
        content.reserve_exact(usize::try_from(self.content).map_err(io::Error::other)?);
        let mut at = HEADER as u64;
        for _ in 0..self.chunk.count {
            let found = frames.frame(at)?.ok_or_else(missing)?;
            frames.message(&found, content)?;
            at = found.end();
        }
        Ok(())
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
