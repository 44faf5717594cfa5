//! Users who prove themselves on a web page: the device flow of OAuth 2.0 (RFC 8628), with GitHub or
//! with any provider of OpenID Connect.
//!
//! - `flow` is what both have in common: a code is asked for, shown to the user, and exchanged for a token
//!   once the user has typed it on the page.
//! - [`GitHub`] and [`Oidc`] ask who the user is, with that token. It is kept nowhere and given to nobody.
//! - [`CodeFlow`] is for those who have a browser: the authorization code flow.
//! - `site` makes the requests.

mod code;
mod flow;
mod github;
mod oidc;
mod site;
mod token;

pub use code::{Asked, CodeError, CodeFlow, Person};
pub use github::GitHub;
pub use oidc::Oidc;

use std::fmt;
use std::sync::Arc;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Logins that are awaited at a time.
pub const AWAITED: usize = 256;

/// What this server is to a provider.
#[derive(Clone)]
pub struct Registration {
    /// The identifier that the provider has given it.
    pub client_id: String,
    /// The secret; may be empty.
    pub client_secret: Zeroizing<String>,
    /// Scopes beyond those that are needed.
    pub extra_scopes: Vec<String>,
    /// Whether a token with fewer scopes than were asked for is refused.
    pub enforce_scopes: bool,
    /// Whether the name at the provider must be the login name.
    pub enforce_username: bool,
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Room for logins that are awaited; one for all providers and reloads.
fn room() -> Arc<Semaphore> {
    static ROOM: std::sync::OnceLock<Arc<Semaphore>> = std::sync::OnceLock::new();
    Arc::clone(ROOM.get_or_init(|| Arc::new(Semaphore::new(AWAITED))))
}
