//! From where a request comes.

use axum::http::HeaderMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The address at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Peer {
    /// The address of the browser: of a proxy that is trusted, what it says last of whom it serves.
    pub(crate) fn client(self, headers: &HeaderMap, proxies: &[IpAddr]) -> IpAddr {
        let mut address = self.0.ip().to_canonical();
        let forwarded = headers.get_all("x-forwarded-for").iter();
        let texts = forwarded.filter_map(|value| value.to_str().ok());
        let all: Vec<&str> = texts.flat_map(|text| text.split(',')).collect();
        for text in all.into_iter().rev() {
            if !proxies.contains(&address) {
                break;
            }
            let Ok(before) = text.trim().parse::<IpAddr>() else {
                break;
            };
            address = before.to_canonical();
        }
        address
    }
}

/// What counts as one client: of IPv6 a network, since anyone has many addresses.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let peer = Peer("127.0.0.1:1".parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "10.9.9.9, 192.0.2.7".parse().unwrap());
        let client = |proxies: &[&str]| {
            let proxies: Vec<IpAddr> = proxies.iter().map(|one| one.parse().unwrap()).collect();
            peer.client(&headers, &proxies).to_string()
        };
        assert_eq!(client(&[]), "127.0.0.1");
        assert_eq!(client(&["127.0.0.1"]), "192.0.2.7");
        assert_eq!(client(&["127.0.0.1", "192.0.2.7"]), "10.9.9.9");
    }

    #[test]
    fn a_client_is_a_network() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
    }
}
