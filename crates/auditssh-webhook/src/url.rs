//! Where a webhook is.

use hyper::Uri;
use std::fmt;

/// The base of a webhook's addresses: `https://HOST[:PORT][/PATH]`, or `http://`.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    pub(crate) encrypted: bool,
    /// Name or address; an IPv6 address without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// As it stands in the header `Host`.
    pub(crate) authority: String,
    /// Without a slash at its end.
    path: String,
}

/// Why a text is not such an address; it does not repeat the text, which may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Nothing that can be read.
    #[error("not a URL such as https://auth.example.com:8443/base")]
    Form,
    /// Another protocol, or none.
    #[error("a URL begins with https:// or http://")]
    Scheme,
    /// A name or a password in it.
    #[error(
        "a URL with a name or password before `@` is not taken; prove the server's identity by \
         `cert` and `key`"
    )]
    UserInfo,
    /// Something behind a question mark or a hash.
    #[error("the path of a question is put behind the URL, so it can't have `?` or `#`")]
    Query,
}

impl Url {
    /// Reads it.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.contains(['?', '#']) {
            return Err(UrlError::Query);
        }
        let uri: Uri = text.parse().map_err(|_| UrlError::Form)?;
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(UrlError::Scheme),
        };
        let authority = uri.authority().ok_or(UrlError::Form)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::UserInfo);
        }
        let name = authority.host();
        let port = port(authority.as_str(), name, encrypted).ok_or(UrlError::Form)?;
        let bare = (name.strip_prefix('[')).and_then(|name| name.strip_suffix(']'));
        let host = bare.unwrap_or(name).to_owned();
        if host.is_empty() || port == 0 {
            return Err(UrlError::Form);
        }
        Ok(Self {
            encrypted,
            host,
            port,
            authority: authority.as_str().to_owned(),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Whether what is sent there is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// What stands in a request for a path below it.
    pub(crate) fn target(&self, path: &str) -> String {
        format!("{}{path}", self.path)
    }
}

/// What follows the name; the library takes what is no number for none.
fn port(authority: &str, name: &str, encrypted: bool) -> Option<u16> {
    let rest = authority.strip_prefix(name)?;
    if rest.is_empty() {
        return Some(if encrypted { 443 } else { 80 });
    }
    let digits = rest.strip_prefix(':')?;
    let all = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| all)
}

impl fmt::Display for Url {
    /// Without the path, which may be what keeps others from asking.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_put_behind_it() {
        for (text, host, port, target) in [
            ("https://a.example", "a.example", 443, "/password"),
            ("http://a.example/", "a.example", 80, "/password"),
            (
                "https://a.example:8443/x/y/",
                "a.example",
                8443,
                "/x/y/password",
            ),
            ("http://[::1]:80/x", "::1", 80, "/x/password"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.host.as_str(), url.port), (host, port), "{text}");
            assert_eq!(url.target("/password"), target, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_apart_and_not_repeated() {
        for (text, expected) in [
            ("", UrlError::Form),
            ("https://", UrlError::Form),
            ("https://a b/", UrlError::Form),
            ("https://a:b/", UrlError::Form),
            ("https://a:/", UrlError::Form),
            ("https://a:+1/", UrlError::Form),
            ("https://a:0/", UrlError::Form),
            ("https://a:99999/", UrlError::Form),
            ("a.example", UrlError::Scheme),
            ("/path", UrlError::Scheme),
            ("ftp://a.example", UrlError::Scheme),
            ("https://me:hunter2@a.example", UrlError::UserInfo),
            ("https://a.example/?token=hunter2", UrlError::Query),
            ("https://a.example/#x", UrlError::Query),
        ] {
            let error = Url::parse(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn a_path_is_not_shown() {
        let url = Url::parse("https://a.example/hooks/hunter2").unwrap();
        assert_eq!(format!("{url} {url:?}"), "a.example a.example");
    }
}
