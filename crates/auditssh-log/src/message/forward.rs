use super::Text;

/// Payload of 202 and 203.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReverseForward {
    /// Address to listen on.
    pub bind_host: Text,
    /// Port to listen on.
    pub bind_port: u64,
}

/// Payload of 303.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardChannel {
    /// Host that the client wants to reach.
    pub host_to_connect: Text,
    /// Its port.
    pub port_to_connect: u64,
    /// Where the client's side of the connection comes from.
    pub originator_host: Text,
    /// Its port.
    pub originator_port: u64,
}

/// Payload of 304.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReverseForwardChannel {
    /// Address that was connected to.
    pub connected_host: Text,
    /// Its port.
    pub connected_port: u64,
    /// Who connected.
    pub originator_host: Text,
    /// Its port.
    pub originator_port: u64,
}

/// Payload of 305.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct X11ForwardChannel {
    /// Who connected.
    pub originator_host: Text,
    /// Its port.
    pub originator_port: u64,
}

/// Payload of 204, 205, 306 and 307.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamLocal {
    /// Path of the Unix socket.
    pub path: Text,
}
