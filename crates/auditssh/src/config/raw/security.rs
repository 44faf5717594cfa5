//! `security`.

use super::Forwarding;
use crate::config::at::At;
use crate::config::bounds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What sessions may do: ContainerSSH's filters. See `docs/security-filters.md`.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Security {
    /// The mode of every kind of request that has none of its own; without it, `enable`.
    pub(crate) default_mode: Mode,
    /// A command that runs in place of every program that is asked for and allowed; that one stands
    /// in its variable `SSH_ORIGINAL_COMMAND`. It overrides what a key forces. None if it is empty.
    pub(crate) force_command: At<String>,
    /// Session channels open at a time on one connection; the smaller of it and
    /// `limits.sessionChannels` holds. `-1` leaves it to that one alone, `0` allows none.
    #[schemars(transform = bounds::MAX_SESSIONS.told())]
    pub(crate) max_sessions: At<i64>,
    /// Environment variables that the client sets, by name. The backend must accept them too
    /// (`local.acceptEnv`).
    pub(crate) env: Filter,
    /// Commands that the client gives (`exec`), by their whole line.
    pub(crate) command: Commands,
    /// The shell. `filter` allows none.
    pub(crate) shell: Switch,
    /// Subsystems, such as `sftp`, by name.
    pub(crate) subsystem: Filter,
    /// Terminals. `filter` allows none.
    pub(crate) tty: Switch,
    /// Signals that the client sends, by name without `SIG`, such as `TERM`.
    pub(crate) signal: Filter,
    /// What may be forwarded.
    pub(crate) forwarding: Forwarding,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            default_mode: Mode::default(),
            force_command: At::default(),
            max_sessions: At::unplaced(-1),
            env: Filter::default(),
            command: Commands::default(),
            shell: Switch::default(),
            subsystem: Filter::default(),
            tty: Switch::default(),
            signal: Filter::default(),
            forwarding: Forwarding::default(),
        }
    }
}

/// Requests with names.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Filter {
    /// How they are treated.
    pub(crate) mode: Mode,
    /// What is allowed with `filter`: names, compared exactly.
    pub(crate) allow: Vec<At<String>>,
    /// What is denied with `enable` and `filter`: names, compared exactly.
    pub(crate) deny: Vec<At<String>>,
}

/// Commands.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Commands {
    /// How they are treated.
    pub(crate) mode: Mode,
    /// What is allowed with `filter`: whole command lines, compared exactly.
    pub(crate) allow: Vec<At<String>>,
}

/// Requests without a name.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Switch {
    /// How they are treated.
    pub(crate) mode: Mode,
}

/// How requests are treated.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// As `defaultMode` says.
    #[default]
    #[serde(rename = "")]
    Unset,
    /// Allowed, but for what is in `deny`.
    Enable,
    /// Only what is in `allow`.
    Filter,
    /// Refused.
    Disable,
}
