//! What the viewer is told, already checked: the binary makes it of the configuration.

use crate::access;
use crate::gathered::Kept;
use crate::oidc::Oidc;
use crate::rules::Rule;
use crate::users::Users;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsAcceptor;

/// What is served, where and to whom.
#[derive(Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// With it only https is spoken.
    pub tls: Option<TlsAcceptor>,
    /// How browsers reach the viewer, if not by its own address.
    pub urls: Vec<Url>,
    /// Proxies, of which it is believed who asks them.
    pub proxies: Vec<IpAddr>,
    /// Who may log in.
    pub users: Users,
    /// Where else they may log in.
    pub oidc: Option<Oidc>,
    /// Which recordings they may see; all if there is no rule.
    pub rules: Vec<Rule>,
    /// How long they stay logged in.
    pub lifetime: Lifetime,
    /// The directory of the logs.
    pub directory: PathBuf,
    /// Where they are brought when they are complete.
    pub kept: Option<Arc<dyn Kept>>,
    /// Where it is written down who looked at what.
    pub access: access::Settings,
    /// The program's version.
    pub version: &'static str,
}

/// How long sessions last, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Without a request.
    pub idle: Duration,
    /// In all.
    pub most: Duration,
    /// Most sessions at once.
    pub sessions: usize,
}

/// The beginning of every address by which browsers reach the viewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether that is https.
    pub secure: bool,
    /// Host and, if it is not the usual one, port, in lower case.
    pub host: String,
}

/// A text is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address such as https://viewer.example.com, without a path")]
pub struct UrlError;

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(UrlError),
        };
        let host = rest.strip_suffix('/').unwrap_or(rest).to_ascii_lowercase();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        if host.is_empty() || host.len() > 255 || !host.bytes().all(is_plain) {
            return Err(UrlError);
        }
        let usual = if secure { ":443" } else { ":80" };
        let host = host.strip_suffix(usual).unwrap_or(&host).to_owned();
        Ok(Self { secure, host })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("listen", &self.listen)
            .field("tls", &self.tls.is_some())
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}
