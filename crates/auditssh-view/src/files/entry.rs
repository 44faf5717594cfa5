use std::borrow::Cow;

/// Something that happened to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The channel.
    pub channel: u64,
    /// When it began: Unix time in nanoseconds.
    pub begun: i64,
    /// When it ended.
    pub ended: i64,
    /// `sftp`, `scp` or `rsync`.
    pub protocol: &'static str,
    /// What was done.
    pub action: Action,
    /// The path as the protocol has it; empty where it is not known.
    pub path: Vec<u8>,
    /// How it ended.
    pub outcome: Outcome,
}

/// What was done to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Its content went through.
    Transfer {
        /// The number of the transfer, as [`Data`](super::Data) has it; 0 if the content is not in
        /// the log.
        number: u64,
        /// Which way.
        direction: Direction,
        /// What is known of the content.
        content: Content,
    },
    /// It got another path.
    Rename(Vec<u8>),
    /// It was removed.
    Remove,
    /// It is a directory, and was made.
    MakeDirectory,
    /// It is a directory, and was removed.
    RemoveDirectory,
    /// Its permissions were set.
    Permissions(u32),
    /// It was cut or extended to so many bytes.
    Truncate(u64),
    /// Its owner or its times were set.
    Attributes,
    /// It is a symbolic link to this path, and was made.
    Symlink(Vec<u8>),
    /// It is a hard link to this path, and was made.
    Link(Vec<u8>),
    /// rsync ran, and named these paths; which files went through cannot be told.
    Sync {
        /// Which way they went.
        direction: Direction,
        /// Bytes from the client and to it.
        bytes: (u64, u64),
    },
    /// The bytes that follow could not be understood: the ledger of this channel ends here.
    Lost,
}

/// Which way a file went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the client.
    Upload,
    /// To the client.
    Download,
}

/// What is known of a content that went through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// How long it is, if all of it went through; else how many bytes did.
    pub bytes: u64,
    /// SHA-256, where all of the file went through from its beginning to its end.
    pub sha256: Option<[u8; 32]>,
    /// Why there is no hash.
    pub incomplete: Option<Cow<'static, str>>,
}

/// How something ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Done,
    /// Not: what was said of it.
    Failed(Cow<'static, str>),
    /// The connection ended before, or the answer is not in the log.
    Unknown,
}

impl Action {
    /// What was done as one word, for programs.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Transfer { direction, .. } => direction.word(),
            Self::Rename(_) => "rename",
            Self::Remove => "remove",
            Self::MakeDirectory => "mkdir",
            Self::RemoveDirectory => "rmdir",
            Self::Permissions(_) => "chmod",
            Self::Truncate(_) => "truncate",
            Self::Attributes => "setstat",
            Self::Symlink(_) => "symlink",
            Self::Link(_) => "link",
            Self::Sync { .. } => "sync",
            Self::Lost => "lost",
        }
    }
}

impl Direction {
    /// `upload` or `download`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Download => "download",
        }
    }
}

impl Action {
    /// Which way something went.
    pub(crate) const fn direction(&self) -> Option<Direction> {
        match self {
            Self::Transfer { direction, .. } | Self::Sync { direction, .. } => Some(*direction),
            _ => None,
        }
    }
}

impl Outcome {
    /// How it ended as one word, for programs.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Done => "ok",
            Self::Failed(_) => "failed",
            Self::Unknown => "unknown",
        }
    }
}
