//! The reading side: walks a log member by member and says how far it holds.

use super::chain::{Chain, Ending, Hasher};
use super::fields::{Flags, MAX_MEMBER, PLAIN, SIGNED, Seal, TRAILER};
use super::source::{Recent, Source};
use super::stock::{self, Stock};
use std::fmt;
use std::io::{self, Read};

const MAGIC: &[u8; 32] = b"ContainerSSH-Auditlog\0\0\0\0\0\0\0\0\0\0\0";

/// A log read as its chain: hashed, not inflated, with memory for one block whatever the log says.
#[derive(Debug)]
pub struct Members<R> {
    source: Source<R>,
    header: [u8; 40],
    ending: Option<Ending>,
    chain: Chain,
    proven: u64,
    end: Option<End>,
}

/// What comes next in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A member that is as it was written: layout, place in the chain, hash, fields, signature.
    Member(Box<Member>),
    /// No further member can be had.
    End(End),
}

/// A member that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where it begins in the log.
    pub offset: u64,
    /// What it says of itself.
    pub seal: Seal,
}

/// How a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With the final member, and nothing after it.
    Final,
    /// Before a final member. All that is there is as it was written.
    Prefix {
        /// Bytes of a member (or of the header) that was begun; 0 at its border.
        begun: u64,
    },
    /// As ContainerSSH leaves its logs: without a chain, and without the end of the gzip stream.
    Foreign,
    /// With something that no writer wrote so.
    Altered(Damage),
}

/// What is wrong with a log, and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Number of the member that does not hold; all before it do.
    pub member: u32,
    /// Where that member, or what stands in its place, begins in the log.
    pub offset: u64,
    /// What is wrong.
    pub kind: Kind,
}

/// In what way a log is altered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The 40-byte header is none, or of an unknown version.
    Header,
    /// No member is there, or one with a layout that no version of the seal has.
    Layout,
    /// Another member stands in its place: one was removed, repeated or moved.
    Number {
        /// The number that stands there.
        found: u32,
    },
    /// It does not follow from what precedes it: it is from another log, or the header or the
    /// member before was replaced.
    Previous,
    /// It is longer or shorter than it says.
    Length,
    /// Its bytes do not have the hash that it names.
    Hash,
    /// Its hash holds, but what it says of itself contradicts what is there.
    Fields,
    /// Its signature was not made with the key beside it.
    Signature,
    /// Something follows the final member.
    Trailing,
    /// There is neither a chain nor a stream as ContainerSSH leaves it.
    Chainless,
    /// It stands under the name of another connection. The bytes alone do not tell that.
    Name,
}

impl Kind {
    /// Whether something follows the final member.
    pub const fn is_trailing(self) -> bool {
        matches!(self, Self::Trailing)
    }

    /// The kind as one word, for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Layout => "layout",
            Self::Number { .. } => "number",
            Self::Previous => "previous",
            Self::Length => "length",
            Self::Hash => "hash",
            Self::Fields => "fields",
            Self::Signature => "signature",
            Self::Trailing => "trailing",
            Self::Chainless => "chainless",
            Self::Name => "name",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { found } => return write!(f, "member {found} stands in its place"),
            Self::Header => "the header is not that of an audit log",
            Self::Layout => "this is not laid out as a member",
            Self::Previous => "it does not follow from what precedes it",
            Self::Length => "it is not as long as it says",
            Self::Hash => "its hash does not hold",
            Self::Fields => "what it says of itself is not so",
            Self::Signature => "its signature does not hold",
            Self::Trailing => "something follows the final member",
            Self::Chainless => "there is no chain, and the stream is not as ContainerSSH leaves it",
            Self::Name => "it is the log of another connection than its name says",
        }
        .fmt(f)
    }
}

impl<R: Read> Members<R> {
    /// Reads the header. What is wrong with it is told by the first [`Members::step`].
    pub fn open(input: R) -> io::Result<Self> {
        let mut source = Source::new(input);
        let mut header = [0; 40];
        let length = source.fill(&mut header)?;
        let ending = match header.split_at(32) {
            (magic, [1, 0, 0, 0, 0, 0, 0, 0]) if magic == MAGIC => Some(Ending::Array),
            (magic, [2, 0, 0, 0, 0, 0, 0, 0]) if magic == MAGIC => Some(Ending::Sequence),
            _ => None,
        };
        let end = if length < header.len() && may_be_header(header.get(..length)) {
            Some(End::Prefix {
                begun: length as u64,
            })
        } else if ending.is_none() {
            Some(altered(0, 0, Kind::Header))
        } else {
            None
        };
        Ok(Self {
            source,
            header,
            ending,
            chain: Chain::new(&header),
            proven: if end.is_none() { 40 } else { 0 },
            end,
        })
    }

    /// The 40-byte header as it was read.
    pub const fn header(&self) -> &[u8; 40] {
        &self.header
    }

    /// How the log's version ends a log; `None` if the header is none.
    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Where the next member begins: all before it holds.
    pub const fn proven(&self) -> u64 {
        self.proven
    }

    /// How many bytes were read so far.
    pub const fn read(&self) -> u64 {
        self.source.read
    }

    /// What the next member must say; to append to a log, take this at its end.
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Reads the next member to its end. After an [`End`] it is returned again and again.
    pub fn step(&mut self) -> io::Result<Step> {
        if let Some(end) = self.end {
            return Ok(Step::End(end));
        }
        match self.member()? {
            Ok(member) => Ok(Step::Member(Box::new(member))),
            Err(end) => {
                self.end = Some(end);
                Ok(Step::End(end))
            }
        }
    }

    fn member(&mut self) -> io::Result<Result<Member, End>> {
        let seal = match self.seal()? {
            Ok(seal) => seal,
            Err(end) => return Ok(Err(end)),
        };
        let (hash, last) = match self.data(&seal)? {
            Ok(data) => data,
            Err(end) => return Ok(Err(end)),
        };
        if let Some(kind) = self.fault(&seal, hash.finish() == seal.this, &last) {
            return Ok(Err(self.altered(kind)));
        }
        let offset = self.proven;
        self.proven += u64::from(seal.length);
        if let Some(chain) = Chain::follow(&seal) {
            self.chain = chain;
        } else {
            let number = seal.number.saturating_add(1);
            self.end = Some(match self.source.fill(&mut [0])? {
                0 => End::Final,
                _ => altered(number, self.proven, Kind::Trailing),
            });
        }
        Ok(Ok(Member { offset, seal }))
    }

    /// Reads what precedes the data of a member.
    fn seal(&mut self) -> io::Result<Result<Seal, End>> {
        let mut prefix = [0; SIGNED];
        let (start, rest) = prefix.split_at_mut(12);
        let mut length = self.source.fill(start)?;
        if length == 0 {
            return Ok(Err(End::Prefix { begun: 0 }));
        }
        let start = start.get_mut(..length).unwrap_or_default();
        if self.chain.number() == 0 && stock::begins(start) {
            return self.stock(start).map(Err);
        }
        let whole = start.first_chunk().and_then(Seal::prefix);
        if let Some(rest) = whole.and_then(|whole| rest.get_mut(..whole - 12)) {
            length += self.source.fill(rest)?;
        }
        let prefix = prefix.get(..length).unwrap_or_default();
        if whole != Some(length) {
            return Ok(Err(self.torn(prefix)));
        }
        Ok(match Seal::decode(prefix) {
            None => Err(self.altered(Kind::Layout)),
            Some(seal) => match self.misplaced(&seal) {
                Some(kind) => Err(self.altered(kind)),
                None => Ok(seal),
            },
        })
    }

    /// What bytes are that are no whole prefix of a member.
    fn torn(&self, prefix: &[u8]) -> End {
        if self.source.ended && Seal::may_begin(prefix, self.chain.number(), self.chain.previous())
        {
            let begun = prefix.len() as u64;
            End::Prefix { begun }
        } else {
            self.altered(Kind::Layout)
        }
    }

    /// What can be wrong with a seal before the data is read.
    fn misplaced(&self, seal: &Seal) -> Option<Kind> {
        if seal.number != self.chain.number() {
            return Some(Kind::Number { found: seal.number });
        }
        if seal.previous != *self.chain.previous() {
            return Some(Kind::Previous);
        }
        let data = (seal.length as usize).checked_sub(prefix_length(seal));
        let possible = match (data, self.final_data(seal)) {
            (Some(data), Some((_, expected))) => data == expected.len(),
            (Some(data), None) => data > TRAILER && seal.length <= MAX_MEMBER,
            (None, _) => false,
        };
        (!possible).then_some(Kind::Length)
    }

    /// Reads and hashes the data of a member; returns with it the data's last bytes.
    fn data(&mut self, seal: &Seal) -> io::Result<Result<(Hasher, Recent), End>> {
        let prefix = prefix_length(seal);
        let mut hash = Hasher::new(seal);
        let mut last = Recent::default();
        let mut missing = (seal.length as usize).saturating_sub(prefix);
        while missing > 0 {
            let block = self.source.block(missing)?;
            if block.is_empty() {
                let begun = (seal.length as usize - missing) as u64;
                let whole = self.source.ends_with_final(seal.number);
                let end = End::Prefix { begun };
                return Ok(Err(if whole {
                    self.altered(Kind::Length)
                } else {
                    end
                }));
            }
            missing -= block.len();
            hash.update(block);
            last.push(block);
        }
        Ok(Ok((hash, last)))
    }

    /// What is wrong with a member that is there as a whole.
    fn fault(&self, seal: &Seal, hash_holds: bool, last: &Recent) -> Option<Kind> {
        if !hash_holds {
            return Some(Kind::Hash);
        }
        let first = seal.flags.contains(Flags::FIRST) == (seal.number == 0);
        let content = match self.final_data(seal) {
            Some((content, data)) => {
                seal.count == 0 && seal.content == content && last.ends_with(&data)
            }
            None => seal.signed.is_none() && last.ends_with(&seal.content.to_le_bytes()),
        };
        if !first || !content || seal.first != self.chain.messages() {
            return Some(Kind::Fields);
        }
        match &seal.signed {
            Some(signed) if !signed.holds(&seal.this) => Some(Kind::Signature),
            _ => None,
        }
    }

    /// What a final member must hold; `None` for others.
    fn final_data(&self, seal: &Seal) -> Option<(u32, Vec<u8>)> {
        let ending = self.ending?;
        let last = seal.flags.contains(Flags::FINAL);
        last.then(|| ending.data(seal.number))
    }

    /// Reads a log without a chain to its end.
    fn stock(&mut self, start: &[u8]) -> io::Result<End> {
        let found = stock::inflate(start, &mut self.source)?;
        Ok(match found {
            Stock::Endless => End::Foreign,
            Stock::Other => self.altered(Kind::Chainless),
        })
    }

    fn altered(&self, kind: Kind) -> End {
        altered(self.chain.number(), self.proven, kind)
    }
}

fn altered(member: u32, offset: u64, kind: Kind) -> End {
    End::Altered(Damage {
        member,
        offset,
        kind,
    })
}

fn prefix_length(seal: &Seal) -> usize {
    if seal.signed.is_some() { SIGNED } else { PLAIN }
}

/// Whether this, too short for a header, can be the beginning of one.
fn may_be_header(found: Option<&[u8]>) -> bool {
    let found = found.unwrap_or_default();
    [1, 2].iter().any(|&version| {
        let number = [version, 0, 0, 0, 0, 0, 0, 0];
        found
            .iter()
            .zip(MAGIC.iter().chain(&number))
            .all(|(found, whole)| found == whole)
    })
}
