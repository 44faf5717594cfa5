//! Lines of authorized_keys, and the search for the one that lets a key in.

#[cfg(test)]
mod tests;

use super::grant::Restrictions;
use super::options::{OptionError, Options};
use super::{AuthError, Refusal, key_allowed};
use crate::russh::{Algorithm, Certificate, PublicKey};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;
use std::time::SystemTime;

/// Longest line that is looked at, in bytes; as OpenSSH.
const LINE_BYTES: usize = 16 * 1024;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One line of authorized_keys, checked: options and a key.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorizedKey {
    blob: Vec<u8>,
    options: Options,
    fingerprint: String,
}

/// Why a line can't stand in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no key in it that is known.
    #[error(
        "not a line of authorized_keys; `[OPTIONS] TYPE BASE64 [COMMENT]` is meant, \
         as in the .pub file that ssh-keygen writes"
    )]
    Form,
    /// The key is of a kind or size that is not accepted.
    #[error("{0}")]
    Kind(String),
    /// Its options can't be honoured.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// A key on a security token without `no-touch-required`.
    #[error("{NEEDS_NO_TOUCH}")]
    Touch,
}

const NEEDS_NO_TOUCH: &str = "whether a security token was touched can't be seen; \
     write `no-touch-required` in front of the key to accept it all the same";

impl AuthorizedKey {
    /// SHA-256 fingerprint of the key.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether it is the key of an authority, whose certificates are good, and not a user's own.
    pub(super) fn is_authority(&self) -> bool {
        self.options.cert_authority
    }
}

impl FromStr for AuthorizedKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let line = Line::split(text.trim()).ok_or(KeyError::Form)?;
        let key = PublicKey::from_openssh(line.key).map_err(|_| KeyError::Form)?;
        key_allowed(&key).map_err(KeyError::Kind)?;
        let options = Options::parse(line.options)?;
        if on_token(&key) && !options.no_touch_required && !options.cert_authority {
            return Err(KeyError::Touch);
        }
        Ok(Self {
            blob: line.blob().ok_or(KeyError::Form)?,
            options,
            fingerprint: super::fingerprint(&key),
        })
    }
}

impl fmt::Debug for AuthorizedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthorizedKey({})", self.fingerprint)
    }
}

/// What is searched for in lists of keys.
pub(super) struct Offer<'a> {
    /// The key in its wire form: the user's own, or that of the authority of a certificate.
    blob: Vec<u8>,
    certified: Option<Certified<'a>>,
    token: bool,
    address: IpAddr,
    now: SystemTime,
}

/// What is asked of a line for the authority of a certificate.
pub(super) struct Certified<'a> {
    /// The names the certificate is good for.
    pub(super) principals: &'a [String],
    /// The names it needs one of, unless the line says otherwise.
    pub(super) names: &'a [String],
}

impl<'a> Offer<'a> {
    pub(super) fn key(key: &PublicKey, address: IpAddr, now: SystemTime) -> Self {
        Self {
            blob: key.to_bytes().unwrap_or_default(),
            certified: None,
            token: on_token(key),
            address,
            now,
        }
    }

    pub(super) fn authority(
        certificate: &Certificate,
        certified: Certified<'a>,
        address: IpAddr,
        now: SystemTime,
    ) -> Self {
        let authority = PublicKey::from(certificate.signature_key().clone());
        Self {
            certified: Some(certified),
            token: false,
            ..Self::key(&authority, address, now)
        }
    }

    fn matches(&self, blob: &[u8]) -> bool {
        !self.blob.is_empty() && self.blob == blob
    }

    /// What a line with that key allows; the error says what forbids it.
    fn admit(&self, options: &Options) -> Result<Restrictions, String> {
        if options.cert_authority != self.certified.is_some() {
            return Err(match self.certified {
                None => "the key is listed as an authority for certificates".to_owned(),
                Some(_) => "the authority's key is listed without `cert-authority`".to_owned(),
            });
        }
        if options.expires.is_some_and(|end| self.now > end) {
            return Err("the key has expired (`expiry-time`)".to_owned());
        }
        if let Some(sources) = &options.sources
            && !sources.allow(self.address)
        {
            return Err(format!("not from {} (`from`)", self.address.to_canonical()));
        }
        if self.token && !options.no_touch_required {
            return Err(NEEDS_NO_TOUCH.to_owned());
        }
        if let Some(certified) = &self.certified {
            let names = options.principals.as_deref().unwrap_or(certified.names);
            if !names.iter().any(|name| certified.principals.contains(name)) {
                return Err("the certificate is good for none of the names asked for".to_owned());
            }
        }
        Ok(options.restrictions.clone())
    }
}

/// A search through several lists; it remembers why lines with the key did not let it in.
pub(super) struct Search<'a> {
    offer: &'a Offer<'a>,
    refusal: Refusal,
    error: Option<AuthError>,
}

impl<'a> Search<'a> {
    pub(super) fn new(offer: &'a Offer<'a>) -> Self {
        Self {
            offer,
            refusal: Refusal::UnknownKey,
            error: None,
        }
    }

    /// What the configuration's own line allows, if it lists the key and lets it in.
    pub(super) fn inline(&mut self, user: &str, key: &AuthorizedKey) -> Option<Restrictions> {
        if !self.offer.matches(&key.blob) {
            return None;
        }
        let place = || format!("authorizedKeys of {user}");
        self.admit(&key.options, place)
    }

    /// What the first line of a file allows that lists the key and lets it in. Lines that hold
    /// no key are passed over: they let nobody in.
    pub(super) fn file(&mut self, path: &Path, text: &[u8]) -> Option<Restrictions> {
        for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let Some(line) = std::str::from_utf8(until_comment(line))
                .ok()
                .and_then(Line::split)
            else {
                continue;
            };
            if !line.blob().is_some_and(|blob| self.offer.matches(&blob)) {
                continue;
            }
            let place = || format!("{} line {}", path.display(), number + 1);
            match Options::parse(line.options) {
                Ok(options) => {
                    if let Some(restrictions) = self.admit(&options, place) {
                        return Some(restrictions);
                    }
                }
                Err(reason) => {
                    self.error.get_or_insert(AuthError::Line {
                        place: place(),
                        reason,
                    });
                }
            }
        }
        None
    }

    /// Why nothing let the key in.
    pub(super) fn refusal(self) -> Result<Refusal, AuthError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.refusal),
        }
    }

    fn admit(&mut self, options: &Options, place: impl Fn() -> String) -> Option<Restrictions> {
        match self.offer.admit(options) {
            Ok(restrictions) => Some(restrictions),
            Err(reason) => {
                self.refusal = Refusal::Listed {
                    place: place(),
                    reason,
                };
                None
            }
        }
    }
}

/// The parts of a line: options, and type, base64 and comment of the key.
struct Line<'a> {
    options: &'a str,
    key: &'a str,
}

impl<'a> Line<'a> {
    /// `None` if it is empty, a comment, too long or has no key of a known type.
    fn split(line: &'a str) -> Option<Self> {
        let line = line.trim_matches([' ', '\t', '\r']);
        if line.len() > LINE_BYTES || line.starts_with('#') {
            return None;
        }
        if starts_with_type(line) {
            return Some(Self {
                options: "",
                key: line,
            });
        }
        let end = end_of_options(line)?;
        let (options, key) = line.split_at(end);
        let key = key.trim_start_matches([' ', '\t']);
        starts_with_type(key).then_some(Self { options, key })
    }

    /// The key in its wire form, which names the type that stands before it.
    fn blob(&self) -> Option<Vec<u8>> {
        let mut words = self.key.split_ascii_whitespace();
        let (kind, text) = (words.next()?, words.next()?);
        let blob = BASE64.decode(text).ok()?;
        let length = u32::try_from(kind.len()).ok()?.to_be_bytes();
        let rest = blob.strip_prefix(&length)?;
        rest.starts_with(kind.as_bytes()).then_some(blob)
    }
}

fn starts_with_type(text: &str) -> bool {
    const TYPES: [&str; 7] = [
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    ];
    let word = text.split([' ', '\t']).next().unwrap_or_default();
    TYPES.contains(&word)
}

/// The first blank outside of quotes.
fn end_of_options(line: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => return Some(at),
            _ => {}
        }
        escaped = c == '\\' && quoted;
    }
    None
}

/// The part of a line that is text: a comment behind the key may be in any encoding.
fn until_comment(line: &[u8]) -> &[u8] {
    match std::str::from_utf8(line) {
        Ok(_) => line,
        Err(error) => line.get(..error.valid_up_to()).unwrap_or_default(),
    }
}

fn on_token(key: &PublicKey) -> bool {
    matches!(
        key.algorithm(),
        Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256
    )
}
