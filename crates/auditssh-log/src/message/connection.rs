use super::Text;

/// Payload of 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connect {
    /// IP address of the peer, without its port.
    pub remote_addr: Text,
    /// ISO 3166-1 code of its country, `XX` where unknown.
    pub country: Text,
}

/// Payload of 198.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandshakeFailed {
    /// Why, for people.
    pub reason: Text,
}

/// Payload of 199.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandshakeSuccessful {
    /// The login name that was given.
    pub username: Text,
}

/// Payload of 200.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GlobalRequestUnknown {
    /// Name of the request.
    pub request_type: Text,
}

/// Payload of 201.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GlobalRequestDecodeFailed {
    /// Number of the request.
    pub request_id: u64,
    /// Name of the request.
    pub request_type: Text,
    /// Its payload as received; `None` where the log says null.
    pub payload: Option<Vec<u8>>,
    /// Why, for people.
    pub reason: Text,
}
