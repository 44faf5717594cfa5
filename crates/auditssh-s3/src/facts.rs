//! What a log says of its connection: for the key and the metadata of its object.

use auditssh_log::codec::Decoder;
use auditssh_log::message::Event;
use std::io::{self, Read};

/// How many messages are looked at for the outcome of the login. Limits of the server keep a login
/// below that.
const MESSAGES: usize = 100_000;

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
    /// Reads them from the beginning of a log.
    pub(crate) fn read(log: impl Read) -> io::Result<Self> {
        let mut facts = Self {
            country: "XX".to_owned(),
            ..Self::default()
        };
        let mut decoder = Decoder::new(log);
        for (number, message) in decoder.by_ref().take(MESSAGES).enumerate() {
            // What cannot be decoded is evidence all the same, and is uploaded as it is.
            let Ok(message) = message else { break };
            if number == 0 {
                facts.begun = message.timestamp;
                // A log in which a session goes on does not tell of the login.
                facts.settled = !matches!(message.event, Event::Connect(_));
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
}
