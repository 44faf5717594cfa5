//! An entry as a line for people, and for programs.

use super::{Action, Content, Entry, Outcome};
use crate::Visible;
use crate::json::time;
use serde_json::{Map, Value, json};
use std::fmt;

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol, self.action.word())?;
        if !self.path.is_empty() {
            write!(f, " {}", Visible(&self.path))?;
        }
        f.write_str(&self.remark())?;
        match &self.action {
            Action::Transfer { content, .. } => {
                write!(f, ", {} bytes; {}", content.bytes, Hash(content))
            }
            Action::Truncate(size) => write!(f, ", to {size} bytes"),
            Action::Sync { bytes, .. } => {
                write!(f, ", {} bytes from the client, {} to it", bytes.0, bytes.1)
            }
            _ => Ok(()),
        }
    }
}

impl Entry {
    /// What is to be said after the path: the other path, the permissions, why it failed.
    pub fn remark(&self) -> String {
        let what = match &self.action {
            Action::Rename(to) | Action::Symlink(to) | Action::Link(to) => {
                format!(" -> {}", Visible(to))
            }
            Action::Permissions(mode) => format!(" {:04o}", mode & 0o7777),
            Action::Sync { direction, .. } => format!(" ({})", direction.word()),
            Action::Lost => " (what follows is not understood)".to_owned(),
            _ => String::new(),
        };
        match &self.outcome {
            Outcome::Done => what,
            Outcome::Failed(why) => format!("{what} (failed: {})", Visible(why.as_bytes())),
            Outcome::Unknown if self.action == Action::Lost => what,
            Outcome::Unknown => format!("{what} (no answer in the log)"),
        }
    }
}

/// The hash of a content, or why there is none.
struct Hash<'a>(&'a Content);

impl fmt::Display for Hash<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.sha256, &self.0.incomplete) {
            (Some(hash), _) => write!(f, "sha256 {}", hex(hash)),
            (None, Some(why)) => write!(f, "not whole: {}", Visible(why.as_bytes())),
            (None, None) => Ok(()),
        }
    }
}

impl Entry {
    /// The entry as a JSON object. `pathBytes`, in hexadecimal digits, is there if the path is not
    /// UTF-8.
    pub fn json(&self) -> Value {
        let mut object = Map::new();
        let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
        set("channel", self.channel.into());
        set("protocol", self.protocol.into());
        set("action", self.action.word().into());
        set("path", String::from_utf8_lossy(&self.path).into());
        if std::str::from_utf8(&self.path).is_err() {
            set("pathBytes", hex(&self.path).into());
        }
        set("start", time(self.begun));
        set("end", time(self.ended));
        set("result", self.outcome.word().into());
        if let Outcome::Failed(why) = &self.outcome {
            set("reason", why.to_string().into());
        }
        match &self.action {
            Action::Transfer { content, .. } => {
                set("bytes", content.bytes.into());
                set("sha256", content.sha256.map(|hash| hex(&hash)).into());
                set("incomplete", content.incomplete.as_deref().into());
            }
            Action::Rename(to) | Action::Symlink(to) | Action::Link(to) => {
                set("target", String::from_utf8_lossy(to).into());
            }
            Action::Permissions(mode) => {
                set("mode", format!("{:04o}", mode & 0o7777).into());
            }
            Action::Truncate(size) => {
                set("size", (*size).into());
            }
            Action::Sync { direction, bytes } => {
                set("direction", direction.word().into());
                set("streams", json!({"in": bytes.0, "out": bytes.1}));
            }
            _ => {}
        }
        Value::Object(object)
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string never fails.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
