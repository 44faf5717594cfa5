//! `local`.

use crate::config::at::At;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The backend `local`: programs run on the machine itself.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Local {
    /// As whom programs run.
    pub(crate) user: Account,
    /// The shell; without it the account's own.
    pub(crate) shell: Option<At<String>>,
    /// The programs behind subsystems: a map from a subsystem's name to a command line.
    /// sshd's `internal-sftp` stands for the program of `sftp`, or OpenSSH's own.
    pub(crate) subsystems: At<BTreeMap<String, String>>,
    /// The environment variables that a client may set; `*` and `?` stand for any text and any
    /// character.
    pub(crate) accept_env: Vec<At<String>>,
    /// Let programs run as root. With `user: self` a server that is root starts only then; with
    /// `user: login` only then may accounts with uid 0 log in. Whoever is recorded as root can end
    /// the recording.
    pub(crate) allow_root: bool,
}

impl Default for Local {
    fn default() -> Self {
        Self {
            user: Account::default(),
            shell: None,
            subsystems: At::unplaced(BTreeMap::from([(
                "sftp".into(),
                "/usr/lib/openssh/sftp-server".into(),
            )])),
            accept_env: ["LANG", "LC_*"]
                .map(|name| At::unplaced(name.into()))
                .into(),
            allow_root: false,
        }
    }
}

/// As whom programs run.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Account {
    /// As the account that runs the server, whoever logs in.
    #[default]
    #[serde(rename = "self")]
    Own,
    /// As the Unix account of the login name. The server must run as root.
    Login,
}
