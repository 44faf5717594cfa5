//! Where an engine listens.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The port without TLS, and with.
const PLAIN_PORT: u16 = 2375;
const TLS_PORT: u16 = 2376;

/// Where an engine listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket of this machine.
    Unix(PathBuf),
    /// A port; whether it speaks TLS is said by whether a certificate is given, or by `https`.
    Tcp {
        /// Name or address.
        host: String,
        /// Its port.
        port: u16,
        /// Whether TLS is asked for.
        tls: bool,
    },
}

/// Why a text names no engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Another way.
    #[error(
        "an engine is reached by a socket or by TCP: write unix:///var/run/docker.sock or \
         tcp://HOST:2376 (for `ssh://`, forward the socket by ssh and name that)"
    )]
    Scheme,
    /// No path.
    #[error("the path of the socket is missing: write unix:///var/run/docker.sock")]
    Path,
    /// No host, or more than that.
    #[error("a host and a port are wanted: write tcp://HOST:2376")]
    Host,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        if scheme == "unix" {
            if !rest.starts_with('/') {
                return Err(AddressError::Path);
            }
            return Ok(Self::Unix(rest.into()));
        }
        let tls = match scheme {
            "tcp" | "http" => false,
            "https" => true,
            _ => return Err(AddressError::Scheme),
        };
        let usual = if tls { TLS_PORT } else { PLAIN_PORT };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or(AddressError::Host)?;
                (
                    host,
                    port.strip_prefix(':').or(port.is_empty().then_some("")),
                )
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, Some("")),
            },
        };
        let port = match port.ok_or(AddressError::Host)? {
            "" => usual,
            port => port.parse().map_err(|_| AddressError::Host)?,
        };
        let letter = |letter: char| letter.is_ascii_alphanumeric() || "-._:".contains(letter);
        if host.is_empty() || port == 0 || !host.chars().all(letter) {
            return Err(AddressError::Host);
        }
        let host = host.to_owned();
        Ok(Self::Tcp { host, port, tls })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port, .. } if host.contains(':') => {
                write!(f, "tcp://[{host}]:{port}")
            }
            Self::Tcp { host, port, .. } => write!(f, "tcp://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_named_by_socket_or_port() {
        for (text, expected) in [
            (
                "unix:///var/run/docker.sock",
                Ok("unix:///var/run/docker.sock"),
            ),
            ("tcp://127.0.0.1:2375", Ok("tcp://127.0.0.1:2375")),
            ("tcp://engine", Ok("tcp://engine:2375")),
            ("https://engine/", Ok("tcp://engine:2376")),
            ("tcp://[::1]:1", Ok("tcp://[::1]:1")),
            ("tcp://[::1]", Ok("tcp://[::1]:2375")),
            ("unix://docker.sock", Err(AddressError::Path)),
            ("/var/run/docker.sock", Err(AddressError::Scheme)),
            ("ssh://host", Err(AddressError::Scheme)),
            ("npipe:////./pipe/docker", Err(AddressError::Scheme)),
            ("tcp://", Err(AddressError::Host)),
            ("tcp://a:b:c", Err(AddressError::Host)),
            ("tcp://user@host:1", Err(AddressError::Host)),
            ("tcp://host:0", Err(AddressError::Host)),
            ("tcp://[::1", Err(AddressError::Host)),
        ] {
            let read = text.parse::<Address>().map(|address| address.to_string());
            assert_eq!(read, expected.map(str::to_owned), "{text}");
        }
    }
}
