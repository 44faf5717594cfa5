//! What a log says of its connection: for the key and the metadata of its object.

use crate::settings::Metadata;
use auditssh_log::codec::{DecodeError, Decoder};
use auditssh_log::extension::Continued;
use auditssh_log::message::{Event, Message};
use serde::Deserialize;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read};

/// How many messages are looked at for the outcome of the login. Limits of the server keep a login
/// below that.
const MESSAGES: usize = 100_000;

/// No header of a cast is longer, in bytes.
const LONGEST: u64 = 4 << 20;

/// The header of a cast, as far as it concerns us.
#[derive(Deserialize)]
struct Header {
    auditssh: Option<Origin>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Origin {
    connected: i64,
    username: Option<String>,
    remote_addr: String,
    country: String,
}

/// What is known of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// When it began: Unix time in nanoseconds.
    pub(crate) begun: i64,
    /// Address of the client.
    pub(crate) ip: String,
    /// Its country, `XX` where unknown.
    pub(crate) country: String,
    /// The login name, if someone logged in.
    pub(crate) user: Option<Vec<u8>>,
    /// Whether the login came to an end, good or bad.
    pub(crate) settled: bool,
}

impl Facts {
    /// What is kept beside the object, under ContainerSSH's names.
    pub(crate) fn metadata(&self, wanted: Metadata) -> Vec<(&'static str, String)> {
        let seconds = self.begun.div_euclid(1_000_000_000);
        let mut metadata = vec![
            ("timestamp", seconds.to_string()),
            ("authenticated", self.user.is_some().to_string()),
            ("country", header(self.country.as_bytes())),
        ];
        if let Some(user) = self.user.as_ref().filter(|_| wanted.username) {
            metadata.push(("username", header(user)));
        }
        if wanted.ip {
            metadata.push(("ip", header(self.ip.as_bytes())));
        }
        metadata
    }

    /// Those of a connection of which nothing is known.
    pub(crate) fn unknown() -> Self {
        Self {
            country: "XX".to_owned(),
            ..Self::default()
        }
    }

    /// Reads them from the beginning of a log.
    pub(crate) fn read(log: impl Read) -> io::Result<Self> {
        let mut facts = Self::unknown();
        let mut decoder = Decoder::new(log);
        for (number, message) in decoder.by_ref().take(MESSAGES).enumerate() {
            let message = match message {
                Ok(message) => message,
                Err(error @ DecodeError::Read { .. }) => return Err(io::Error::other(error)),
                // What cannot be decoded is evidence all the same, and is uploaded as it is.
                Err(_) => break,
            };
            if number == 0 {
                facts.begin(&message);
            }
            match message.event {
                Event::Connect(connect) => {
                    facts.ip = connect.remote_addr.to_str_lossy().into_owned();
                    facts.country = connect.country.to_str_lossy().into_owned();
                }
                Event::HandshakeSuccessful(login) => {
                    facts.user = Some(login.username.as_bytes().to_vec());
                    facts.settled = true;
                }
                Event::HandshakeFailed(_) | Event::Disconnect => facts.settled = true,
                _ => {}
            }
            if facts.settled {
                break;
            }
        }
        Ok(facts)
    }

    /// Reads them from the header of a cast (asciicast), where a key of its own has them.
    pub(crate) fn read_cast(cast: impl Read) -> io::Result<Self> {
        let mut line = Vec::new();
        BufReader::new(cast.take(LONGEST)).read_until(b'\n', &mut line)?;
        let mut facts = Self::unknown();
        facts.settled = line.ends_with(b"\n");
        // What cannot be read is uploaded as it is.
        let Ok(Header {
            auditssh: Some(origin),
        }) = serde_json::from_slice(&line)
        else {
            return Ok(facts);
        };
        facts.begun = origin.connected.saturating_mul(1_000_000_000);
        facts.ip = origin.remote_addr;
        facts.country = origin.country;
        facts.user = origin.username.map(String::into_bytes);
        Ok(facts)
    }

    /// What the first message says. Where a session goes on it tells of the logs before.
    fn begin(&mut self, first: &Message) {
        self.begun = first.timestamp;
        self.settled = !matches!(first.event, Event::Connect(_));
        let Some(before) = Continued::read(first) else {
            return;
        };
        self.begun = before.connected.unwrap_or(self.begun);
        if let Some(country) = &before.country {
            self.country = country.to_str_lossy().into_owned();
        }
        if let Some(address) = &before.remote_addr {
            self.ip = address.to_str_lossy().into_owned();
            // Whoever is not logged in yet may still do so.
            self.settled = before.username.is_some();
        }
        self.user = before.username.map(|name| name.as_bytes().to_vec());
    }
}

/// Text as the value of a header, which is plain ASCII: what is not, and the percent sign, is
/// written as in URLs (RFC 3986, 2.1).
fn header(text: &[u8]) -> String {
    let mut value = String::new();
    for byte in text.iter().take(256) {
        match byte {
            b'!'..=b'~' if *byte != b'%' => value.push(char::from(*byte)),
            _ => {
                let _ = write!(value, "%{byte:02X}");
            }
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use auditssh_log::codec::{self, Format};
    use auditssh_log::extension::Gap;
    use auditssh_log::message::{Connect, Extra, HandshakeFailed, HandshakeSuccessful};
    use auditssh_log::seal::{Chain, Chunk, Deflate};

    fn log(events: &[Event]) -> Vec<u8> {
        let plain = events.iter().map(|event| (event.clone(), Extra::new()));
        log_of(plain.collect())
    }

    fn log_of(events: Vec<(Event, Extra)>) -> Vec<u8> {
        let header = Format::Binary.header();
        let (mut content, count) = (Vec::new(), events.len());
        for (number, (event, extra)) in (0..).zip(events) {
            let time = 1_700_000_000_000_000_000 + number;
            let message = Message::new("id", time, None, event);
            codec::encode(&Message { extra, ..message }, &mut content);
        }
        let chunk = Chunk {
            count: u32::try_from(count).unwrap(),
            ..Chunk::default()
        };
        let member = Chain::new(&header).seal(&content, &chunk, &mut Deflate::new());
        [&header[..], &member.unwrap()].concat()
    }

    fn connect() -> Event {
        Event::Connect(Connect {
            remote_addr: "2001:db8::1".into(),
            country: "CH".into(),
        })
    }

    fn login(name: &str) -> Event {
        Event::HandshakeSuccessful(HandshakeSuccessful {
            username: name.into(),
        })
    }

    const ALL: Metadata = Metadata {
        username: true,
        ip: true,
    };

    #[test]
    fn the_outcome_of_the_login_is_known_once_it_is_in_the_log() {
        let facts = Facts::read(&log(&[connect()])[..]).unwrap();
        assert!(!facts.settled && facts.user.is_none());
        let facts = Facts::read(&log(&[connect(), login("alice")])[..]).unwrap();
        assert!(facts.settled);
        let wanted = [
            ("timestamp", "1700000000"),
            ("authenticated", "true"),
            ("country", "CH"),
            ("username", "alice"),
            ("ip", "2001:db8::1"),
        ];
        assert_eq!(
            facts.metadata(ALL),
            wanted.map(|(name, value)| (name, value.to_owned()))
        );
        assert_eq!(facts.metadata(Metadata::default()).len(), 3);
        let failed = Event::HandshakeFailed(HandshakeFailed::default());
        let facts = Facts::read(&log(&[connect(), failed])[..]).unwrap();
        assert!(facts.settled);
        assert!(
            facts
                .metadata(ALL)
                .contains(&("authenticated", "false".to_owned()))
        );
        assert!(
            facts
                .metadata(ALL)
                .iter()
                .all(|(name, _)| *name != "username")
        );
    }

    #[test]
    fn a_log_in_which_a_session_goes_on_has_the_facts_of_its_connection() {
        let gap = |known: &Continued| {
            let gap = Gap {
                messages: 1,
                bytes: 0,
                reason: "a sync failed".into(),
                from: 1_700_000_005_000_000_000,
                to: 1_700_000_006_000_000_000,
            };
            let (event, mut extra) = gap.record();
            extra.extend(known.to_extra());
            (event, extra)
        };
        let mut known = Continued {
            log: "0123".into(),
            ..Continued::default()
        };
        // One that names the log before and says nothing else.
        let old = Facts::read(&log_of(vec![gap(&known)])[..]).unwrap();
        assert!(old.settled && old.user.is_none() && old.country == "XX");
        known.connected = Some(1_600_000_000_000_000_000);
        known.learn(&connect());
        let before = vec![gap(&known), (login("alice"), Extra::new())];
        let facts = Facts::read(&log_of(before[..1].to_vec())[..]).unwrap();
        assert!(!facts.settled, "somebody may still log in");
        let facts = Facts::read(&log_of(before)[..]).unwrap();
        assert_eq!(facts.user.as_deref(), Some(&b"alice"[..]));
        known.learn(&login("bob"));
        let facts = Facts::read(&log_of(vec![gap(&known)])[..]).unwrap();
        assert!(facts.settled);
        let wanted = [
            ("timestamp", "1600000000"),
            ("authenticated", "true"),
            ("country", "CH"),
            ("username", "bob"),
            ("ip", "2001:db8::1"),
        ];
        assert_eq!(
            facts.metadata(ALL),
            wanted.map(|(name, value)| (name, value.to_owned()))
        );
    }

    #[test]
    fn what_is_no_log_has_facts_all_the_same() {
        for bytes in [&b""[..], b"nonsense", &log(&[connect()])[..60]] {
            let facts = Facts::read(bytes).unwrap();
            assert_eq!(facts.country, "XX");
        }
    }

    #[test]
    fn a_name_is_safe_in_a_header() {
        assert_eq!(header("a b%\r\nü".as_bytes()), "a%20b%25%0D%0A%C3%BC");
    }
}
