//! `log`.

use crate::config::at::At;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The log of the server itself. It never holds a secret.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Log {
    /// The least severe level that is logged. The environment variable `AUDITSSH_LOG`, if it is
    /// set, overrides it (for example `info,auditssh_gateway=debug`).
    pub(crate) level: Level,
    /// The form of the lines. Each that is about a connection has its id (`connection`). Where
    /// standard error is the journal, a line begins with its priority.
    pub(crate) format: LogFormat,
    /// Where the lines go.
    pub(crate) destination: At<Destination>,
    /// Not in this version: see `destination`.
    pub(crate) file: Option<At<String>>,
    /// Not in this version: see `destination`.
    pub(crate) syslog: Option<At<BTreeMap<String, String>>>,
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
    /// The same as `info`.
    Notice,
    /// The same as `error`.
    Crit,
    /// The same as `error`.
    Alert,
    /// The same as `error`.
    Emerg,
}

impl Level {
    /// As the log's filter calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error | Self::Crit | Self::Alert | Self::Emerg => "error",
            Self::Warning => "warn",
            Self::Info | Self::Notice => "info",
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
    /// The same as `json`.
    Ljson,
}

/// Where the lines go.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Destination {
    /// To standard error.
    #[default]
    Stderr,
    /// To standard output.
    Stdout,
    /// To a file. Not in this version.
    File,
    /// To the system's log. Not in this version.
    Syslog,
}
