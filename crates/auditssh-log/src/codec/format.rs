use std::fmt;

/// Length of the header of a log in bytes.
pub const HEADER_LENGTH: usize = 40;

pub(super) const MAGIC: &[u8; 32] = b"ContainerSSH-Auditlog\0\0\0\0\0\0\0\0\0\0\0";

/// The two ways in which messages are strung together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Version 1: one CBOR array of indefinite length. `format: audit`.
    Audit,
    /// Version 2: a CBOR sequence. `format: binary`.
    Binary,
}

/// Why the first 40 bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The magic bytes differ.
    #[error("not an audit log: it does not begin with `ContainerSSH-Auditlog`")]
    Magic([u8; 32]),
    /// The version is none of ours.
    #[error("format version {0} is not supported: only versions 1 and 2 are")]
    Version(u64),
}

impl Format {
    /// Number of the version in the header.
    pub const fn version(self) -> u64 {
        match self {
            Self::Audit => 1,
            Self::Binary => 2,
        }
    }

    /// The 40 bytes that begin a log.
    pub fn header(self) -> [u8; HEADER_LENGTH] {
        let mut header = [0; HEADER_LENGTH];
        let (magic, version) = header.split_at_mut(MAGIC.len());
        magic.copy_from_slice(MAGIC);
        version.copy_from_slice(&self.version().to_le_bytes());
        header
    }

    /// What stands before the first message: the first bytes of the first member's content.
    pub const fn prologue(self) -> &'static [u8] {
        match self {
            Self::Audit => &[0x9f],
            Self::Binary => &[],
        }
    }

    /// What stands after the last message: the content of the final member.
    pub const fn epilogue(self) -> &'static [u8] {
        match self {
            Self::Audit => &[0xff],
            Self::Binary => &[],
        }
    }

    /// Reads a header.
    pub fn from_header(header: &[u8; HEADER_LENGTH]) -> Result<Self, HeaderError> {
        let (magic, version) = header.split_first_chunk().unwrap_or((&[0; 32], &[]));
        if magic != MAGIC {
            return Err(HeaderError::Magic(*magic));
        }
        let version = version.first_chunk().copied().unwrap_or_default();
        match u64::from_le_bytes(version) {
            1 => Ok(Self::Audit),
            2 => Ok(Self::Binary),
            version => Err(HeaderError::Version(version)),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Audit => f.write_str("audit (version 1)"),
            Self::Binary => f.write_str("binary (version 2)"),
        }
    }
}
