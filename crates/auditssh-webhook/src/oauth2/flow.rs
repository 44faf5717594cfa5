//! The device flow (RFC 8628).

use super::site::{By, Fields, post};
use super::{Registration, room};
use crate::client::Client;
use crate::failure::Failure;
use async_trait::async_trait;
use auditssh_gateway::auth::Facts;
use auditssh_gateway::auth::elsewhere::{Pending, Proof};
use auditssh_gateway::auth::service::{Applicant, Unanswered};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};
use zeroize::Zeroizing;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How often is asked whether the user is done, unless the provider says otherwise.
const INTERVAL: u64 = 5;
/// What `slow_down` adds.
const SLOWER: Duration = Duration::from_secs(5);
/// The longest time between two questions.
const LONGEST: u64 = 60;
/// Bytes of the longest text that the user is shown of an answer.
const SHOWN_BYTES: usize = 1024;

/// Where a provider has the two parts of the flow, and how it knows this server.
pub(super) struct Endpoints {
    pub(super) device: (Client, String),
    pub(super) token: (Client, String),
    pub(super) scopes: Vec<String>,
    /// Whether the secret goes into a header instead of the form.
    pub(super) basic: bool,
}

/// Who a token belongs to, in a provider's own way.
#[async_trait]
pub(super) trait Provider: fmt::Debug + Send + Sync {
    fn registration(&self) -> &Registration;
    /// The name that the user has there.
    async fn name(&self, token: &Token) -> Result<Named, Failure>;
}

/// What is known of the user.
pub(super) enum Named {
    As(String),
    /// Who it is does not matter: it may not come in.
    Unwelcome(&'static str),
}

/// What the provider gives once the user is done.
#[derive(Deserialize)]
pub(super) struct Token {
    #[serde(rename = "access_token", deserialize_with = "secret")]
    pub(super) access: Zeroizing<String>,
    #[serde(default, rename = "id_token", deserialize_with = "maybe_secret")]
    pub(super) identity: Option<Zeroizing<String>>,
    #[serde(default)]
    scope: Option<String>,
}

#[derive(Deserialize)]
struct Device {
    #[serde(rename = "device_code", deserialize_with = "secret")]
    secret: Zeroizing<String>,
    user_code: String,
    #[serde(alias = "verification_url")]
    verification_uri: String,
    expires_in: u64,
    #[serde(default)]
    interval: Option<u64>,
}

/// Either is answered with 200 or with 400, as it pleases the provider.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Said<T> {
    Wrong { error: String },
    Right(T),
}

/// A user who is awaited.
pub(super) struct Awaited<P> {
    provider: P,
    endpoints: Endpoints,
    login: String,
    instruction: String,
    device_code: Zeroizing<String>,
    interval: Duration,
    until: Instant,
    _room: OwnedSemaphorePermit,
}

impl<P: Provider> Awaited<P> {
    pub(super) async fn begin(
        provider: P,
        endpoints: Endpoints,
        applicant: &Applicant,
        within: Duration,
    ) -> Result<Self, Failure> {
        let begun = Instant::now();
        let place = room().try_acquire_owned().map_err(|_| Failure::Busy)?;
        let registration = provider.registration();
        let scopes = endpoints.scopes.join(" ");
        let mut fields = vec![("client_id", registration.client_id.as_str())];
        if !scopes.is_empty() {
            fields.push(("scope", &scopes));
        }
        let (client, target) = &endpoints.device;
        let by = prove(registration, endpoints.basic, &mut fields);
        let (_, said) = post(client, target, by, &fields, client.timeout).await?;
        let device: Device = match said {
            Said::Right(device) => device,
            Said::Wrong { error } => return Err(wrong(&error)),
        };
        let within = within.min(Duration::from_secs(device.expires_in.min(3600)));
        let until = begun + within;
        let seconds = device.interval.unwrap_or(INTERVAL).clamp(1, LONGEST);
        Ok(Self {
            instruction: instruction(&device, within)?,
            login: applicant.username.clone(),
            device_code: device.secret,
            interval: Duration::from_secs(seconds),
            until,
            _room: place,
            provider,
            endpoints,
        })
    }

    /// The token, once the user is done; `None` if the user does not want to.
    async fn token(&mut self) -> Result<Option<Token>, Failure> {
        loop {
            let next = Instant::now() + self.interval;
            if next >= self.until {
                sleep_until(self.until).await;
                return Err(Failure::Ended("the user was not done in time".to_owned()));
            }
            sleep_until(next).await;
            let said = match self.ask().await {
                // As RFC 8628, 3.5 has it: what fails is asked less often.
                Err(failure) if failure.may_pass() => {
                    self.interval = (self.interval * 2).min(Duration::from_secs(LONGEST));
                    continue;
                }
                said => said?,
            };
            match said {
                Said::Right(token) => return Ok(Some(token)),
                Said::Wrong { error } => match error.as_str() {
                    "authorization_pending" => {}
                    "slow_down" => self.interval += SLOWER,
                    "access_denied" => return Ok(None),
                    "expired_token" => {
                        return Err(Failure::Ended("the code is too old".to_owned()));
                    }
                    other => return Err(wrong(other)),
                },
            }
        }
    }

    async fn ask(&self) -> Result<Said<Token>, Failure> {
        let registration = self.provider.registration();
        let mut fields = vec![
            ("client_id", registration.client_id.as_str()),
            ("device_code", self.device_code.as_str()),
            ("grant_type", GRANT),
        ];
        let by = prove(registration, self.endpoints.basic, &mut fields);
        let (client, target) = &self.endpoints.token;
        let left = self.until.saturating_duration_since(Instant::now());
        let (_, said) = post(client, target, by, &fields, left).await?;
        Ok(said)
    }

    async fn judge(&mut self) -> Result<Proof, Failure> {
        let refused = |why: &str| Ok(Proof::Refused(why.to_owned()));
        let Some(token) = self.token().await? else {
            return refused("the user has refused the access");
        };
        let registration = self.provider.registration();
        if registration.enforce_scopes && !self.covers(&token) {
            return refused("the user did not grant all that was asked for (enforceScopes)");
        }
        let name = match self.provider.name(&token).await? {
            Named::As(name) => name,
            Named::Unwelcome(why) => return refused(why),
        };
        if name.is_empty() || registration.enforce_username && name != self.login {
            return refused("the user has another name at the provider (enforceUsername)");
        }
        Ok(Proof::Given(Facts {
            authenticated_username: Some(name),
            ..Facts::default()
        }))
    }

    /// A token without a word of scopes has those that were asked for (RFC 6749, 5.1).
    fn covers(&self, token: &Token) -> bool {
        let Some(granted) = &token.scope else {
            return true;
        };
        let granted: Vec<_> = granted.split([' ', ',']).collect();
        let mut wanted = self.endpoints.scopes.iter();
        wanted.all(|scope| granted.contains(&scope.as_str()))
    }
}

#[async_trait]
impl<P: Provider> Pending for Awaited<P> {
    fn instruction(&self) -> &str {
        &self.instruction
    }

    async fn outcome(&mut self) -> Result<Proof, Unanswered> {
        let until = self.until;
        let judged = tokio::time::timeout_at(until, self.judge()).await;
        let judged = judged.unwrap_or(Err(Failure::Ended(
            "the user was not done in time".to_owned(),
        )));
        judged.map_err(|failure| unanswered(&failure))
    }
}

pub(super) fn unanswered(failure: &Failure) -> Unanswered {
    Unanswered(format!("auth.keyboardInteractive.oauth2: {failure}"))
}

/// What the user reads.
fn instruction(device: &Device, within: Duration) -> Result<String, Failure> {
    let Device {
        user_code: code,
        verification_uri: page,
        ..
    } = device;
    let plain = |text: &str| {
        let fits = !text.is_empty() && text.len() <= SHOWN_BYTES;
        fits && !text
            .chars()
            .any(|letter| letter.is_control() || letter.is_whitespace())
    };
    let page_fits = page.starts_with("https://") || page.starts_with("http://");
    // A code may be in groups.
    if !page_fits || !plain(page) || !plain(&code.replace(' ', "")) {
        let text = "an address or a code that no terminal should show";
        return Err(Failure::Malformed(text.to_owned()));
    }
    Ok(format!(
        "To log in, open this page within {} s:\n\n    {page}\n\nand enter this code there:\n\n    {code}\n\n\
         This session goes on by itself once you are done.\n",
        within.as_secs(),
    ))
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

fn maybe_secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Zeroizing<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.map(Zeroizing::new))
}

/// How the server proves itself: by a header, or by a field of the form.
pub(super) fn prove<'a>(
    registration: &'a Registration,
    basic: bool,
    fields: &mut Fields<'a>,
) -> By<'a> {
    let secret = registration.client_secret.as_str();
    if secret.is_empty() {
        return By::Nothing;
    }
    if basic {
        return By::Basic(&registration.client_id, secret);
    }
    fields.push(("client_secret", secret));
    By::Nothing
}

/// A code of RFC 6749, 5.2, if it looks like one.
pub(super) fn wrong(code: &str) -> Failure {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let known = code.len() <= 40 && code.bytes().all(word);
    let shown = if known { code } else { "…" };
    Failure::Ended(format!("the provider answers `{shown}`"))
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(page: &str, code: &str) -> Device {
        Device {
            secret: Zeroizing::default(),
            user_code: code.to_owned(),
            verification_uri: page.to_owned(),
            expires_in: 60,
            interval: None,
        }
    }

    #[test]
    fn only_what_a_terminal_may_show_is_shown() {
        let minute = Duration::from_mins(1);
        let text = instruction(&device("https://x.example.com/device", "ABCD-1234"), minute);
        assert!(text.unwrap().contains("ABCD-1234"));
        for (page, code) in [
            ("https://x/\x1b[2J", "A"),
            ("https://x", "A\x07"),
            ("https://x", "A\nB"),
            ("javascript:x", "A"),
            ("https://x", ""),
        ] {
            assert!(
                instruction(&device(page, code), minute).is_err(),
                "{page} {code}"
            );
        }
    }

    #[test]
    fn a_code_of_an_error_is_shown_only_if_it_is_one() {
        assert!(
            wrong("invalid_client")
                .to_string()
                .contains("`invalid_client`")
        );
        assert!(!wrong("hunter2!").to_string().contains("hunter2"));
    }
}
