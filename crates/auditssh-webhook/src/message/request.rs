//! The body of a request.

use auditssh_gateway::auth::service::{Applicant, Proof, Question};
use auditssh_gateway::auth::{Fact, Facts};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a body beside what a client chooses the length of.
const FRAME_BYTES: usize = 4096;
/// Bytes that one byte of a text may become in JSON.
const ESCAPED: usize = 6;

/// What is common to all questions, and what only one of them has.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    remote_address: String,
    connection_id: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<&'a str, Entry<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    environment: BTreeMap<&'a str, Entry<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    files: BTreeMap<&'a str, Entry<'a>>,
    client_version: &'a str,
    username: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticated_username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_base64: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<&'a str>,
}

#[derive(Serialize)]
struct Entry<'a> {
    value: Value<'a>,
    sensitive: bool,
}

enum Value<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// The body of a question, which is wiped from memory when the last request with it is done.
pub(crate) fn request(question: Question<'_>) -> Result<Bytes, serde_json::Error> {
    let Question { applicant, proof } = question;
    let nothing = Facts::default();
    let (mut password, mut key, mut facts) = (None, None, &nothing);
    match proof {
        Proof::Password(bytes) => password = Some(encoded(bytes)),
        Proof::PublicKey(line) => key = Some(line),
        Proof::Proven(known) => facts = known,
    }
    let password = password.as_ref().map(|text| text.as_str());
    let body = body(applicant, facts, password, key);
    // Room for all of it: a buffer that grew would leave the password behind.
    let chosen = applicant.username.len() + applicant.client_version.len();
    let sent = password.map_or(0, str::len) + key.map_or(0, str::len);
    let mut json = Zeroizing::new(Vec::with_capacity(
        FRAME_BYTES + ESCAPED * chosen + 2 * sent,
    ));
    serde_json::to_writer(&mut *json, &body)?;
    Ok(Bytes::from_owner(json))
}

fn body<'a>(
    applicant: &'a Applicant,
    facts: &'a Facts,
    password: Option<&'a str>,
    key: Option<&'a str>,
) -> Body<'a> {
    Body {
        remote_address: applicant.remote_address.to_string(),
        connection_id: &applicant.connection_id,
        metadata: entries(&facts.metadata, |text| Value::Text(text)),
        environment: entries(&facts.environment, |text| Value::Text(text)),
        files: entries(&facts.files, |bytes| Value::Bytes(bytes)),
        client_version: &applicant.client_version,
        username: &applicant.username,
        authenticated_username: facts.authenticated_username.as_deref(),
        password_base64: password,
        public_key: key,
    }
}

fn entries<'a, T: Zeroize>(
    facts: &'a BTreeMap<String, Fact<T>>,
    value: impl Fn(&'a T) -> Value<'a>,
) -> BTreeMap<&'a str, Entry<'a>> {
    let entry = |(name, fact): (&'a String, &'a Fact<T>)| {
        let entry = Entry {
            value: value(&fact.value),
            sensitive: fact.sensitive,
        };
        (name.as_str(), entry)
    };
    facts.iter().map(entry).collect()
}

fn encoded(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    STANDARD.encode_string(bytes, &mut text);
    text
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_str(&encoded(bytes)),
        }
    }
}
