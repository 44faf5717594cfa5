//! The clear-text start of a stream: version string and KEXINIT (RFC 4253, 4.2 and 7.1).

use auditssh_log::extension::{Handshake, Offer};
use auditssh_log::message::Text;

/// Bytes of a version line (RFC 4253, 4.2), its end included.
const LINE_BYTES: usize = 255;
/// Bytes of a packet that everybody must be able to receive (RFC 4253, 6.1); no KEXINIT is
/// larger.
const PACKET_BYTES: usize = 35_000;
/// Number of the message (RFC 4253, 12).
const KEXINIT: u8 = 20;
/// Bytes of random numbers before the name-lists.
const COOKIE_BYTES: usize = 16;

/// What one side said before encryption began.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Hello {
    /// Its identification string.
    pub(crate) version: Option<Text>,
    /// Its first KEXINIT.
    pub(crate) offer: Option<Offer>,
}

/// Hears one side until both parts were said, or something else.
#[derive(Debug, Default)]
pub(super) struct Listener {
    heard: Vec<u8>,
    hello: Hello,
    done: bool,
}

impl Listener {
    /// Takes in what was said; calls `tell` if that completed a part.
    pub(super) fn hear(&mut self, bytes: &[u8], mut tell: impl FnMut(Hello)) {
        if self.done {
            return;
        }
        let room = (LINE_BYTES + PACKET_BYTES).saturating_sub(self.heard.len());
        self.heard
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if self.hello.version.is_none() && self.version() {
            tell(self.hello.clone());
        }
        if self.hello.version.is_some() && !self.done && self.offer() {
            tell(self.hello.clone());
        }
        if self.done {
            self.heard = Vec::new();
        }
    }

    fn version(&mut self) -> bool {
        let within = self.heard.get(..LINE_BYTES).unwrap_or(&self.heard);
        let Some(end) = within.iter().position(|byte| *byte == b'\n') else {
            self.done = self.heard.len() >= LINE_BYTES;
            // What is no version line may still say who was there.
            return self.done && self.keep_version(LINE_BYTES);
        };
        self.keep_version(end);
        self.heard.drain(..=end);
        true
    }

    fn keep_version(&mut self, end: usize) -> bool {
        let line = self.heard.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.hello.version = Some(line.into());
        true
    }

    fn offer(&mut self) -> bool {
        let Some((length, rest)) = self.heard.split_first_chunk::<4>() else {
            return false;
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > PACKET_BYTES {
            self.done = true;
            return false;
        }
        let Some(packet) = rest.get(..length) else {
            return false;
        };
        self.done = true;
        self.hello.offer = payload(packet).and_then(kexinit);
        self.hello.offer.is_some()
    }
}

fn payload(packet: &[u8]) -> Option<&[u8]> {
    let (padding, rest) = packet.split_first()?;
    rest.get(..rest.len().checked_sub(usize::from(*padding))?)
}

fn kexinit(payload: &[u8]) -> Option<Offer> {
    let (KEXINIT, rest) = payload.split_first().map(|(kind, rest)| (*kind, rest))? else {
        return None;
    };
    let mut rest = rest.get(COOKIE_BYTES..)?;
    let mut names = || name_list(&mut rest);
    Some(Offer {
        kex: names()?,
        host_key: names()?,
        cipher_client_to_server: names()?,
        cipher_server_to_client: names()?,
        mac_client_to_server: names()?,
        mac_server_to_client: names()?,
        compression_client_to_server: names()?,
        compression_server_to_client: names()?,
        language_client_to_server: names()?,
        language_server_to_client: names()?,
    })
}

fn name_list(from: &mut &[u8]) -> Option<Vec<Text>> {
    let (length, rest) = from.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length) as usize;
    let list = rest.get(..length)?;
    *from = rest.get(length..)?;
    if list.is_empty() {
        return Some(Vec::new());
    }
    Some(list.split(|byte| *byte == b',').map(Text::from).collect())
}

/// What both agree on: of each list the client's first name that the server has too (RFC 4253,
/// 7.1). Ciphers that authenticate by themselves leave no MAC.
pub(crate) fn negotiated(client: &Hello, server: &Hello) -> Handshake {
    let mut handshake = Handshake {
        client_version: client.version.clone(),
        server_version: server.version.clone(),
        ..Handshake::default()
    };
    if let (Some(client), Some(server)) = (&client.offer, &server.offer) {
        let first = |of: fn(&Offer) -> &Vec<Text>| agreed(of(client), of(server));
        handshake.kex = first(|offer| &offer.kex);
        handshake.host_key = first(|offer| &offer.host_key);
        handshake.cipher_client_to_server = first(|offer| &offer.cipher_client_to_server);
        handshake.cipher_server_to_client = first(|offer| &offer.cipher_server_to_client);
        if !authenticates(handshake.cipher_client_to_server.as_ref()) {
            handshake.mac_client_to_server = first(|offer| &offer.mac_client_to_server);
        }
        if !authenticates(handshake.cipher_server_to_client.as_ref()) {
            handshake.mac_server_to_client = first(|offer| &offer.mac_server_to_client);
        }
        handshake.compression_client_to_server = first(|offer| &offer.compression_client_to_server);
        handshake.compression_server_to_client = first(|offer| &offer.compression_server_to_client);
    }
    handshake
}

fn agreed(client: &[Text], server: &[Text]) -> Option<Text> {
    client.iter().find(|name| server.contains(name)).cloned()
}

fn authenticates(cipher: Option<&Text>) -> bool {
    cipher.is_some_and(|name| {
        let name = name.as_bytes();
        name.starts_with(b"chacha20-poly1305") || name.windows(5).any(|part| part == b"-gcm@")
    })
}
