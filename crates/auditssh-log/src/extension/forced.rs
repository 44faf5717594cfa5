use super::text;
use crate::message::{Extra, Text, Value};

/// Further keys of 403 (exec), 405 (shell) and 407 (subsystem): what ran in place of what was
/// asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forced {
    /// The command that ran.
    pub command: Text,
    /// Who forced it: `configuration` or `key`.
    pub by: Text,
}

impl Forced {
    /// The keys of the payload.
    pub fn to_extra(&self) -> Extra {
        vec![
            ("forcedCommand".into(), Value::Text(self.command.clone())),
            ("forcedBy".into(), Value::Text(self.by.clone())),
        ]
    }

    /// Reads the keys of a payload; `None` where nothing was forced.
    pub fn from_extra(extra: &Extra) -> Option<Self> {
        Some(Self {
            command: text(extra, "forcedCommand")?,
            by: text(extra, "forcedBy").unwrap_or_default(),
        })
    }
}
