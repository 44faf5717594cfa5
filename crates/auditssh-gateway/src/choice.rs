//! What one connection is served by, where that is not the same for all. The gateway knows what is
//! asked, not how: that is for who implements [`Chooser`].

use crate::auth::Facts;
use crate::auth::service::{Applicant, Unanswered};
use crate::backend::Backend;
use crate::security::Security;
use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;

/// Chooses what a connection is served by, once its user is logged in.
#[async_trait]
pub trait Chooser: fmt::Debug + Send + Sync {
    /// Chooses. Ends within a time of its own, and what it asks is taken back when it is dropped.
    async fn choose(&self, applicant: &Applicant, facts: &Facts) -> Result<Choice, Unanswered>;
}

/// What a connection is served by.
pub struct Choice {
    /// What stands behind the gateway for it.
    pub backend: Arc<dyn Backend>,
    /// What its sessions may do.
    pub security: Arc<Security>,
    /// What more is known of its user.
    pub facts: Facts,
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Choice").finish_non_exhaustive()
    }
}
