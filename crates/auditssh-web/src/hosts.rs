//! By which names the viewer is reached: whoever makes a browser ask it by another name (DNS
//! rebinding), or from another page, gets nothing.

use crate::settings::Url;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The names.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    urls: Vec<Url>,
    /// Whether the viewer itself speaks TLS.
    tls: bool,
}

/// What a request asks, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Whether the browser speaks TLS, to us or to a proxy.
    pub(crate) secure: bool,
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stray {
    /// The name is not ours.
    Host,
    /// A page that is not ours asks.
    Origin,
}

impl Hosts {
    pub(crate) fn new(urls: Vec<Url>, tls: bool) -> Self {
        Self { urls, tls }
    }

    /// Judges by which name a request comes.
    pub(crate) fn host(&self, headers: &HeaderMap) -> Result<Asked, Stray> {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(Stray::Host);
        };
        let host = host.to_str().map_err(|_| Stray::Host)?.to_ascii_lowercase();
        if let Some(url) = self.urls.iter().find(|url| is_same(url, &host)) {
            return Ok(Asked {
                secure: url.secure || self.tls,
            });
        }
        // An attack by name needs a name.
        let name = name(&host);
        if name == "localhost" || is_address(name) {
            return Ok(Asked { secure: self.tls });
        }
        Err(Stray::Host)
    }

    /// Judges which page sends a request: ours, or none at all. What changes something must come
    /// from a page that says so.
    pub(crate) fn origin(&self, headers: &HeaderMap, changes: bool) -> Result<(), Stray> {
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        if !matches!(site, None | Some(b"same-origin" | b"none")) {
            return Err(Stray::Origin);
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) if !changes => Ok(()),
            (Some(origin), None) => {
                let host = headers.get(HOST).and_then(|host| host.to_str().ok());
                let (Ok(origin), Some(host)) = (origin.to_str(), host) else {
                    return Err(Stray::Origin);
                };
                if self.is_own(origin, &host.to_ascii_lowercase()) {
                    Ok(())
                } else {
                    Err(Stray::Origin)
                }
            }
            _ => Err(Stray::Origin),
        }
    }

    fn is_own(&self, origin: &str, host: &str) -> bool {
        let Ok(origin) = origin.parse::<Url>() else {
            return false;
        };
        let secure = self
            .urls
            .iter()
            .find(|url| is_same(url, host))
            .map_or(self.tls, |url| url.secure);
        origin.secure == secure && is_same(&origin, host)
    }
}

/// Whether a `Host` header names the host of an address; the usual port may be left out.
fn is_same(url: &Url, host: &str) -> bool {
    let usual = if url.secure { ":443" } else { ":80" };
    url.host == host || host.strip_suffix(usual) == Some(&url.host)
}

/// A host without its port.
fn name(host: &str) -> &str {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => host,
    }
}

fn is_address(name: &str) -> bool {
    let v6 = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    v6.is_some_and(|text| text.parse::<Ipv6Addr>().is_ok()) || name.parse::<Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn hosts() -> Hosts {
        Hosts::new(vec!["https://Viewer.example.com/".parse().unwrap()], false)
    }

    #[test]
    fn only_our_names_are_answered() {
        for (host, secure) in [
            ("127.0.0.1:8088", Some(false)),
            ("127.0.0.1", Some(false)),
            ("[::1]:8088", Some(false)),
            ("localhost:8088", Some(false)),
            ("LOCALHOST", Some(false)),
            ("viewer.example.com", Some(true)),
            ("viewer.example.com:443", Some(true)),
            ("viewer.example.com:8443", None),
            ("evil.example", None),
            ("localhost.evil.example", None),
            ("127.0.0.1.evil.example", None),
            ("127.1:8088", None),
            ("[::1].evil.example", None),
            ("", None),
        ] {
            let asked = hosts().host(&headers(&[("host", host)]));
            assert_eq!(asked.ok().map(|asked| asked.secure), secure, "{host}");
        }
        assert_eq!(hosts().host(&headers(&[])), Err(Stray::Host));
    }

    #[test]
    fn only_our_pages_change_something() {
        let own = [
            ("host", "127.0.0.1:8088"),
            ("origin", "http://127.0.0.1:8088"),
        ];
        assert_eq!(hosts().origin(&headers(&own), true), Ok(()));
        for (host, origin) in [
            ("127.0.0.1:8088", "http://127.0.0.1:8089"),
            ("127.0.0.1:8088", "http://127.0.0.1"),
            ("127.0.0.1:8088", "https://127.0.0.1:8088"),
            ("127.0.0.1:8088", "http://evil.example"),
            ("127.0.0.1:8088", "null"),
            ("127.0.0.1:8088", ""),
            ("viewer.example.com", "http://viewer.example.com"),
        ] {
            let asked = headers(&[("host", host), ("origin", origin)]);
            for changes in [true, false] {
                let said = hosts().origin(&asked, changes);
                assert_eq!(said, Err(Stray::Origin), "{host} {origin}");
            }
        }
        let proxied = [
            ("host", "viewer.example.com"),
            ("origin", "https://viewer.example.com"),
        ];
        assert_eq!(hosts().origin(&headers(&proxied), true), Ok(()));
        let none = headers(&[("host", "127.0.0.1:8088")]);
        assert_eq!(hosts().origin(&none, false), Ok(()));
        assert_eq!(hosts().origin(&none, true), Err(Stray::Origin));
        let link = headers(&[("host", "127.0.0.1:8088"), ("sec-fetch-site", "cross-site")]);
        assert_eq!(hosts().origin(&link, false), Err(Stray::Origin));
    }
}
