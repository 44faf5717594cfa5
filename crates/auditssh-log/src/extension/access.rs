use super::notice::{keys, notice};
use super::{find, text};
use crate::message::{Event, Extra, Message, Text, Value};

const ACCESS: &str = "access@auditssh";

/// Someone looked at a recording, or wanted to. Stands in a log of such accesses alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Who; empty if nobody was logged in.
    pub user: Text,
    /// As what they were logged in.
    pub role: Text,
    /// From where: an IP address.
    pub address: Text,
    /// What was asked for: `login`, `search`, `files` and the like.
    pub action: Text,
    /// The recording concerned.
    pub connection: Option<Text>,
    /// What else tells what was asked for.
    pub detail: Text,
    /// Whether it was allowed.
    pub allowed: bool,
}

impl Access {
    /// The event and its further keys.
    pub fn record(self) -> (Event, Extra) {
        let mut extra = vec![
            ("user".into(), Value::Text(self.user)),
            ("role".into(), Value::Text(self.role)),
            ("address".into(), Value::Text(self.address)),
            ("action".into(), Value::Text(self.action)),
        ];
        if let Some(connection) = self.connection {
            extra.push(("connection".into(), Value::Text(connection)));
        }
        extra.push(("detail".into(), Value::Text(self.detail)));
        extra.push(("allowed".into(), self.allowed.into()));
        notice(ACCESS, extra)
    }

    /// Reads a message, if it is one of this kind.
    pub fn read(message: &Message) -> Option<Self> {
        let extra = keys(message, ACCESS)?;
        let allowed = matches!(find(extra, "allowed")?, Value::Bool(true));
        Some(Self {
            user: text(extra, "user")?,
            role: text(extra, "role").unwrap_or_default(),
            address: text(extra, "address").unwrap_or_default(),
            action: text(extra, "action")?,
            connection: text(extra, "connection"),
            detail: text(extra, "detail").unwrap_or_default(),
            allowed,
        })
    }
}
