//! Packets in a stream of bytes: a length, a kind, and what the kind has. The content of files passes
//! through; of everything else so much is held as is needed.

use super::kind;

/// Longest packet that is believed.
const LONGEST: usize = 64 << 20;
/// How much of a packet is kept.
const KEPT: usize = 64 << 10;
/// Longest handle (draft-ietf-secsh-filexfer, 6.3).
const LONGEST_HANDLE: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Frames {
    state: State,
    buffer: Vec<u8>,
    /// Whether the buffer was given out.
    given: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Head,
    Packet {
        kind: u8,
        left: usize,
    },
    /// A packet with content, up to that.
    Prefix {
        kind: u8,
        left: usize,
    },
    Content {
        left: usize,
        after: usize,
    },
    Skip {
        left: usize,
    },
    Lost,
}

/// What comes next in a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// A packet without its content, which follows if the kind has one.
    Packet(u8, &'a [u8]),
    /// Content.
    Content(&'a [u8]),
    /// These are no packets.
    Lost,
}

impl Frames {
    /// The next frame; `None` when all bytes are taken.
    pub(super) fn next<'a, 'd: 'a>(&'a mut self, data: &mut &'d [u8]) -> Option<Frame<'a>> {
        if std::mem::take(&mut self.given) {
            self.buffer.clear();
        }
        loop {
            match self.state {
                State::Lost => return None,
                State::Head => {
                    let (length, kind) = self.head(data)?;
                    if length == 0 || length > LONGEST {
                        self.state = State::Lost;
                        return Some(Frame::Lost);
                    }
                    let left = length - 1;
                    self.state = match kind {
                        kind::WRITE | kind::DATA => State::Prefix { kind, left },
                        kind => State::Packet { kind, left },
                    };
                }
                State::Packet { kind, left } => {
                    let part = take(data, left);
                    let room = KEPT.saturating_sub(self.buffer.len());
                    self.buffer.extend(part.iter().take(room));
                    let left = left - part.len();
                    if left > 0 {
                        self.state = State::Packet { kind, left };
                        return None;
                    }
                    self.state = State::Head;
                    self.given = true;
                    return Some(Frame::Packet(kind, &self.buffer));
                }
                State::Prefix { kind, left } => {
                    let Ok(next) = self.prefix(kind, left, data)? else {
                        self.state = State::Lost;
                        return Some(Frame::Lost);
                    };
                    self.state = next;
                    self.given = true;
                    return Some(Frame::Packet(kind, &self.buffer));
                }
                State::Content { left: 0, after } => self.state = State::Skip { left: after },
                State::Content { left, after } => {
                    let part = take(data, left);
                    let left = left - part.len();
                    self.state = State::Content { left, after };
                    return (!part.is_empty()).then_some(Frame::Content(part));
                }
                State::Skip { left } => {
                    let left = left - take(data, left).len();
                    if left > 0 {
                        self.state = State::Skip { left };
                        return None;
                    }
                    self.state = State::Head;
                }
            }
        }
    }

    /// The length of a packet and its kind.
    fn head(&mut self, data: &mut &[u8]) -> Option<(usize, u8)> {
        self.fill(data, 5)?;
        let head: [u8; 5] = self.buffer.first_chunk().copied()?;
        self.buffer.clear();
        let [a, b, c, d, kind] = head;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        Some((length, kind))
    }

    /// What precedes the content; and the state in which that comes.
    fn prefix(&mut self, kind: u8, left: usize, data: &mut &[u8]) -> Option<Result<State, ()>> {
        // Of a write the handle and the offset stand between.
        let mut needed = 8;
        if kind == kind::WRITE {
            if left < needed {
                return Some(Err(()));
            }
            self.fill(data, needed)?;
            let handle = self.number(4)?;
            if handle > LONGEST_HANDLE {
                return Some(Err(()));
            }
            needed += handle + 12;
        }
        if left < needed {
            return Some(Err(()));
        }
        self.fill(data, needed)?;
        let length = self.number(needed - 4)?;
        let rest = left - needed;
        Some(Ok(State::Content {
            left: length.min(rest),
            after: rest - length.min(rest),
        }))
    }

    fn number(&self, at: usize) -> Option<usize> {
        let bytes = self.buffer.get(at..)?.first_chunk().copied()?;
        usize::try_from(u32::from_be_bytes(bytes)).ok()
    }

    /// Takes bytes until so many are held; `None` if there are too few.
    fn fill(&mut self, data: &mut &[u8], length: usize) -> Option<()> {
        let missing = length.saturating_sub(self.buffer.len());
        self.buffer.extend_from_slice(take(data, missing));
        (self.buffer.len() >= length).then_some(())
    }
}

/// Takes up to so many bytes.
fn take<'a>(data: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (part, rest) = data.split_at(most.min(data.len()));
    *data = rest;
    part
}
