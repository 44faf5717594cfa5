//! Kinds of packets (draft-ietf-secsh-filexfer, versions 02 to 13).

pub(super) const INIT: u8 = 1;
pub(super) const VERSION: u8 = 2;
pub(super) const OPEN: u8 = 3;
pub(super) const CLOSE: u8 = 4;
pub(super) const READ: u8 = 5;
pub(super) const WRITE: u8 = 6;
pub(super) const LSTAT: u8 = 7;
pub(super) const FSTAT: u8 = 8;
pub(super) const SETSTAT: u8 = 9;
pub(super) const FSETSTAT: u8 = 10;
pub(super) const REMOVE: u8 = 13;
pub(super) const MKDIR: u8 = 14;
pub(super) const RMDIR: u8 = 15;
pub(super) const STAT: u8 = 17;
pub(super) const RENAME: u8 = 18;
pub(super) const SYMLINK: u8 = 20;
pub(super) const LINK: u8 = 21;
pub(super) const STATUS: u8 = 101;
pub(super) const HANDLE: u8 = 102;
pub(super) const DATA: u8 = 103;
pub(super) const ATTRS: u8 = 105;
pub(super) const EXTENDED: u8 = 200;

/// What a status says; `None` if all is well.
pub(super) fn failure(code: u32) -> Option<&'static str> {
    Some(match code {
        0 => return None,
        1 => "end of file",
        2 => "no such file",
        3 => "permission denied",
        4 => "failure",
        5 => "bad message",
        6 => "no connection",
        7 => "connection lost",
        8 => "not supported",
        9 => "invalid handle",
        10 => "no such path",
        11 => "it exists already",
        12 => "write protected",
        13 => "no medium",
        14 => "no space left",
        15 => "quota exceeded",
        17 => "locked",
        18 => "directory not empty",
        19 => "not a directory",
        20 => "invalid filename",
        21 => "too many links",
        24 => "it is a directory",
        _ => "an error without a name",
    })
}

/// The code of the end of a file.
pub(super) const EOF: u32 = 1;
