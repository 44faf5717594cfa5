//! One module a subcommand: its arguments, and `run`.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod convert;
pub(crate) mod decode;
pub(crate) mod files;
pub(crate) mod hash_password;
pub(crate) mod index;
pub(crate) mod list;
pub(crate) mod log;
pub(crate) mod man;
mod places;
pub(crate) mod recover;
pub(crate) mod replay;
pub(crate) mod salvage;
pub(crate) mod search;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod upload;
pub(crate) mod verify;
pub(crate) mod web;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// No key file is longer, in bytes.
const KEY: u64 = 64 << 10;

/// The text of a key file; an error for what is too long to be one.
fn read_key(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?.take(KEY).read_to_string(&mut text)?;
    if length as u64 == KEY {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is too long for a key",
        ));
    }
    Ok(text)
}
