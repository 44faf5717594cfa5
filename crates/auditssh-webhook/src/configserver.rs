//! A configuration server, which is asked what a connection is served by.

use crate::failure::Failure;
use crate::message::{read_configured, request};
use crate::retry;
use crate::webhooks::{CALLS, Webhook};
use auditssh_gateway::auth::Facts;
use auditssh_gateway::auth::service::{Applicant, Proof, Question, Unanswered};
use serde_json::{Map, Value};
use std::fmt;
use tokio::sync::Semaphore;

/// Is asked once a user is logged in.
#[derive(Debug)]
pub struct ConfigServer {
    webhook: Webhook,
    /// Whether it is told sensitive values, too.
    sensitive: bool,
    room: Semaphore,
}

/// What it answers.
pub struct Configured {
    /// The settings, as they are written.
    pub config: Map<String, Value>,
    /// What more it says of the user.
    pub facts: Facts,
}

impl ConfigServer {
    /// One behind a URL; `sensitive` has it told what earlier answers kept from others.
    pub fn new(webhook: Webhook, sensitive: bool) -> Self {
        Self {
            webhook,
            sensitive,
            room: Semaphore::new(CALLS),
        }
    }

    /// Asks about a user who is logged in and of whom so much is known.
    pub async fn ask(
        &self,
        applicant: &Applicant,
        facts: &Facts,
    ) -> Result<Configured, Unanswered> {
        let Webhook { client, within } = &self.webhook;
        let unanswered = |failure: &dyn fmt::Display| {
            Unanswered(format!("configuration server {}: {failure}", client.url))
        };
        let told;
        let facts = if self.sensitive {
            facts
        } else {
            told = facts.told();
            &told
        };
        let proof = Proof::Proven(facts);
        let body = request(Question { applicant, proof }).map_err(|error| unanswered(&error))?;
        let answer = retry::ask(client, "", body, *within, &self.room, |json| {
            read_configured(&json).map_err(Failure::Malformed)
        });
        let (config, facts) = answer.await.map_err(|failure| unanswered(&failure))?;
        Ok(Configured { config, facts })
    }
}

impl fmt::Debug for Configured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configured").finish_non_exhaustive()
    }
}
