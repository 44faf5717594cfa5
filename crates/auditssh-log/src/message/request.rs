use super::Text;

/// Payload of 400.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelRequestUnknown {
    /// Number of the request within its channel, from 0.
    pub request_id: u64,
    /// Name of the request.
    pub request_type: Text,
    /// Its payload as received; `None` where the log says null.
    pub payload: Option<Vec<u8>>,
}

/// Payload of 401.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelRequestDecodeFailed {
    /// Number of the request within its channel, from 0.
    pub request_id: u64,
    /// Name of the request.
    pub request_type: Text,
    /// Its payload as received; `None` where the log says null.
    pub payload: Option<Vec<u8>>,
    /// Why, for people.
    pub reason: Text,
}

/// Payload of 402.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetEnv {
    /// Number of the request within its channel, from 0.
    pub request_id: u64,
    /// Name of the variable.
    pub name: Text,
    /// Its value.
    pub value: Text,
}

/// Payload of 403.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exec {
    /// Number of the request within its channel, from 0.
    pub request_id: u64,
    /// The command line.
    pub program: Text,
}

/// Payload of 404.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pty {
    /// Number of the request within its channel, from 0.
    pub request_id: u64,
    /// Value for `TERM`.
    pub term: Text,
    /// Width in characters.
    pub columns: u64,
    /// Height in characters.
    pub rows: u64,
    /// Width in pixels.
    pub width: u64,
    /// Height in pixels.
    pub height: u64,
    /// Encoded terminal modes as received (RFC 4254, 8); null in a log reads as empty.
    pub modelist: Vec<u8>,
}

/// Payload of 405.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shell {
    /// Number of the request within its channel, from 0.
    pub request_id: u64,
}

/// Payload of 406.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signal {
    /// Number of the request within its channel, from 0.
    pub request_id: u64,
    /// Name of the signal without `SIG`.
    pub signal: Text,
}

/// Payload of 407.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subsystem {
    /// Number of the request within its channel, from 0.
    pub request_id: u64,
    /// Name of the subsystem.
    pub subsystem: Text,
}

/// Payload of 408.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Number of the request within its channel, from 0.
    pub request_id: u64,
    /// Width in characters.
    pub columns: u64,
    /// Height in characters.
    pub rows: u64,
    /// Width in pixels.
    pub width: u64,
    /// Height in pixels.
    pub height: u64,
}

/// Payload of 409.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct X11 {
    /// Number of the request within its channel, from 0.
    pub request_id: u64,
    /// Whether only one connection is forwarded.
    pub single_connection: bool,
    /// X11 authentication protocol.
    pub auth_protocol: Text,
    /// X11 authentication cookie.
    pub cookie: Text,
    /// X11 screen number.
    pub screen: u64,
}

/// Payload of 501.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFailed {
    /// Number of the request within its channel, from 0.
    pub request_id: u64,
    /// Why, for people.
    pub reason: Text,
}
