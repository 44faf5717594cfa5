//! The writing side: members one after another, each with the hash of the one before.

use super::deflate::{Deflate, store};
use super::fields::{Flags, Hash, MAX_CONTENT, PLAIN, SIGNED, Seal, Signed, Span, TRAILER};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

const LOG_DOMAIN: &[u8] = b"auditssh log 1\0";
const MEMBER_DOMAIN: &[u8] = b"auditssh member 1\0";
const SEAL_DOMAIN: &[u8] = b"auditssh seal 1\0";

/// Where a log stands: what its next member must say.
///
/// It is known from the header ([`Chain::new`]) and from any member ([`Chain::follow`]), so a chain
/// can be taken up again after a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    number: u32,
    first: u64,
    previous: Hash,
    last_wall: i64,
    last_mono: u64,
}

/// What is to be known of a member's content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// [`Flags::RECOVERED`] and [`Flags::GAP`] as they apply; the others are set by the chain.
    pub flags: Flags,
    /// How many messages the content holds.
    pub count: u32,
    /// When they were recorded.
    pub span: Span,
}

/// How a log of each format version ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Version 1: the array is closed, and so is the gzip stream.
    Array,
    /// Version 2: the sequence ends anywhere, and the gzip stream stays open.
    Sequence,
}

/// Why a member could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The content does not fit into one member.
    #[error("{0} bytes are too many for one member of a log; {MAX_CONTENT} fit")]
    TooLong(usize),
    /// The log has as many members, or messages, as can be numbered.
    #[error("the log is full: no further member can be numbered")]
    Full,
}

impl Chain {
    /// The chain of a log that has only its header.
    pub fn new(header: &[u8; 40]) -> Self {
        Self {
            number: 0,
            first: 0,
            previous: Sha256::new()
                .chain_update(LOG_DOMAIN)
                .chain_update(header)
                .finalize()
                .into(),
            last_wall: 0,
            last_mono: 0,
        }
    }

    /// Number of the next member.
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// How many messages the members so far hold: number of the next message, counted from 0.
    pub const fn messages(&self) -> u64 {
        self.first
    }

    /// What the next member names as previous.
    pub const fn previous(&self) -> &Hash {
        &self.previous
    }

    /// The chain after a member; `None` if no member can follow it.
    #[must_use]
    pub fn follow(seal: &Seal) -> Option<Self> {
        (!seal.flags.contains(Flags::FINAL)).then_some(())?;
        Some(Self {
            number: seal.number.checked_add(1)?,
            first: seal.first.checked_add(seal.count.into())?,
            previous: seal.this,
            last_wall: seal.span.last_wall,
            last_mono: seal.span.last_mono,
        })
    }

    /// Makes the next member and moves on. The content must be whole messages, in version 1 with
    /// the array's first byte before those of member 0.
    pub fn seal(
        &mut self,
        content: &[u8],
        chunk: &Chunk,
        deflate: &mut Deflate,
    ) -> Result<Vec<u8>, SealError> {
        let length = u32::try_from(content.len())
            .ok()
            .filter(|&length| length <= MAX_CONTENT)
            .ok_or(SealError::TooLong(content.len()))?;
        let mut member = vec![0; PLAIN];
        deflate.append(content, &mut member);
        member.extend(libdeflater::crc32(content).to_le_bytes());
        member.extend(length.to_le_bytes());
        member.shrink_to_fit();
        let seal = Seal {
            content: length,
            count: chunk.count,
            span: chunk.span,
            ..self.begin(chunk.flags)
        };
        let seal = close(seal, &mut member, None)?;
        *self = Self::follow(&seal).ok_or(SealError::Full)?;
        Ok(member)
    }

    /// Makes the final member. After it nothing can follow.
    pub fn finish(
        self,
        ending: Ending,
        flags: Flags,
        key: Option<&SigningKey>,
    ) -> Result<Vec<u8>, SealError> {
        let (content, data) = ending.data(self.number);
        let mut member = vec![0; if key.is_some() { SIGNED } else { PLAIN }];
        member.extend(data);
        let seal = Seal {
            content,
            signed: key.map(|key| Signed {
                key: key.verifying_key().to_bytes(),
                signature: [0; 64],
            }),
            ..self.begin(flags | Flags::FINAL)
        };
        close(seal, &mut member, key)?;
        Ok(member)
    }

    /// A seal with what the chain knows.
    fn begin(&self, flags: Flags) -> Seal {
        let first = if self.number == 0 {
            Flags::FIRST
        } else {
            Flags::NONE
        };
        Seal {
            flags: flags | first,
            number: self.number,
            length: 0,
            content: 0,
            count: 0,
            first: self.first,
            span: Span {
                first_wall: self.last_wall,
                last_wall: self.last_wall,
                first_mono: self.last_mono,
                last_mono: self.last_mono,
            },
            previous: self.previous,
            this: [0; 32],
            signed: None,
        }
    }
}

/// Completes the seal with length, hash and signature and puts it before the data of the member,
/// where there is room for it.
fn close(mut seal: Seal, member: &mut [u8], key: Option<&SigningKey>) -> Result<Seal, SealError> {
    let length = member.len();
    seal.length = u32::try_from(length).map_err(|_| SealError::TooLong(length))?;
    let prefix = if key.is_some() { SIGNED } else { PLAIN };
    let (place, data) = member
        .split_at_mut_checked(prefix)
        .ok_or(SealError::TooLong(length))?;
    let mut hash = Hasher::new(&seal);
    hash.update(data);
    seal.this = hash.finish();
    if let (Some(signed), Some(key)) = (&mut seal.signed, key) {
        signed.signature = key.sign(&signed_text(&seal.this)).to_bytes();
    }
    for (place, byte) in place.iter_mut().zip(seal.encode()) {
        *place = byte;
    }
    Ok(seal)
}

impl Ending {
    /// Length of the content of a final member, and all that follows its seal.
    pub(super) fn data(self, number: u32) -> (u32, Vec<u8>) {
        let content: &[u8] = match (self, number) {
            (Self::Sequence, _) => return (0, vec![0, 0, 0, 0xff, 0xff]),
            (Self::Array, 0) => &[0x9f, 0xff],
            (Self::Array, _) => &[0xff],
        };
        let length: u32 = if number == 0 { 2 } else { 1 };
        let mut data = Vec::with_capacity(5 + 2 + TRAILER);
        store(content, &mut data);
        data.extend(libdeflater::crc32(content).to_le_bytes());
        data.extend(length.to_le_bytes());
        (length, data)
    }
}

/// Computes `this` of a member, its data taken piece by piece.
pub(super) struct Hasher(Sha256);

impl Hasher {
    pub(super) fn new(seal: &Seal) -> Self {
        Self(
            Sha256::new()
                .chain_update(MEMBER_DOMAIN)
                .chain_update(seal.encode_blank()),
        )
    }

    pub(super) fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    pub(super) fn finish(self) -> Hash {
        self.0.finalize().into()
    }
}

impl Signed {
    /// Whether the signature over `this` was made with the key that stands beside it. That says
    /// nothing of whose key it is.
    pub fn holds(&self, this: &Hash) -> bool {
        VerifyingKey::from_bytes(&self.key).is_ok_and(|key| {
            let signature = ed25519_dalek::Signature::from_bytes(&self.signature);
            key.verify_strict(&signed_text(this), &signature).is_ok()
        })
    }
}

fn signed_text(this: &Hash) -> Vec<u8> {
    [SEAL_DOMAIN, this].concat()
}
