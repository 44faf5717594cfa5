//! What connections are served by, replaceable while the server runs.

use super::{ServeError, check};
use crate::russh::Config;
use crate::settings::Settings;
use arc_swap::ArcSwap;
use std::fmt;
use std::sync::Arc;

/// What new connections are served by; those that are there keep what they began with.
pub struct Terms(ArcSwap<Agreed>);

/// What one connection is served by.
pub(crate) struct Agreed {
    pub(crate) settings: Arc<Settings>,
    pub(crate) config: Config,
}

impl Terms {
    pub(super) fn new(settings: Settings) -> Self {
        Self(ArcSwap::from_pointee(Agreed::new(settings)))
    }

    /// Serves new connections by other settings, if they can be served. What belongs to the
    /// server as a whole stays as it was at the start: the addresses, and of the limits
    /// `connections` and those of connections that are not logged in; so does how login names are
    /// divided, which is the backend's.
    pub fn replace(&self, settings: Settings) -> Result<(), ServeError> {
        check(&settings)?;
        let settings = Settings {
            place_separator: self.now().settings.place_separator,
            ..settings
        };
        self.0.store(Arc::new(Agreed::new(settings)));
        Ok(())
    }

    pub(crate) fn now(&self) -> Arc<Agreed> {
        self.0.load_full()
    }
}

impl Agreed {
    fn new(settings: Settings) -> Self {
        Self {
            config: Config::new(&settings),
            settings: Arc::new(settings),
        }
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms").finish_non_exhaustive()
    }
}
