//! Which webhook is asked what.

use crate::client::Client;
use crate::failure::Failure;
use crate::message::{read, request};
use crate::retry;
use crate::tls::Trust;
use crate::url::Url;
use async_trait::async_trait;
use auditssh_gateway::auth::service::{Answer, Kind, Question, Service, Unanswered};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Requests that are under way at a time; each may hold an answer of
/// [`ANSWER_BYTES`](crate::ANSWER_BYTES). Further ones wait, within their own time.
pub const CALLS: usize = 64;

/// Asks webhooks. Connections are made for each request and closed after it.
#[derive(Debug)]
pub struct Webhooks {
    password: Option<Webhook>,
    public_key: Option<Webhook>,
    authorization: Option<Webhook>,
    room: Semaphore,
}

/// One webhook.
#[derive(Debug)]
pub struct Webhook {
    pub(crate) client: Client,
    pub(crate) within: Duration,
}

impl Webhook {
    /// A webhook whose single requests may take `timeout`, and that is asked again for `within` if
    /// they fail. An encrypted URL needs `trust`.
    pub fn new(url: Url, trust: Option<Trust>, timeout: Duration, within: Duration) -> Self {
        Self {
            client: Client {
                url,
                trust,
                timeout,
            },
            within,
        }
    }
}

impl Webhooks {
    /// Those that are asked about passwords, about public keys, and about who is proven.
    pub fn new(
        password: Option<Webhook>,
        public_key: Option<Webhook>,
        authorization: Option<Webhook>,
    ) -> Self {
        Self {
            password,
            public_key,
            authorization,
            room: Semaphore::new(CALLS),
        }
    }

    fn of(&self, kind: Kind) -> (Option<&Webhook>, &'static str) {
        match kind {
            Kind::Password => (self.password.as_ref(), "/password"),
            Kind::PublicKey => (self.public_key.as_ref(), "/pubkey"),
            Kind::Authorization => (self.authorization.as_ref(), "/authz"),
        }
    }
}

#[async_trait]
impl Service for Webhooks {
    fn answers(&self, kind: Kind) -> bool {
        self.of(kind).0.is_some()
    }

    async fn ask(&self, question: Question<'_>) -> Result<Answer, Unanswered> {
        let (Some(webhook), path) = self.of(question.proof.kind()) else {
            return Err(Unanswered("no webhook is there for that".to_owned()));
        };
        let unanswered = |failure: &dyn std::fmt::Display| {
            let url = &webhook.client.url;
            Unanswered(format!("webhook {path} of {url}: {failure}"))
        };
        let body = request(question).map_err(|error| unanswered(&error))?;
        let (client, within, room) = (&webhook.client, webhook.within, &self.room);
        let answer = retry::ask(client, path, body, within, room, |json| {
            read(&json).map_err(Failure::Malformed)
        });
        answer.await.map_err(|failure| unanswered(&failure))
    }
}
