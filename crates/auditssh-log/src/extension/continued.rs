use super::{Gap, find, text};
use crate::message::{Event, Extra, Message, Text, Value};

/// Further keys of the [`Gap`] that is the first message of a log in which a session goes on: what
/// the logs before told of the connection, since this one does not tell it again. All of it stood
/// in messages that were to be recorded there, as the policy left them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Continued {
    /// Id of the log before this one.
    pub log: Text,
    /// When the connection began: Unix time in nanoseconds.
    pub connected: Option<i64>,
    /// IP address of the peer.
    pub remote_addr: Option<Text>,
    /// ISO 3166-1 code of its country, `XX` where unknown.
    pub country: Option<Text>,
    /// The login name, if someone is logged in.
    pub username: Option<Text>,
}

impl Continued {
    /// Learns what an event tells of the connection.
    pub fn learn(&mut self, event: &Event) {
        match event {
            Event::Connect(connect) => {
                self.remote_addr = Some(connect.remote_addr.clone());
                self.country = Some(connect.country.clone());
            }
            Event::HandshakeSuccessful(login) => self.username = Some(login.username.clone()),
            _ => {}
        }
    }

    /// As keys of a payload.
    pub fn to_extra(&self) -> Extra {
        let mut extra = vec![("continues".into(), Value::Text(self.log.clone()))];
        if let Some(connected) = self.connected {
            extra.push(("connected".into(), connected.into()));
        }
        for (key, value) in [
            ("remoteAddr", &self.remote_addr),
            ("country", &self.country),
            ("username", &self.username),
        ] {
            if let Some(value) = value {
                extra.push((key.into(), Value::Text(value.clone())));
            }
        }
        extra
    }

    /// Reads a message, if it is a gap that says where a session began; what is missing stays `None`.
    pub fn read(message: &Message) -> Option<Self> {
        Gap::read(message)?;
        let extra = &message.extra;
        Some(Self {
            log: text(extra, "continues")?,
            connected: find(extra, "connected").and_then(Value::as_i64),
            remote_addr: text(extra, "remoteAddr"),
            country: text(extra, "country"),
            username: text(extra, "username"),
        })
    }
}
