//! Users who prove themselves elsewhere, such as on a web page, while the connection waits. The gateway
//! knows what they are told, not how it goes on: that is for who implements [`Elsewhere`].

use super::Facts;
use super::service::{Applicant, Unanswered};
use async_trait::async_trait;
use std::fmt;

/// Has users prove themselves elsewhere.
#[async_trait]
pub trait Elsewhere: fmt::Debug + Send + Sync {
    /// Begins. Ends within a time of its own.
    async fn begin(&self, applicant: &Applicant) -> Result<Box<dyn Pending>, Unanswered>;
}

/// A proof that is awaited; dropping it gives it up.
#[async_trait]
pub trait Pending: Send + Sync {
    /// What the user is told to do: text for a terminal, of a few lines.
    fn instruction(&self) -> &str;

    /// How it ended. Ends within a time of its own.
    async fn outcome(&mut self) -> Result<Proof, Unanswered>;
}

/// How it ended.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The user is the one of the login name; and what else is known of it.
    Given(Facts),
    /// It is not, or may not come in; the reason is for the log.
    Refused(String),
}
