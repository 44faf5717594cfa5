//! What is common to all that is asked by HTTP.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The lowest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
pub(crate) enum TlsVersion {
    /// TLS 1.3.
    #[default]
    #[serde(rename = "1.3")]
    V13,
    /// TLS 1.2 or 1.3.
    #[serde(rename = "1.2")]
    V12,
}
