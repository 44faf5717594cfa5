//! A log and its tails as a crash, or someone else, may have left them.

use arbitrary::Arbitrary;
use auditssh_log::Message;
use auditssh_log::codec::{Format, encode};
use auditssh_log::message::{Event, Io, Stream};
use auditssh_log::seal::{Chain, Chunk, Deflate, Ending, Flags};
use auditssh_log::tail::{self, Header, Stamp};

/// The connection.
pub const ID: &str = "00112233445566778899aabbccddeeff";

/// How a log was written, and what became of it.
#[derive(Arbitrary, Clone, Debug)]
pub struct Case {
    /// How many messages each chunk holds.
    chunks: Vec<u8>,
    /// The last chunks are sealed or still in their tails.
    open: u8,
    finished: bool,
    second_version: bool,
    /// Done to the log and both tails.
    harm: Vec<Harm>,
}

/// What is done to one of the three files.
#[derive(Arbitrary, Clone, Debug)]
struct Harm {
    file: u8,
    at: u16,
    what: What,
}

#[derive(Arbitrary, Clone, Debug)]
enum What {
    Change(u8),
    Cut,
    Remove(u8),
    Insert(Vec<u8>),
    Zero(u8),
    /// Bytes from elsewhere in the same file.
    Copy {
        from: u16,
        length: u8,
    },
}

/// The files, before and after.
pub struct Files {
    /// The log as it was written.
    pub written: Vec<u8>,
    /// The log, then both tails.
    pub left: [Vec<u8>; 3],
    /// Whether the log was written to its end.
    pub finished: bool,
    /// Messages in the log and the tails, as long as nothing was done to them.
    pub messages: u64,
    /// Whether something was done.
    pub harmed: bool,
}

impl Case {
    /// Writes the files.
    pub fn files(&self) -> Files {
        let format = if self.second_version {
            Format::Binary
        } else {
            Format::Audit
        };
        let header = format.header();
        let chunks: Vec<u64> = self
            .chunks
            .iter()
            .take(6)
            .map(|count| u64::from(count % 5) + 1)
            .collect();
        let open = if self.finished {
            0
        } else {
            usize::from(self.open % 3)
        };
        let sealed = chunks.len().saturating_sub(open);
        let (mut log, mut chain) = (header.to_vec(), Chain::new(&header));
        let mut tails = [tail_header(format), tail_header(format)];
        let mut next = 0;
        for (number, &count) in (0_u32..).zip(&chunks) {
            let messages = next..next + count;
            next += count;
            let index = usize::try_from(number % 2).expect("0 or 1");
            overwrite(&mut tails[index], &frames(number, messages.clone(), format));
            if usize::try_from(number).expect("few") < sealed {
                let mut content = Vec::new();
                if number == 0 {
                    content.extend(format.prologue());
                }
                messages
                    .clone()
                    .for_each(|n| encode(&message(n), &mut content));
                let chunk = Chunk {
                    count: u32::try_from(count).expect("few"),
                    ..Chunk::default()
                };
                log.extend(
                    chain
                        .seal(&content, &chunk, &mut Deflate::new())
                        .expect("room"),
                );
            }
        }
        if self.finished {
            let ending = match format {
                Format::Audit => Ending::Array,
                Format::Binary => Ending::Sequence,
            };
            log.extend(chain.finish(ending, Flags::NONE, None).expect("room"));
        }
        let written = log.clone();
        let [even, odd] = tails;
        let mut left = [log, even, odd];
        for harm in self.harm.iter().take(8) {
            harm.to(&mut left[usize::from(harm.file % 3)]);
        }
        Files {
            harmed: !self.harm.is_empty(),
            written,
            left,
            finished: self.finished,
            messages: next,
        }
    }
}

impl Harm {
    fn to(&self, file: &mut Vec<u8>) {
        let at = usize::from(self.at) % (file.len() + 1);
        let end = |length: u8| (at + usize::from(length)).min(file.len());
        match &self.what {
            What::Change(mask) => {
                if let Some(byte) = file.get_mut(at) {
                    *byte ^= mask;
                }
            }
            What::Cut => file.truncate(at),
            What::Remove(length) => drop(file.drain(at..end(*length))),
            What::Insert(bytes) => drop(file.splice(at..at, bytes.iter().copied())),
            What::Zero(length) => {
                let end = end(*length);
                file[at..end].fill(0);
            }
            What::Copy { from, length } => {
                let from = usize::from(*from) % (file.len() + 1);
                let until = (from + usize::from(*length)).min(file.len());
                let copied = file[from..until].to_vec();
                file.splice(at..at, copied);
            }
        }
    }
}

/// The message with this number.
pub fn message(number: u64) -> Message {
    let time = i64::try_from(number).expect("few");
    let data = vec![b'x'; usize::try_from(number % 50).expect("few")];
    let stream = Stream::Stdout;
    Message::new(ID, time, Some(0), Event::Io(Io { stream, data }))
}

fn seed(format: Format) -> Header {
    Header {
        id: *ID.as_bytes().first_chunk().expect("an id"),
        version: u32::try_from(format.version()).expect("1 or 2"),
        nonce: [3; 8],
    }
}

fn tail_header(format: Format) -> Vec<u8> {
    seed(format).encode().to_vec()
}

fn frames(chunk: u32, messages: std::ops::Range<u64>, format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    for number in messages {
        let mut frame = Vec::new();
        tail::open(&mut frame, Stamp::default(), false, |out| {
            encode(&message(number), out)
        });
        tail::place(&mut frame, seed(format).seed(), chunk, number).expect("a whole frame");
        out.extend(frame);
    }
    out
}

/// A tail is overwritten from its first frame, not cut.
fn overwrite(tail: &mut Vec<u8>, frames: &[u8]) {
    let end = tail::HEADER + frames.len();
    if tail.len() < end {
        tail.resize(end, 0);
    }
    tail[tail::HEADER..end].copy_from_slice(frames);
}
