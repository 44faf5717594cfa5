//! One module a subcommand: its arguments, and `run`.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod decode;
pub(crate) mod hash_password;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod recover;
pub(crate) mod salvage;
pub(crate) mod serve;
pub(crate) mod upload;
pub(crate) mod verify;
