//! What the client asks for.

use super::fields::{Attributes, Fields};
use super::handle::Mode;
use super::{Pending, Sftp, kind};
use crate::files::{Action, At, Entry, Outcome, Shared, path};

/// Bits of how a file is opened, up to version 4 and from 5 on.
const READ: u32 = 1;
const WRITE: u32 = 2;
const APPEND: u32 = 4;
const TRUNCATE: u32 = 0x10;
const EXCLUSIVE: u32 = 0x20;
const APPEND_BITS: u32 = 0x18;
/// What is done with a file that is there, from version 5 on.
const DISPOSITION: u32 = 7;
const CREATE_NEW: u32 = 0;
const CREATE_TRUNCATE: u32 = 1;
const TRUNCATE_EXISTING: u32 = 4;

impl Sftp {
    /// Takes a request; `None` if there are too many, or it cannot be told what it is.
    pub(super) fn request(
        &mut self,
        kind: u8,
        mut fields: Fields<'_>,
        at: At,
        shared: &mut Shared,
    ) -> Option<()> {
        if kind == kind::INIT {
            self.version = fields.u32()?.clamp(3, 6);
            return Some(());
        }
        self.writing = None;
        let id = fields.u32()?;
        // What cannot be read is refused by the server, and nothing comes of it.
        let Some(pending) = self.understood(kind, fields, at, shared) else {
            return Some(());
        };
        if !shared.take(pending.size()) {
            return None;
        }
        if let Some(before) = self.pending.insert(id, pending) {
            shared.give(before.size());
        }
        Some(())
    }

    fn understood(
        &mut self,
        kind: u8,
        mut fields: Fields<'_>,
        at: At,
        shared: &mut Shared,
    ) -> Option<Pending> {
        let version = self.version;
        Some(match kind {
            kind::OPEN => {
                let path = path(fields.string()?);
                let mode = mode(&mut fields, version)?;
                let begun = at;
                Pending::Open { path, mode, begun }
            }
            kind::READ => {
                let file = self.file(fields.string()?, at, shared)?;
                let offset = fields.u64()?;
                Pending::Read { file, offset }
            }
            kind::WRITE => {
                let file = self.file(fields.string()?, at, shared)?;
                self.writing = Some((file, fields.u64()?));
                Pending::Write { file }
            }
            // Of a directory nothing is known.
            kind::CLOSE => {
                let file = self.names.remove(fields.string()?)?;
                Pending::Close { file }
            }
            kind::STAT | kind::LSTAT => {
                let path = path(fields.string()?);
                Pending::Size { path }
            }
            kind::FSTAT => {
                let file = *self.names.get(fields.string()?)?;
                Pending::FileSize { file }
            }
            kind::SETSTAT => {
                let path = path(fields.string()?);
                told(set(fields.attributes(version)), &path, at)
            }
            kind::FSETSTAT => {
                let file = *self.names.get(fields.string()?)?;
                let path = &self.files.get(&file)?.path;
                let attributes = fields.attributes(version);
                let entries = entries(set(attributes), path, at);
                match attributes.size {
                    Some(size) => Pending::Resize {
                        file,
                        size,
                        entries,
                    },
                    None => Pending::Told(entries),
                }
            }
            kind::REMOVE => one(Action::Remove, fields.string()?, at),
            kind::MKDIR => one(Action::MakeDirectory, fields.string()?, at),
            kind::RMDIR => one(Action::RemoveDirectory, fields.string()?, at),
            kind::RENAME => {
                let old = fields.string()?;
                one(Action::Rename(path(fields.string()?)), old, at)
            }
            // OpenSSH has the two paths the other way round than the draft, and so has everyone else.
            kind::SYMLINK => {
                let target = path(fields.string()?);
                one(Action::Symlink(target), fields.string()?, at)
            }
            kind::LINK => {
                let (link, target) = (fields.string()?, path(fields.string()?));
                let action = match fields.byte()? {
                    0 => Action::Link(target),
                    _ => Action::Symlink(target),
                };
                one(action, link, at)
            }
            kind::EXTENDED => self.extended(fields, at)?,
            _ => return None,
        })
    }

    /// Requests by name (OpenSSH, PROTOCOL).
    fn extended(&mut self, mut fields: Fields<'_>, at: At) -> Option<Pending> {
        Some(match fields.string()? {
            b"posix-rename@openssh.com" => {
                let old = fields.string()?;
                one(Action::Rename(path(fields.string()?)), old, at)
            }
            b"hardlink@openssh.com" => {
                let target = path(fields.string()?);
                one(Action::Link(target), fields.string()?, at)
            }
            b"lsetstat@openssh.com" => {
                let path = path(fields.string()?);
                told(set(fields.attributes(self.version)), &path, at)
            }
            b"copy-data" => {
                fields.string()?;
                fields.u64()?;
                fields.u64()?;
                let file = *self.names.get(fields.string()?)?;
                self.files.get_mut(&file)?.copied_into();
                return None;
            }
            _ => return None,
        })
    }

    /// The open file of this name. One of which the beginning is not in the log has no path.
    fn file(&mut self, name: &[u8], at: At, shared: &mut Shared) -> Option<u64> {
        match self.names.get(name) {
            Some(file) => Some(*file),
            None => self.open(name, Vec::new(), Mode::default(), at, shared),
        }
    }
}

fn mode(fields: &mut Fields<'_>, version: u32) -> Option<Mode> {
    let first = fields.u32()?;
    if version < 5 {
        return Some(Mode {
            read: first & READ != 0,
            write: first & WRITE != 0,
            append: first & APPEND != 0,
            empty: first & (TRUNCATE | EXCLUSIVE) != 0,
        });
    }
    let flags = fields.u32()?;
    Some(Mode {
        read: first & READ != 0,
        write: first & (WRITE | APPEND) != 0,
        append: flags & APPEND_BITS != 0,
        empty: matches!(
            flags & DISPOSITION,
            CREATE_NEW | CREATE_TRUNCATE | TRUNCATE_EXISTING
        ),
    })
}

/// What attributes that are set mean.
fn set(attributes: Attributes) -> Vec<Action> {
    let size = attributes.size.map(Action::Truncate);
    let permissions = attributes.permissions.map(Action::Permissions);
    let actions: Vec<Action> = size.into_iter().chain(permissions).collect();
    if actions.is_empty() {
        vec![Action::Attributes]
    } else {
        actions
    }
}

fn one(action: Action, name: &[u8], at: At) -> Pending {
    told(vec![action], &path(name), at)
}

fn told(actions: Vec<Action>, path: &[u8], at: At) -> Pending {
    Pending::Told(entries(actions, path, at))
}

fn entries(actions: Vec<Action>, path: &[u8], at: At) -> Vec<Entry> {
    let entries = actions.into_iter().map(|action| Entry {
        channel: at.channel,
        begun: at.time,
        ended: at.time,
        protocol: "sftp",
        action,
        path: path.to_vec(),
        outcome: Outcome::Unknown,
    });
    entries.collect()
}
