//! Options in front of a key in authorized_keys (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").
//!
//! Every option is honoured or its line is refused; none is ignored:
//!
//! | option | what becomes of it |
//! |---|---|
//! | `restrict`, `[no-]pty`, `[no-]port-forwarding`, `[no-]agent-forwarding`, `[no-]X11-forwarding`, `[no-]user-rc` | honoured, in the order in which they stand |
//! | `command="..."`, `environment="N=V"`, `from="..."`, `expiry-time="..."` | honoured |
//! | `cert-authority`, `principals="..."` | honoured |
//! | `permitopen="..."`, `permitlisten="..."` | honoured; sockets are then refused, which no list names |
//! | `tunnel="..."` | forwarding is refused altogether, which is less than it allows |
//! | `no-touch-required` | honoured; keys on security tokens need it, since it can't be seen whether the token was touched |
//! | `verify-required` | refused: it can't be seen whether a PIN was given |
//! | anything else | refused |

#[cfg(test)]
mod tests;

use super::grant::Restrictions;
use super::source::Sources;
use crate::security::Place;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::time::SystemTime;

/// Most variables that one line may set.
const VARIABLES: usize = 64;
/// Most places that one line may name in options of a kind.
const PLACES: usize = 256;

/// Why the options of a line can't be honoured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No such option.
    #[error("option `{0}` is not known")]
    Unknown(String),
    /// It can't be honoured here.
    #[error("option `{name}` can't be honoured: {reason}")]
    Refused {
        /// Name of the option.
        name: String,
        /// Why not.
        reason: String,
    },
    /// Given twice.
    #[error("option `{0}` is given twice")]
    Twice(String),
    /// A quotation that does not end, a value where none belongs, or none where one does.
    #[error("option `{0}` is malformed; a value stands in double quotes after `=`")]
    Malformed(String),
}

/// The options of one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) cert_authority: bool,
    pub(super) principals: Option<Vec<String>>,
    pub(super) sources: Option<Sources>,
    /// The key is good until this moment, itself included.
    pub(super) expires: Option<SystemTime>,
    pub(super) no_touch_required: bool,
    pub(super) restrictions: Restrictions,
}

impl Options {
    /// All options of a line, separated by commas.
    pub(super) fn parse(text: &str) -> Result<Self, OptionError> {
        let mut options = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let (option, after) = first(rest)?;
            match option.value {
                None => options.flag(option.name)?,
                Some(value) => options.value(option.name, value)?,
            }
            rest = after;
        }
        if options.principals.is_some() && !options.cert_authority {
            return Err(refused("principals", "it needs `cert-authority`"));
        }
        Ok(options)
    }

    fn flag(&mut self, name: &str) -> Result<(), OptionError> {
        let may = &mut self.restrictions;
        match name.to_ascii_lowercase().as_str() {
            "restrict" => {
                let (command, environment) =
                    (may.command.take(), std::mem::take(&mut may.environment));
                let (permit_open, permit_listen) =
                    (may.permit_open.take(), may.permit_listen.take());
                *may = Restrictions {
                    command,
                    permit_open,
                    permit_listen,
                    environment,
                    ..Restrictions::least()
                };
            }
            "pty" => may.pty = true,
            "no-pty" => may.pty = false,
            "port-forwarding" => may.port_forwarding = true,
            "no-port-forwarding" => may.port_forwarding = false,
            "agent-forwarding" => may.agent_forwarding = true,
            "no-agent-forwarding" => may.agent_forwarding = false,
            "x11-forwarding" => may.x11_forwarding = true,
            "no-x11-forwarding" => may.x11_forwarding = false,
            "user-rc" => may.user_rc = true,
            "no-user-rc" => may.user_rc = false,
            "cert-authority" => self.cert_authority = true,
            "no-touch-required" => self.no_touch_required = true,
            "verify-required" => {
                return Err(refused(name, "whether a PIN was given can't be seen"));
            }
            "command" | "environment" | "from" | "expiry-time" | "principals" | "permitopen"
            | "permitlisten" | "tunnel" => return Err(OptionError::Malformed(name.to_owned())),
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    fn value(&mut self, name: &str, value: String) -> Result<(), OptionError> {
        match name.to_ascii_lowercase().as_str() {
            "command" if value.is_empty() || value.contains('\0') => {
                return Err(refused(name, "it is empty or holds a zero byte"));
            }
            "command" => once(&mut self.restrictions.command, name, value)?,
            "environment" => self.variable(name, &value)?,
            "from" => {
                let sources = Sources::patterns(&value).map_err(|why| refused(name, &why))?;
                once(&mut self.sources, name, sources)?;
            }
            "expiry-time" => {
                let expires = moment(&value).ok_or_else(|| {
                    refused(
                        name,
                        "YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS is meant, `Z` after it for UTC",
                    )
                })?;
                once(&mut self.expires, name, expires)?;
            }
            "principals" => {
                let names: Vec<_> = value
                    .split(',')
                    .map(|name| name.trim().to_owned())
                    .collect();
                if names.iter().any(String::is_empty) {
                    return Err(refused(name, "a name is empty"));
                }
                once(&mut self.principals, name, names)?;
            }
            "permitopen" => {
                let place = Place::open(&value).map_err(|why| refused(name, &why.to_string()))?;
                permit(&mut self.restrictions.permit_open, name, place)?;
            }
            "permitlisten" => {
                let place = Place::listen(&value).map_err(|why| refused(name, &why.to_string()))?;
                permit(&mut self.restrictions.permit_listen, name, place)?;
            }
            "tunnel" => self.restrictions.port_forwarding = false,
            "restrict" | "pty" | "no-pty" | "cert-authority" | "no-touch-required"
            | "verify-required" => return Err(OptionError::Malformed(name.to_owned())),
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    /// `NAME=value`; of two values for a name the first counts.
    fn variable(&mut self, option: &str, text: &str) -> Result<(), OptionError> {
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| is_identifier(name))
        else {
            return Err(refused(option, "NAME=value is meant"));
        };
        if name.starts_with("LD_") || name.starts_with("SSH_") || SET_BY_SERVER.contains(&name) {
            return Err(refused(
                option,
                &format!("`{name}` may not be set by a key"),
            ));
        }
        if value.contains('\0') {
            return Err(refused(option, "the value holds a zero byte"));
        }
        let environment = &mut self.restrictions.environment;
        if environment.len() >= VARIABLES {
            return Err(refused(option, &format!("more than {VARIABLES} variables")));
        }
        if !environment.iter().any(|(known, _)| known == name) {
            environment.push((name.to_owned(), value.to_owned()));
        }
        Ok(())
    }
}

fn permit(list: &mut Option<Vec<Place>>, name: &str, place: Place) -> Result<(), OptionError> {
    let list = list.get_or_insert_default();
    if list.len() >= PLACES {
        return Err(refused(name, &format!("more than {PLACES} of them")));
    }
    list.push(place);
    Ok(())
}

/// Variables that say who the user is, or that make a shell run something first.
const SET_BY_SERVER: [&str; 6] = ["HOME", "USER", "LOGNAME", "SHELL", "BASH_ENV", "ENV"];

struct Named<'a> {
    name: &'a str,
    value: Option<String>,
}

/// The first option of a list and what follows its comma.
fn first(text: &str) -> Result<(Named<'_>, &str), OptionError> {
    let end = text.find([',', '=', '"']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let malformed = || OptionError::Malformed(name.to_owned());
    let (value, rest) = match rest.strip_prefix("=\"") {
        Some(quoted) => {
            let (value, rest) = unquote(quoted).ok_or_else(malformed)?;
            (Some(value), rest)
        }
        None => (None, rest),
    };
    let rest = match rest.strip_prefix(',') {
        Some("") => return Err(malformed()),
        Some(rest) => rest,
        None if rest.is_empty() => rest,
        None => return Err(malformed()),
    };
    Ok((Named { name, value }, rest))
}

/// The text up to the closing quote, `\"` being a quote inside, and what follows.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let quote = rest.find('"')?;
        let (before, after) = (rest.get(..quote)?, rest.get(quote + 1..)?);
        let Some(before) = before.strip_suffix('\\') else {
            value.push_str(before);
            return Some((value, after));
        };
        value.push_str(before);
        value.push('"');
        rest = after;
    }
}

/// A moment in the form of `expiry-time`: local time unless `Z` follows.
fn moment(text: &str) -> Option<SystemTime> {
    let (digits, zone) = match text.strip_suffix('Z') {
        Some(digits) => (digits, TimeZone::UTC),
        None => (text, TimeZone::system()),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || ![8, 12, 14].contains(&digits.len()) {
        return None;
    }
    let number = |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |n| n.parse().ok());
    let time = DateTime::new(
        digits.get(..4)?.parse().ok()?,
        number(4, 6)?,
        number(6, 8)?,
        number(8, 10)?,
        number(10, 12)?,
        number(12, 14)?,
        0,
    );
    Some(time.ok()?.to_zoned(zone).ok()?.timestamp().into())
}

fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn once<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), OptionError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(OptionError::Twice(name.to_owned())),
    }
}

fn refused(name: &str, reason: &str) -> OptionError {
    OptionError::Refused {
        name: name.to_owned(),
        reason: reason.to_owned(),
    }
}

fn unknown(name: &str) -> OptionError {
    OptionError::Unknown(name.chars().take(64).collect())
}
