//! `log`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The log of the server itself, written to standard error. It never holds a secret.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Log {
    /// The least severe level that is logged. The environment variable `AUDITSSH_LOG`, if it is
    /// set, overrides it (for example `info,auditssh_gateway=debug`).
    pub(crate) level: Level,
    /// The form of the lines.
    pub(crate) format: LogFormat,
}

/// A level of severity.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// What went wrong.
    Error,
    /// What may be wrong.
    Warning,
    /// What happened.
    #[default]
    Info,
    /// What helps to find an error.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    /// As the log's filter calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// The form of the lines.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
