//! The subfield `AS`: fields to bytes and back.

use std::ops::{BitOr, BitOrAssign};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The longest content of a member, in bytes: a message of 16 MiB and a chunk before it fit.
pub const MAX_CONTENT: u32 = 32 << 20;

/// The longest member, in bytes: the longest content, stored, with its seal.
pub const MAX_MEMBER: u32 = MAX_CONTENT + (MAX_CONTENT >> 12) + 1024;

/// Length of all that precedes the deflate data, without and with a signature.
pub(super) const PLAIN: usize = 140;
pub(super) const SIGNED: usize = 236;

/// Length of CRC-32 and content length.
pub(super) const TRAILER: usize = 8;

pub(super) const GZIP: [u8; 10] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff];
const ID: [u8; 2] = *b"AS";
const VERSION: u8 = 1;

/// What is said of a member as a whole. Bits that are not named here are not set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// Member 0.
    pub const FIRST: Self = Self(1);
    /// The last member: the log is complete.
    pub const FINAL: Self = Self(2);
    /// Sealed after a crash: until then its messages were protected by their CRC-32C only.
    pub const RECOVERED: Self = Self(4);
    /// Messages are missing within this member or before it.
    pub const GAP: Self = Self(8);

    const ALL: u8 = 15;

    /// Whether all flags of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// The time from the first message to the last, by both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Wall clock of the first message: Unix time in nanoseconds.
    pub first_wall: i64,
    /// Wall clock of the last message: Unix time in nanoseconds.
    pub last_wall: i64,
    /// Monotonic clock of the first message, in nanoseconds.
    pub first_mono: u64,
    /// Monotonic clock of the last message, in nanoseconds.
    pub last_mono: u64,
}

/// What a member says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// What is said of it as a whole.
    pub flags: Flags,
    /// Its number, from 0.
    pub number: u32,
    /// Its length in bytes, all included.
    pub length: u32,
    /// Length of its content, inflated, in bytes.
    pub content: u32,
    /// How many messages it holds.
    pub count: u32,
    /// How many messages the members before it hold: the number of its first message.
    pub first: u64,
    /// When its messages were recorded.
    pub span: Span,
    /// `this` of the member before.
    pub previous: Hash,
    /// Its own hash.
    pub this: Hash,
    /// Who vouches for the log; only on the final member.
    pub signed: Option<Signed>,
}

/// A signature and the key that it is to be checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Ed25519 public key.
    pub key: [u8; 32],
    /// Ed25519 signature.
    pub signature: [u8; 64],
}

impl Seal {
    /// All bytes before the deflate data.
    pub(super) fn encode(&self) -> Vec<u8> {
        let data: u16 = if self.signed.is_some() { 220 } else { 124 };
        let algorithm: u16 = if self.signed.is_some() { 2 } else { 1 };
        let mut out = Vec::with_capacity(SIGNED);
        out.extend(GZIP);
        out.extend((data + 4).to_le_bytes());
        out.extend(ID);
        out.extend(data.to_le_bytes());
        out.extend([VERSION, self.flags.0]);
        out.extend(algorithm.to_le_bytes());
        out.extend(self.number.to_le_bytes());
        out.extend(self.length.to_le_bytes());
        out.extend(self.content.to_le_bytes());
        out.extend(self.count.to_le_bytes());
        out.extend(self.first.to_le_bytes());
        out.extend(self.span.first_wall.to_le_bytes());
        out.extend(self.span.last_wall.to_le_bytes());
        out.extend(self.span.first_mono.to_le_bytes());
        out.extend(self.span.last_mono.to_le_bytes());
        out.extend(self.previous);
        out.extend(self.this);
        if let Some(signed) = &self.signed {
            out.extend(signed.key);
            out.extend(signed.signature);
        }
        out
    }

    /// The same with `this` and the signature zeroed: as it is hashed.
    pub(super) fn encode_blank(&self) -> Vec<u8> {
        let signed = self.signed.map(|signed| Signed {
            signature: [0; 64],
            ..signed
        });
        Self {
            this: [0; 32],
            signed,
            ..self.clone()
        }
        .encode()
    }

    /// Reads what [`Seal::encode`] wrote; `None` if a single byte is not as it writes it.
    pub(super) fn decode(prefix: &[u8]) -> Option<Self> {
        let mut fields = Fields(prefix);
        (fields.take()? == GZIP).then_some(())?;
        let extra = u16::from_le_bytes(fields.take()?);
        (fields.take()? == ID).then_some(())?;
        let data = u16::from_le_bytes(fields.take()?);
        let [version, flags] = fields.take()?;
        let algorithm = u16::from_le_bytes(fields.take()?);
        let signs = match (extra, data, version, algorithm) {
            (128, 124, VERSION, 1) => false,
            (224, 220, VERSION, 2) => true,
            _ => return None,
        };
        (flags & !Flags::ALL == 0).then_some(())?;
        let seal = Self {
            flags: Flags(flags),
            number: u32::from_le_bytes(fields.take()?),
            length: u32::from_le_bytes(fields.take()?),
            content: u32::from_le_bytes(fields.take()?),
            count: u32::from_le_bytes(fields.take()?),
            first: u64::from_le_bytes(fields.take()?),
            span: Span {
                first_wall: i64::from_le_bytes(fields.take()?),
                last_wall: i64::from_le_bytes(fields.take()?),
                first_mono: u64::from_le_bytes(fields.take()?),
                last_mono: u64::from_le_bytes(fields.take()?),
            },
            previous: fields.take()?,
            this: fields.take()?,
            signed: None,
        };
        let signed = if signs {
            Some(Signed {
                key: fields.take()?,
                signature: fields.take()?,
            })
        } else {
            None
        };
        fields.0.is_empty().then_some(Self { signed, ..seal })
    }

    /// Length of what precedes the deflate data, by the first 12 bytes of a member; `None` if they
    /// are not such bytes.
    pub(super) fn prefix(start: &[u8; 12]) -> Option<usize> {
        match start.split_last_chunk::<2>()? {
            (gzip, [128, 0]) if gzip == GZIP => Some(PLAIN),
            (gzip, [224, 0]) if gzip == GZIP => Some(SIGNED),
            _ => None,
        }
    }

    /// Whether `bytes`, shorter than a prefix, can be the beginning of member `number` after
    /// `previous`: it was cut there.
    pub(super) fn may_begin(bytes: &[u8], number: u32, previous: &Hash) -> bool {
        let variants: [[u8; 8]; 2] = [
            [128, 0, b'A', b'S', 124, 0, VERSION, 0],
            [224, 0, b'A', b'S', 220, 0, VERSION, 0],
        ];
        agrees(bytes, 0, &GZIP)
            && variants.iter().any(|shape| agrees(bytes, 10, &shape[..7]))
            && agrees(bytes, 20, &number.to_le_bytes())
            && agrees(bytes, 76, previous)
    }
}

/// Whether those bytes of `expected` that `bytes` reaches, from `at`, are there.
fn agrees(bytes: &[u8], at: usize, expected: &[u8]) -> bool {
    let found = bytes.get(at..).unwrap_or_default();
    found
        .iter()
        .zip(expected)
        .all(|(found, expected)| found == expected)
}

/// Bytes that are taken from the front, field by field.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }
}
