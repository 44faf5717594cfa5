//! Clients behind a balancer: where they are, as the balancer tells in front of what they say
//! (the PROXY protocol, versions 1 and 2, as HAProxy's `proxy-protocol.txt` has it).

use crate::auth::source::Sources;
use ppp::{HeaderResult, v1, v2};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a balancer may take to say who comes; a lost packet is repeated after three seconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest line of version 1, its end included.
const LINE: usize = 107;
/// The start of version 2: signature, version, family and the length of the rest.
const START: usize = 16;
/// More than a balancer has to tell: addresses, and what it knows of TLS.
const REST: usize = 4096;

/// The balancers that tell where a client is. What anybody else says of that is not heeded.
#[derive(Clone, Debug, Default)]
pub struct Balancers(Option<Sources>);

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) remote: SocketAddr,
    pub(super) local: SocketAddr,
}

/// Why a balancer's connection is not served.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unknown {
    /// It asked whether the server is there, no more.
    #[error("nothing was said")]
    Nothing,
    #[error("the header did not come within {PATIENCE:?}; is the balancer set up to send it?")]
    Late,
    #[error("what came is no header of the PROXY protocol; is the balancer set up to send it?")]
    Other,
    #[error("the header can't be read: {0}")]
    Malformed(String),
    #[error("the header could not be read: {0}")]
    Failed(#[from] io::Error),
}

impl Balancers {
    /// Those at these addresses or in these networks (`10.0.0.0/8`).
    pub fn at(networks: &[impl AsRef<str>]) -> Result<Self, String> {
        if networks.is_empty() {
            return Ok(Self::default());
        }
        let list: Vec<&str> = networks.iter().map(AsRef::as_ref).collect();
        Sources::networks(&list.join(",")).map(Some).map(Self)
    }

    fn have(&self, address: IpAddr) -> bool {
        self.0.as_ref().is_some_and(|all| all.allow(address))
    }

    /// Where the client of a connection is, and where it connected to. The socket's own ends,
    /// unless a balancer has accepted it.
    pub(super) async fn ends(&self, tcp: &mut TcpStream, own: Ends) -> Result<Ends, Unknown> {
        if !self.have(own.remote.ip()) {
            return Ok(own);
        }
        let header = tokio::time::timeout(PATIENCE, header(tcp));
        let header = header.await.map_err(|_| Unknown::Late)??;
        Ok(told(&header)?.unwrap_or(own))
    }
}

/// The header, and nothing of what follows it.
async fn header(tcp: &mut TcpStream) -> Result<Vec<u8>, Unknown> {
    let mut bytes = Vec::with_capacity(LINE);
    loop {
        let mut byte = [0];
        match tcp.read(&mut byte).await? {
            0 if bytes.is_empty() => return Err(Unknown::Nothing),
            0 => return Err(Unknown::Malformed("it ends too early".to_owned())),
            _ => bytes.extend(byte),
        }
        let is_binary = v2::PROTOCOL_PREFIX.starts_with(head(&bytes, v2::PROTOCOL_PREFIX.len()));
        let is_text = b"PROXY ".starts_with(head(&bytes, 6));
        if is_text && (bytes.ends_with(b"\n") || bytes.len() == LINE) {
            return Ok(bytes);
        }
        if is_binary && bytes.len() == START {
            break;
        }
        if !is_text && !is_binary {
            return Err(Unknown::Other);
        }
    }
    let length = match bytes.last_chunk() {
        Some(length) => usize::from(u16::from_be_bytes(*length)),
        None => 0,
    };
    if length > REST {
        let text = format!("it has {length} bytes, more than {REST}");
        return Err(Unknown::Malformed(text));
    }
    bytes.resize(START + length, 0);
    tcp.read_exact(bytes.get_mut(START..).unwrap_or_default())
        .await?;
    Ok(bytes)
}

fn head(bytes: &[u8], length: usize) -> &[u8] {
    bytes.get(..length).unwrap_or(bytes)
}

/// What a header says of the ends; `None` for a connection of the balancer's own, or one that it
/// knows nothing of.
fn told(header: &[u8]) -> Result<Option<Ends>, Unknown> {
    let malformed = |error: &dyn std::fmt::Display| Unknown::Malformed(error.to_string());
    Ok(match HeaderResult::parse(header) {
        HeaderResult::V1(header) => match header.map_err(|error| malformed(&error))?.addresses {
            v1::Addresses::Tcp4(it) => Some(Ends {
                remote: (it.source_address, it.source_port).into(),
                local: (it.destination_address, it.destination_port).into(),
            }),
            v1::Addresses::Tcp6(it) => Some(Ends {
                remote: (it.source_address, it.source_port).into(),
                local: (it.destination_address, it.destination_port).into(),
            }),
            v1::Addresses::Unknown => None,
        },
        HeaderResult::V2(header) => {
            let header = header.map_err(|error| malformed(&error))?;
            match (header.command, header.addresses) {
                (v2::Command::Proxy, v2::Addresses::IPv4(it)) => Some(Ends {
                    remote: (it.source_address, it.source_port).into(),
                    local: (it.destination_address, it.destination_port).into(),
                }),
                (v2::Command::Proxy, v2::Addresses::IPv6(it)) => Some(Ends {
                    remote: (it.source_address, it.source_port).into(),
                    local: (it.destination_address, it.destination_port).into(),
                }),
                _ => None,
            }
        }
    })
}

/// Hangs up on a balancer, which has no user to be told why.
pub(super) async fn leave(mut tcp: TcpStream) {
    // It is gone, or does not speak to us.
    let _ = tcp.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn own() -> Ends {
        Ends {
            remote: "127.0.0.1:50000".parse().unwrap(),
            local: "127.0.0.1:2222".parse().unwrap(),
        }
    }

    /// What is told when a balancer sends this and hangs up, and what is left to be read then.
    async fn heard(balancers: &Balancers, sent: &[u8]) -> (Result<Ends, Unknown>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (mut tcp, _) = listener.accept().await.unwrap();
        client.write_all(sent).await.unwrap();
        client.shutdown().await.unwrap();
        let ends = balancers.ends(&mut tcp, own()).await;
        let mut rest = Vec::new();
        tcp.read_to_end(&mut rest).await.unwrap();
        (ends, rest)
    }

    fn version2(command: u8, family: u8, addresses: &[u8], more: &[u8]) -> Vec<u8> {
        let mut bytes = v2::PROTOCOL_PREFIX.to_vec();
        let length = u16::try_from(addresses.len() + more.len()).unwrap();
        bytes.extend([0x20 | command, family]);
        bytes.extend(length.to_be_bytes());
        bytes.extend(addresses);
        bytes.extend(more);
        bytes
    }

    const V4: [u8; 12] = [192, 0, 2, 7, 203, 0, 113, 5, 0xc3, 0x50, 0, 22];

    #[tokio::test]
    async fn a_balancer_tells_where_the_client_is() {
        let balancers = Balancers::at(&["127.0.0.0/8"]).unwrap();
        let client = Ends {
            remote: "192.0.2.7:50000".parse().unwrap(),
            local: "203.0.113.5:22".parse().unwrap(),
        };
        for header in [
            b"PROXY TCP4 192.0.2.7 203.0.113.5 50000 22\r\n".to_vec(),
            version2(1, 0x11, &V4, b""),
            version2(1, 0x11, &V4, &[4, 0, 2, 1, 1]),
        ] {
            let (ends, rest) =
                heard(&balancers, &[&header, b"SSH-2.0-x\r\n".as_slice()].concat()).await;
            assert_eq!(ends.unwrap(), client);
            assert_eq!(rest, b"SSH-2.0-x\r\n", "what follows is the client's");
        }
        let line = b"PROXY TCP6 2001:db8::7 2001:db8::1 1 22\r\n";
        let (ends, _) = heard(&balancers, line).await;
        assert_eq!(ends.unwrap().remote, "[2001:db8::7]:1".parse().unwrap());
        for header in [
            b"PROXY UNKNOWN\r\n".to_vec(),
            version2(0, 0, b"", b""),
            version2(0, 0x11, &V4, b""),
            version2(1, 0x31, &[b'x'; 216], b""),
        ] {
            let (ends, _) = heard(&balancers, &header).await;
            assert_eq!(ends.unwrap(), own(), "{header:?}");
        }
    }

    #[tokio::test]
    async fn nobody_else_is_believed() {
        let sent = b"PROXY TCP4 192.0.2.7 203.0.113.5 50000 22\r\n";
        for balancers in [
            Balancers::default(),
            Balancers::at(&["192.0.2.0/24"]).unwrap(),
        ] {
            let (ends, rest) = heard(&balancers, sent).await;
            assert_eq!(ends.unwrap(), own());
            assert_eq!(rest, sent);
        }
    }

    #[tokio::test]
    async fn what_a_balancer_says_wrongly_is_refused() {
        let balancers = Balancers::at(&["127.0.0.1"]).unwrap();
        let long = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
        for (sent, expected) in [
            (b"".as_slice(), "nothing was said"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", "is no header"),
            (b"PROXY TCP4 192.0", "ends too early"),
            (b"PROXY TCP4 x 203.0.113.5 50000 22\r\n", "can't be read"),
            (b"PROXY TCP4 192.0.2.7\n", "can't be read"),
            (&long, "can't be read"),
            (&version2(1, 0x11, &V4[..8], b""), "can't be read"),
            (&version2(1, 0x11, &V4, &[0; 5000]), "more than 4096"),
            (&version2(7, 0x11, &V4, b""), "can't be read"),
            (&v2::PROTOCOL_PREFIX[..9], "ends too early"),
        ] {
            let (ends, _) = heard(&balancers, sent).await;
            let text = ends.unwrap_err().to_string();
            assert!(text.contains(expected), "{}: {text}", sent.escape_ascii());
        }
    }
}
