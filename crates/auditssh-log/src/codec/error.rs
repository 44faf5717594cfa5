use super::HeaderError;
use std::io;

/// Why no further message can be had of a log. An early end is not among it: see
/// [`End`](super::End).
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The log can't be read.
    #[error("cannot read the log at offset {offset}: {source}")]
    Read {
        /// Offset in the file.
        offset: u64,
        /// What reading said.
        source: io::Error,
    },
    /// It does not begin as a log does.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// Its bytes are not what a writer wrote.
    #[error("damaged at offset {offset}, in member {member}: {damage}")]
    Damaged {
        /// What is wrong.
        damage: Damage,
        /// How far the file had been read; the damage is at this offset or shortly before.
        offset: u64,
        /// Number of the gzip member, from 0.
        member: u64,
    },
}

/// What can be wrong with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Where a gzip member should begin, other bytes stand.
    #[error("no gzip member begins here")]
    GzipHeader,
    /// The compressed data is invalid.
    #[error("the compressed data is invalid")]
    Deflate,
    /// A member's checksum differs.
    #[error("the checksum of the member is wrong")]
    Checksum,
    /// A member's length differs.
    #[error("the length of the member is wrong")]
    Length,
    /// The content is not CBOR.
    #[error("the content is not CBOR (RFC 8949)")]
    Cbor,
    /// An item that is no message stands where one should.
    #[error("an item stands here that is no message")]
    NotAMessage,
    /// Something follows the end of the messages.
    #[error("content follows the end of the messages")]
    Trailing,
    /// A message ends early.
    #[error("the message is cut")]
    CutMessage,
    /// A message is larger than [`MAX_MESSAGE`](super::MAX_MESSAGE).
    #[error("a message is larger than 16 MiB")]
    TooLarge,
    /// A message has more parts than [`MAX_VALUES`](super::MAX_VALUES).
    #[error("a message has more than 65536 parts")]
    TooManyValues,
    /// A message is nested more deeply than [`MAX_NESTING`](super::MAX_NESTING).
    #[error("a message is nested more than 16 levels deep")]
    TooDeep,
    /// The content is out of all proportion to the compressed size: no session leaves such a log.
    #[error("it expands out of all proportion: no session leaves such a log")]
    Expansion,
}

/// Why reading stopped, before it has a place.
#[derive(Debug)]
pub(super) enum Fault {
    /// The input ends inside compressed data that nothing says was meant to be whole: logs of
    /// ContainerSSH never end otherwise.
    Unfinished,
    /// The input ends inside something that is written whole.
    Cut,
    Damage(Damage),
    Read(io::Error),
}

impl From<Damage> for Fault {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}
