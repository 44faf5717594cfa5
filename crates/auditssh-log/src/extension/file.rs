use super::notice::{keys, notice};
use super::{find, text};
use crate::message::{Event, Extra, Message, Text, Value};

const FILE: &str = "file@auditssh";

/// Something that happened to a file (`audit.intercept.files`), without its content. It stands
/// before the event that settled it: an answer, the end of a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileEvent {
    /// `sftp`, `scp` or `rsync`.
    pub protocol: Text,
    /// [`FileEvent::LEDGER`], [`FileEvent::OPEN`], or what was done.
    pub action: Text,
    /// The path as the client gave it; empty where it is not known.
    pub path: Text,
    /// The other path of a renaming or a link.
    pub target: Option<Text>,
    /// `ok`, `failed` or `unknown`.
    pub result: Option<Text>,
    /// Why it failed.
    pub reason: Option<Text>,
    /// When it began: Unix time in nanoseconds. It ended when the message was written.
    pub start: Option<i64>,
    /// How many bytes of a content went through.
    pub bytes: Option<u64>,
    /// SHA-256 of a content that went through from its beginning to its end.
    pub sha256: Option<[u8; 32]>,
    /// Why there is no hash.
    pub incomplete: Option<Text>,
    /// Permissions that were set.
    pub mode: Option<u64>,
    /// The size to which a file was cut or extended.
    pub size: Option<u64>,
    /// `upload` or `download`, where the action does not say it.
    pub direction: Option<Text>,
    /// Bytes that a program got and wrote, of which no files are known.
    pub streams: Option<(u64, u64)>,
}

impl FileEvent {
    /// The action of a program that begins, and of which every file is going to be told.
    pub const LEDGER: &str = "ledger";
    /// The action of a file that is opened: how it ended follows.
    pub const OPEN: &str = "open";

    /// The event and its further keys.
    pub fn record(self) -> (Event, Extra) {
        let mut extra = vec![
            ("protocol".into(), Value::Text(self.protocol)),
            ("action".into(), Value::Text(self.action)),
        ];
        let mut set = |key: &str, value: Option<Value>| {
            extra.extend(value.map(|value| (key.into(), value)));
        };
        let is_known = !self.path.is_empty();
        set("path", is_known.then_some(Value::Text(self.path)));
        set("target", self.target.map(Value::Text));
        set("direction", self.direction.map(Value::Text));
        set("result", self.result.map(Value::Text));
        set("reason", self.reason.map(Value::Text));
        set("start", self.start.map(Value::from));
        set("bytes", self.bytes.map(Value::from));
        set("sha256", self.sha256.map(|hash| Value::from(hex(&hash))));
        set("incomplete", self.incomplete.map(Value::Text));
        set("mode", self.mode.map(Value::from));
        set("size", self.size.map(Value::from));
        set("bytesIn", self.streams.map(|(bytes, _)| bytes.into()));
        set("bytesOut", self.streams.map(|(_, bytes)| bytes.into()));
        notice(FILE, extra)
    }

    /// Reads a message, if it is one of this kind.
    pub fn read(message: &Message) -> Option<Self> {
        let extra = keys(message, FILE)?;
        let number = |key| find(extra, key).and_then(Value::as_u64);
        let sha256 = text(extra, "sha256").and_then(|text| unhex(text.as_bytes()));
        Some(Self {
            protocol: text(extra, "protocol")?,
            action: text(extra, "action")?,
            path: text(extra, "path").unwrap_or_default(),
            target: text(extra, "target"),
            result: text(extra, "result"),
            reason: text(extra, "reason"),
            start: find(extra, "start").and_then(Value::as_i64),
            bytes: number("bytes"),
            sha256,
            incomplete: text(extra, "incomplete"),
            mode: number("mode"),
            size: number("size"),
            direction: text(extra, "direction"),
            streams: number("bytesIn").zip(number("bytesOut")),
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or_default();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

fn unhex(text: &[u8]) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, digits) in hash.iter_mut().zip(text.chunks_exact(2)) {
        let digits = std::str::from_utf8(digits).ok()?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(hash)
}
