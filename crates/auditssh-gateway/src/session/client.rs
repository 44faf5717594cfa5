//! What a backend may ask of the client's side.

use super::open::failed;
use super::{Backward, Link, splice};
use crate::backend::{Client, Originator, Pipe, Refused};
use async_trait::async_trait;
use auditssh_archive::Entry;
use auditssh_log::Event;
use std::fmt;
use std::sync::{Arc, Weak};
use tokio::io::DuplexStream;

/// Bytes that may wait between a channel and the gateway itself.
const BUFFER: usize = 64 * 1024;

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
        let ended = || Refused::new("the connection has ended");
        let link = self.0.upgrade().ok_or_else(ended)?;
        let guard = link.known_guard().ok_or_else(ended)?;
        guard.agent_for_login()?;
        // The client's answer comes by the task that handles its requests: none may wait for this.
        link.asking.cancel();
        let (number, from) = (link.number(), Originator::default());
        let room = link.admit_forward().map_err(Refused::new)?;
        let channel = link
            .open_backward(number, &Backward::Agent, &from, &guard, room)
            .await
            .map_err(Refused::new)?;
        let (near, far) = tokio::io::duplex(BUFFER);
        splice::spawn(channel, link, pipe(near));
        Ok(pipe(far))
    }

    async fn uninvited(&self, kind: &str, wanted: Option<Event>, reason: &str) {
        let Some(link) = self.0.upgrade() else { return };
        let number = link.number();
        if let Some(event) = wanted {
            drop(link.recorder.append(Entry::from(event).on(number)));
        }
        // If it can't be recorded, that is what ends the connection.
        let _ = link.record(failed(number, kind, reason)).await;
    }
}

fn pipe(stream: DuplexStream) -> Pipe {
    let (reader, writer) = tokio::io::split(stream);
    Pipe {
        reader: Box::new(reader),
        writer: Box::new(writer),
        gone: None,
        held: Box::new(()),
    }
}
