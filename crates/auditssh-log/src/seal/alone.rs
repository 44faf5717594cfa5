//! Members taken out of their place: what can be had of a damaged log.

use super::chain::Hasher;
use super::fields::{MAX_CONTENT, MAX_MEMBER, PLAIN, SIGNED, Seal, TRAILER};
use flate2::{Decompress, FlushDecompress, Status};

/// How many bytes [`Seal::read`] needs at most.
pub const SEAL_LENGTH: usize = SIGNED;

/// What every member begins with; to search for members.
pub const MEMBER_START: [u8; 10] = super::fields::GZIP;

impl Seal {
    /// Reads the seal of the member at the start of `bytes`, wherever that stands; `None` if none
    /// is there, or its lengths are not possible. Says nothing of what follows it: see
    /// [`Seal::holds`].
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let prefix = Self::prefix(bytes.first_chunk()?)?;
        let seal = Self::decode(bytes.get(..prefix)?)?;
        let possible = seal.length as usize > prefix
            && seal.length <= MAX_MEMBER
            && seal.content <= MAX_CONTENT;
        possible.then_some(seal)
    }

    /// Whether `member`, all of it, has the hash that this seal, read from it, names.
    pub fn holds(&self, member: &[u8]) -> bool {
        let mut hash = Hasher::new(self);
        hash.update(member.get(self.data_start()..).unwrap_or_default());
        member.len() == self.length as usize && hash.finish() == self.this
    }

    /// The content of `member`, from which this seal was read.
    pub fn content_of(&self, member: &[u8]) -> Vec<u8> {
        inflate(member.get(self.data_start()..).unwrap_or_default())
    }

    /// Where the deflate data of a member with this seal begins.
    pub fn data_start(&self) -> usize {
        if self.signed.is_some() { SIGNED } else { PLAIN }
    }
}

/// What can be inflated of a member that does not hold, and may be cut.
pub fn inflate_damaged(member: &[u8]) -> Vec<u8> {
    let signed = Seal::read(member).is_some_and(|seal| seal.signed.is_some());
    let start = if signed { SIGNED } else { PLAIN };
    inflate(member.get(start..).unwrap_or_default())
}

/// Inflates up to the end of the stream, of the input, to damage, or to [`MAX_CONTENT`].
fn inflate(data: &[u8]) -> Vec<u8> {
    let mut inflate = Decompress::new(false);
    let mut content = Vec::with_capacity(data.len().min(MAX_CONTENT as usize) + TRAILER);
    loop {
        let taken = usize::try_from(inflate.total_in()).unwrap_or(usize::MAX);
        let rest = data.get(taken..).unwrap_or_default();
        let room = content.capacity() - content.len();
        let status = inflate.decompress_vec(rest, &mut content, FlushDecompress::None);
        let full = content.len() == content.capacity();
        let stuck = usize::try_from(inflate.total_in()) == Ok(taken)
            && content.capacity() - content.len() == room;
        match status {
            Ok(Status::Ok | Status::BufError) if full && content.len() < MAX_CONTENT as usize => {
                content.reserve(content.len().max(1 << 10));
            }
            Ok(Status::Ok | Status::BufError) if !stuck && !full => {}
            _ => break,
        }
    }
    content.truncate(MAX_CONTENT as usize);
    content
}
