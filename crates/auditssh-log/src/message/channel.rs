use super::Text;

/// Payload of 300 and 301.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewChannel {
    /// Type of the channel.
    pub channel_type: Text,
}

/// Payload of 302.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewChannelFailed {
    /// Type of the channel.
    pub channel_type: Text,
    /// Why, for people.
    pub reason: Text,
}

/// Payload of 499.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExitStatus {
    /// Exit status of the program.
    pub exit_status: u32,
}

/// Payload of 498.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExitSignal {
    /// Name of the signal without `SIG`.
    pub signal: Text,
    /// Whether a core file was written.
    pub core_dumped: bool,
    /// Explanation for people.
    pub error_message: Text,
    /// Language of the explanation (RFC 3066).
    pub language_tag: Text,
}

/// Payload of 500.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Io {
    /// Which way the bytes went.
    pub stream: Stream,
    /// The bytes; null in a log reads as empty.
    pub data: Vec<u8>,
}

/// Which way bytes went, as numbered on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// 0: from the client.
    #[default]
    Stdin,
    /// 1: to the client.
    Stdout,
    /// 2: to the client, as extended data (RFC 4254, 5.2).
    Stderr,
    /// A number that has no meaning yet.
    Other(u64),
}

impl From<u64> for Stream {
    fn from(number: u64) -> Self {
        match number {
            0 => Self::Stdin,
            1 => Self::Stdout,
            2 => Self::Stderr,
            other => Self::Other(other),
        }
    }
}

impl From<Stream> for u64 {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::Stdin => 0,
            Stream::Stdout => 1,
            Stream::Stderr => 2,
            Stream::Other(number) => number,
        }
    }
}
