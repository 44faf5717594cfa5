//! Requests of OAuth 2.0: forms that are posted, pages that are read, and JSON that is answered.

use crate::client::Client;
use crate::failure::Failure;
use crate::url::Url;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode};
use serde::de::DeserializeOwned;
use std::fmt::Write;
use std::time::Duration;
use zeroize::Zeroizing;

/// Names and values of a form.
pub(super) type Fields<'a> = Vec<(&'a str, &'a str)>;

/// How this server proves itself in a request.
pub(super) enum By<'a> {
    Nothing,
    /// A name and a secret (RFC 6749, 2.3.1).
    Basic(&'a str, &'a str),
    /// A token (RFC 6750).
    Bearer(&'a str),
}

/// Posts a form; what is answered, be it what was wanted or what was wrong (400 to 499).
pub(super) async fn post<T: DeserializeOwned>(
    client: &Client,
    target: &str,
    by: By<'_>,
    fields: &Fields<'_>,
    timeout: Duration,
) -> Result<(StatusCode, T), Failure> {
    let mut body = Zeroizing::new(String::new());
    for (name, value) in fields {
        if !body.is_empty() {
            body.push('&');
        }
        encode(name, &mut body);
        body.push('=');
        encode(value, &mut body);
    }
    let bytes = Bytes::from_owner(Zeroizing::new(body.as_bytes().to_vec()));
    let request = Request::builder()
        .method(Method::POST)
        .uri(target)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    answer(client, request, by, bytes, timeout).await
}

/// Reads what is there, if the status is 200.
pub(super) async fn get<T: DeserializeOwned>(
    client: &Client,
    target: &str,
    by: By<'_>,
    timeout: Duration,
) -> Result<T, Failure> {
    let request = Request::builder().method(Method::GET).uri(target);
    match answer::<serde_json::Value>(client, request, by, Bytes::new(), timeout).await? {
        (StatusCode::OK, value) => {
            serde_json::from_value(value).map_err(|_| Failure::Malformed(OTHER.to_owned()))
        }
        (status, _) => Err(Failure::of_status(status)),
    }
}

/// What is said of an answer that can't be read; the library's own words would repeat values.
const OTHER: &str = "not the JSON that is wanted";

async fn answer<T: DeserializeOwned>(
    client: &Client,
    mut request: hyper::http::request::Builder,
    by: By<'_>,
    body: Bytes,
    timeout: Duration,
) -> Result<(StatusCode, T), Failure> {
    if let Some(header) = by.header()? {
        request = request.header(AUTHORIZATION, header);
    }
    let request = request.body(Full::new(body));
    let request = request.map_err(|error| Failure::Malformed(error.to_string()))?;
    let (status, json) = client.send(request, timeout.min(client.timeout)).await?;
    match serde_json::from_slice(&json) {
        Ok(value) => Ok((status, value)),
        Err(_) if status == StatusCode::OK => Err(Failure::Malformed(OTHER.to_owned())),
        Err(_) => Err(Failure::of_status(status)),
    }
}

impl By<'_> {
    fn header(&self) -> Result<Option<HeaderValue>, Failure> {
        let text = match self {
            Self::Nothing => return Ok(None),
            Self::Basic(name, secret) => {
                let mut pair = Zeroizing::new(String::new());
                encode(name, &mut pair);
                pair.push(':');
                encode(secret, &mut pair);
                Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
            }
            Self::Bearer(token) => Zeroizing::new(format!("Bearer {token}")),
        };
        let mut header = HeaderValue::from_str(&text)
            .map_err(|_| Failure::Malformed("a token that no header can hold".to_owned()))?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}

/// Percent-encoding of all that is not unreserved (RFC 3986, 2.3).
pub(super) fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            // A string takes whatever is written.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

/// A client for another address of the same provider, which must be as safe as the first; and what
/// stands in a request for it.
pub(super) fn beside(client: &Client, address: &str) -> Result<(Client, String), Failure> {
    let wrong = |text: String| Failure::Malformed(text);
    let (base, query) = match address.split_once('?') {
        Some((base, query)) => (base, format!("?{query}")),
        None => (address, String::new()),
    };
    let url = Url::parse(base).map_err(|error| wrong(format!("an address in it: {error}")))?;
    let safe = url.is_encrypted() || url.is_local();
    if !safe || url.is_encrypted() != client.url.is_encrypted() {
        return Err(wrong("an address in it is less safe than `url`".to_owned()));
    }
    // To some servers it makes a difference.
    let slash = if base.ends_with('/') || url.target("").is_empty() {
        "/"
    } else {
        ""
    };
    let target = format!("{}{query}", url.target(slash));
    let client = Client {
        url,
        trust: client.trust.clone(),
        timeout: client.timeout,
    };
    Ok((client, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_value_ends_it() {
        let mut text = String::new();
        encode("a b&c=d%ä~", &mut text);
        assert_eq!(text, "a%20b%26c%3Dd%25%C3%A4~");
    }

    fn target(base: &str, address: &str) -> Option<String> {
        let client = Client {
            url: Url::parse(base).unwrap(),
            trust: None,
            timeout: Duration::from_secs(1),
        };
        beside(&client, address).ok().map(|(_, target)| target)
    }

    #[test]
    fn addresses_are_kept_to_the_letter_and_as_safe_as_the_first() {
        for (address, expected) in [
            ("https://a.example.com/token/", "/token/"),
            ("https://a.example.com/token?x=1", "/token?x=1"),
            ("https://b.example.com", "/"),
        ] {
            let found = target("https://a.example.com/realm", address);
            assert_eq!(found.as_deref(), Some(expected));
        }
        assert!(target("https://a.example.com", "http://a.example.com/token").is_none());
        assert!(target("http://localhost", "http://a.example.com/token").is_none());
        assert!(target("http://localhost", "https://a.example.com/token").is_none());
    }

    #[test]
    fn secrets_in_headers_are_not_shown() {
        let header = By::Bearer("hunter2").header().unwrap().unwrap();
        assert!(!format!("{header:?}").contains("hunter2"));
        assert!(By::Bearer("a\nb").header().is_err());
    }
}
