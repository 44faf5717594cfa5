//! `users`.

use crate::config::at::At;
use crate::config::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One user: what proves the login. Any one of them suffices.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct User {
    /// The hash of the password as `auditssh hash-password` prints it (argon2id); bcrypt and
    /// sha512-crypt hashes are taken too. Also asked for by keyboard-interactive.
    pub(crate) password: Option<At<Secret>>,
    /// Public keys, each as a line of an `authorized_keys` file, options included.
    pub(crate) authorized_keys: Vec<At<String>>,
    /// An `authorized_keys` file, read at each login; `%u` stands for the login name and `%%` for
    /// a percent sign.
    pub(crate) authorized_keys_file: Option<At<String>>,
    /// The names one of which a user certificate must bear; without any, the login name.
    pub(crate) principals: Vec<String>,
}
