//! The body of a configuration server's answer.

use super::answer::{Base64, Entries, Text, facts, object};
use auditssh_gateway::auth::Facts;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Body {
    config: Map<String, Value>,
    #[serde(default)]
    metadata: Entries<Text>,
    #[serde(default)]
    environment: Entries<Text>,
    #[serde(default)]
    files: Entries<Base64>,
    /// What a server may repeat of the question; it is not looked at.
    #[serde(default, rename = "username")]
    _username: IgnoredAny,
    #[serde(default, rename = "authenticatedUsername")]
    _authenticated_username: IgnoredAny,
    #[serde(default, rename = "remoteAddress")]
    _remote_address: IgnoredAny,
    #[serde(default, rename = "connectionId")]
    _connection_id: IgnoredAny,
    #[serde(default, rename = "clientVersion")]
    _client_version: IgnoredAny,
}

/// The settings of an answer, whatever they are, and what it says of the user. What is wrong with
/// an answer is told without repeating any of its values.
pub(crate) fn read(json: &[u8]) -> Result<(Map<String, Value>, Facts), String> {
    let body: Body = object(json)?;
    let facts = facts(body.metadata, body.environment, body.files);
    Ok((body.config, facts))
}
