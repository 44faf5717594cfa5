//! What a backend may ask of the client's side.

use super::Link;
use super::open::failed;
use crate::backend::{Client, Pipe, Refused};
use async_trait::async_trait;
use auditssh_archive::Entry;
use auditssh_log::Event;
use std::fmt;
use std::sync::{Arc, Weak};

/// The client of a connection, as long as there is one.
pub(super) struct Asked(Weak<Link>);

impl Asked {
    pub(super) fn new(link: &Arc<Link>) -> Self {
        Self(Arc::downgrade(link))
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asked")
    }
}

#[async_trait]
impl Client for Asked {
    async fn agent(&self) -> Result<Pipe, Refused> {
        Err(Refused::new("the agent is not asked"))
    }

    async fn uninvited(&self, kind: &str, wanted: Option<Event>) {
        let Some(link) = self.0.upgrade() else { return };
        let number = link.number();
        if let Some(event) = wanted {
            drop(link.recorder.append(Entry::from(event).on(number)));
        }
        // If it can't be recorded, that is what ends the connection.
        let _ = link
            .record(failed(number, kind, "nobody asked the host for it"))
            .await;
    }
}
