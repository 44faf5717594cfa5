//! Who may log in, and see what: replaced as a whole when the configuration is read again.

use crate::app::App;
use crate::rules::{Rule, Rules};
use crate::users::{Users, Viewer};
use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// Who may log in with a password, and which recordings anyone may see.
#[derive(Debug)]
pub(crate) struct Who {
    pub(crate) users: Users,
    pub(crate) rules: Rules,
}

impl Who {
    pub(crate) fn new(users: Users, rules: Vec<Rule>) -> Self {
        Self {
            users,
            rules: Rules::new(rules),
        }
    }

    /// Whether someone who logged in `before` would be let in as the same now, and would see the
    /// same.
    pub(crate) fn keeps(&self, viewer: &Viewer, before: &Self) -> bool {
        let is_same = viewer.elsewhere || self.users.get(viewer) == before.users.get(viewer);
        is_same && self.rules.sight(viewer) == before.rules.sight(viewer)
    }
}

/// By which a viewer is told that its configuration has changed.
#[derive(Clone)]
pub struct Renewal {
    pub(crate) app: App,
    pub(crate) tls: Option<Arc<ArcSwap<TlsAcceptor>>>,
}

impl Renewal {
    /// From now on these may log in, and see that. Who is logged in, and would not be the same or
    /// not see the same, is logged out; what is still sent to them ends. New connections are served
    /// by the certificate; a viewer without TLS stays without.
    pub fn renew(&self, users: Users, rules: Vec<Rule>, tls: Option<TlsAcceptor>) {
        let now = Arc::new(Who::new(users, rules));
        let before = self.app.who.swap(Arc::clone(&now));
        let keeps = |viewer: &Viewer| now.keeps(viewer, &before);
        self.app.sessions.end_others(keeps);
        if let (Some(current), Some(tls)) = (&self.tls, tls) {
            current.store(Arc::new(tls));
        }
    }
}

impl std::fmt::Debug for Renewal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renewal").finish_non_exhaustive()
    }
}
