//! Entries as they are recorded, and read again.

use super::{Action, Begun, Content, Direction, Entry, Outcome, Told};
use crate::Visible;
use auditssh_log::Message;
use auditssh_log::extension::FileEvent;
use auditssh_log::message::Text;
use std::borrow::Cow;

impl Told<'_> {
    /// What is recorded, and on which channel; nothing of contents.
    pub(super) fn record(&self) -> Option<(u64, FileEvent)> {
        Some(match self {
            Told::Begin(begun) => (begun.at.channel, begun.record(FileEvent::LEDGER)),
            Told::Open(begun) => (begun.at.channel, begun.record(FileEvent::OPEN)),
            Told::Data(_) => return None,
            Told::Entry(entry) => (entry.channel, entry.record()),
        })
    }
}

impl Begun<'_> {
    fn record(&self, action: &str) -> FileEvent {
        FileEvent {
            protocol: self.protocol.into(),
            action: action.into(),
            path: self.path.into(),
            direction: self.direction.map(|direction| direction.word().into()),
            ..FileEvent::default()
        }
    }
}

impl Entry {
    fn record(&self) -> FileEvent {
        let mut record = FileEvent {
            protocol: self.protocol.into(),
            action: self.action.word().into(),
            path: self.path.as_slice().into(),
            result: Some(self.outcome.word().into()),
            start: Some(self.begun),
            ..FileEvent::default()
        };
        if let Outcome::Failed(why) = &self.outcome {
            record.reason = Some(why.as_ref().into());
        }
        match &self.action {
            Action::Transfer { content, .. } => {
                record.bytes = Some(content.bytes);
                record.sha256 = content.sha256;
                record.incomplete = content.incomplete.as_deref().map(Text::from);
            }
            Action::Rename(to) | Action::Symlink(to) | Action::Link(to) => {
                record.target = Some(to.as_slice().into());
            }
            Action::Permissions(mode) => record.mode = Some((*mode).into()),
            Action::Truncate(size) => record.size = Some(*size),
            Action::Sync { direction, bytes } => {
                record.direction = Some(direction.word().into());
                record.streams = Some(*bytes);
            }
            Action::Remove
            | Action::MakeDirectory
            | Action::RemoveDirectory
            | Action::Attributes
            | Action::Lost => {}
        }
        record
    }

    /// The entry of a record that was written at a time. `None` if it is of a kind that is not known.
    pub(super) fn read(channel: u64, ended: i64, record: FileEvent) -> Option<Self> {
        let outcome = match record.result.as_ref().and_then(Text::as_str) {
            Some("ok") => Outcome::Done,
            Some("failed") => Outcome::Failed(owned(&record.reason.unwrap_or_default())),
            _ => Outcome::Unknown,
        };
        let target = record.target.map(Text::into_bytes).unwrap_or_default();
        let direction = |text: &Text| match text.as_str() {
            Some("upload") => Some(Direction::Upload),
            Some("download") => Some(Direction::Download),
            _ => None,
        };
        let action = match record.action.as_str()? {
            "upload" | "download" => Action::Transfer {
                number: 0,
                direction: direction(&record.action)?,
                content: Content {
                    bytes: record.bytes.unwrap_or(0),
                    sha256: record.sha256,
                    incomplete: record.incomplete.as_ref().map(owned),
                },
            },
            "rename" => Action::Rename(target),
            "remove" => Action::Remove,
            "mkdir" => Action::MakeDirectory,
            "rmdir" => Action::RemoveDirectory,
            "chmod" => Action::Permissions(u32::try_from(record.mode?).ok()?),
            "truncate" => Action::Truncate(record.size?),
            "setstat" => Action::Attributes,
            "symlink" => Action::Symlink(target),
            "link" => Action::Link(target),
            "sync" => Action::Sync {
                direction: direction(&record.direction?)?,
                bytes: record.streams.unwrap_or_default(),
            },
            "lost" => Action::Lost,
            _ => return None,
        };
        Some(Self {
            channel,
            begun: record.start.unwrap_or(ended),
            ended,
            protocol: protocol(&record.protocol),
            action,
            path: record.path.into_bytes(),
            outcome,
        })
    }
}

/// What was opened, if a record says so.
pub(super) fn opened(channel: u64, time: i64, record: &FileEvent) -> Option<Entry> {
    let upload = *record.direction.as_ref()? == "upload";
    let direction = if upload {
        Direction::Upload
    } else {
        Direction::Download
    };
    let protocol = protocol(&record.protocol);
    let action = match protocol {
        "rsync" => Action::Sync {
            direction,
            bytes: (0, 0),
        },
        _ => Action::Transfer {
            number: 0,
            direction,
            content: Content {
                bytes: 0,
                sha256: None,
                incomplete: Some("the log ends before it did".into()),
            },
        },
    };
    Some(Entry {
        channel,
        begun: time,
        ended: time,
        protocol,
        action,
        path: record.path.as_bytes().to_vec(),
        outcome: Outcome::Unknown,
    })
}

/// What a message says of files, in a line, if it is of the ledger.
pub(crate) fn describe(message: &Message) -> Option<String> {
    let record = FileEvent::read(message)?;
    let protocol = protocol(&record.protocol);
    if record.action == *FileEvent::LEDGER {
        return Some(format!("files: {protocol} begins"));
    }
    let channel = message.channel_id.unwrap_or(0);
    if record.action == *FileEvent::OPEN {
        let entry = opened(channel, message.timestamp, &record)?;
        let (word, path) = (entry.action.direction()?.word(), Visible(&entry.path));
        return Some(format!("files: {protocol} {word} of {path} begins"));
    }
    let entry = Entry::read(channel, message.timestamp, record)?;
    Some(format!("files: {entry}"))
}

fn protocol(text: &Text) -> &'static str {
    match text.as_str() {
        Some("sftp") => "sftp",
        Some("scp") => "scp",
        Some("rsync") => "rsync",
        _ => "other",
    }
}

fn owned(text: &Text) -> Cow<'static, str> {
    Cow::Owned(text.to_str_lossy().into_owned())
}
