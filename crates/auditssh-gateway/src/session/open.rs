use super::arrival::Access;
use super::{Channel, Ended, Link, Outlet};
use crate::backend::{Refused, Session};
use crate::russh::Reply;
use auditssh_archive::Entry;
use auditssh_log::Event;
use auditssh_log::message::{NewChannel, NewChannelFailed};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

const SESSION: &str = "session";

/// Opens channels, or says why not.
pub(crate) struct Opening {
    pub(super) link: Arc<Link>,
}

impl Opening {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// A session is asked for. The backend may take its time: the answer is given later.
    pub(crate) async fn session(&self, outlet: Outlet, reply: Reply) -> Result<(), Ended> {
        let number = self.link.number();
        match self.admit() {
            Ok(room) => {
                let opening = open(Arc::clone(&self.link), number, outlet, reply, room);
                let span = self.link.span.clone();
                self.link.tasks.spawn(opening.instrument(span));
                Ok(())
            }
            Err(reason) => {
                self.link.counters.refused_channels.add();
                self.link.record(failed(number, SESSION, reason)).await?;
                reply.shortage().await;
                Ok(())
            }
        }
    }

    fn admit(&self) -> Result<OwnedSemaphorePermit, &'static str> {
        self.link.admit()?;
        let room = Arc::clone(&self.link.room).try_acquire_owned().map_err(
            |_| "too many session channels are open (limits.sessionChannels, security.maxSessions)",
        )?;
        self.link.count_channel();
        Ok(room)
    }

    /// A channel that this server does not open for clients: recorded and refused.
    pub(crate) async fn refused(
        &self,
        kind: &str,
        reason: &str,
        reply: Reply,
    ) -> Result<(), Ended> {
        let number = self.link.number();
        self.link.record(failed(number, kind, reason)).await?;
        reply.prohibited().await;
        Ok(())
    }
}

async fn open(
    link: Arc<Link>,
    number: u64,
    outlet: Outlet,
    reply: Reply,
    room: OwnedSemaphorePermit,
) {
    let session = tokio::select! {
        session = backend_session(&link) => session,
        () = link.over.cancelled() => return,
    };
    match session {
        Ok((session, access, own)) => {
            let guard = access.guard;
            let room = (room, own);
            let channel = Channel::new(number, outlet, session, guard, room, &link);
            if link.record(channel.entry(opened(SESSION))).await.is_ok() {
                link.insert(channel.key, channel);
                reply.accept().await;
            }
        }
        Err(refused) => {
            let event = failed(number, SESSION, refused.reason());
            if link.record(event).await.is_ok() {
                reply.refuse(refused.for_user().to_owned()).await;
            }
        }
    }
}

/// A session, what may be done in it, and the place that it takes of the connection's own number.
async fn backend_session(
    link: &Link,
) -> Result<(Box<dyn Session>, Access, Option<OwnedSemaphorePermit>), Refused> {
    let Some(way) = link.way() else {
        return Err(Refused::new("nobody is logged in".to_owned()));
    };
    let access = way.await?;
    let own = access.room.clone().map(Semaphore::try_acquire_owned);
    let own = own.transpose().map_err(|_| {
        link.counters.refused_channels.add();
        Refused::told("too many session channels are open (security.maxSessions)")
    })?;
    let limit = link.settings.limits.backend_open;
    let opened = tokio::time::timeout(limit, access.connection.open_session()).await;
    let late = |_| {
        Err(Refused::new(format!(
            "no session within {limit:?} (limits.backendOpen)"
        )))
    };
    let opened = opened.unwrap_or_else(late).inspect_err(|refused| {
        tracing::warn!(
            connection = link.recorder.connection_id(),
            reason = refused.reason(),
            "the backend refused a session"
        );
    });
    Ok((opened?, access, own))
}

pub(super) fn opened(kind: &str) -> Event {
    Event::NewChannelSuccessful(NewChannel {
        channel_type: kind.into(),
    })
}

pub(super) fn failed(number: u64, kind: &str, reason: &str) -> Entry {
    Entry::from(Event::NewChannelFailed(NewChannelFailed {
        channel_type: kind.into(),
        reason: reason.into(),
    }))
    .on(number)
}
