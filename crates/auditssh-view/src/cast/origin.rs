//! Whose session a cast shows, in a key of its header that players pass over.

use crate::json::string;
use auditssh_log::Message;
use auditssh_log::message::{Event, Text};
use std::io::{self, Write};

/// What is known of the connection of a cast. What a client says is kept up to a length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The connection's id.
    pub connection: String,
    /// When it began: Unix time in nanoseconds.
    pub begun: i64,
    /// Address of the client.
    pub address: Text,
    /// Its country, as far as known.
    pub country: Text,
    /// The login name, once someone has logged in.
    pub user: Option<Text>,
}

/// The longest text that is kept, in bytes.
const LONGEST: usize = 1024;

impl Origin {
    /// Of a connection of which nothing else is known yet.
    pub fn new(connection: &str) -> Self {
        Self {
            connection: connection.to_owned(),
            ..Self::default()
        }
    }

    /// Learns from what happens.
    pub fn learn(&mut self, message: &Message) {
        match &message.event {
            Event::Connect(connect) => {
                self.begun = message.timestamp;
                self.address = short(&connect.remote_addr);
                self.country = short(&connect.country);
            }
            Event::HandshakeSuccessful(login) => self.user = Some(short(&login.username)),
            _ => {}
        }
    }

    pub(super) fn write(&self, channel: u64, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b",\"auditssh\":{\"connectionId\":")?;
        string(&self.connection, out)?;
        let seconds = self.begun.max(0) / 1_000_000_000;
        write!(out, ",\"channelId\":{channel},\"connected\":{seconds}")?;
        let texts = [
            ("username", self.user.as_ref()),
            ("remoteAddr", Some(&self.address)),
            ("country", Some(&self.country)),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                write!(out, ",\"{name}\":")?;
                string(&text.to_str_lossy(), out)?;
            }
        }
        out.write_all(b"}")
    }
}

fn short(text: &Text) -> Text {
    let bytes = text.as_bytes();
    Text::from(bytes.get(..LONGEST).unwrap_or(bytes))
}
