//! Channels that the server opens towards the client.

use super::open::{failed, opened};
use super::{Channel, Ended, Link, splice};
use crate::backend::{Arrival, Originator};
use crate::security::Guard;
use auditssh_archive::Entry;
use auditssh_log::Event;
use auditssh_log::message::{NewChannel, ReverseForwardChannel, StreamLocal, X11ForwardChannel};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tracing::Instrument;

/// How long a channel that the client has confirmed may take to be known: a moment, unless the
/// client confirms what it was not asked.
const KNOWN: Duration = Duration::from_secs(5);

/// Such a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Backward {
    /// `forwarded-tcpip`: the address and the port that were connected to, as the client asked for
    /// them.
    Tcp(String, u32),
    /// `forwarded-streamlocal@openssh.com`: the path.
    Socket(String),
    /// `x11`.
    X11,
    /// `auth-agent@openssh.com`.
    Agent,
}

impl Backward {
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Tcp(..) => "forwarded-tcpip",
            Self::Socket(_) => "forwarded-streamlocal@openssh.com",
            Self::X11 => "x11",
            Self::Agent => "auth-agent@openssh.com",
        }
    }

    /// What is recorded before the client is asked.
    pub(super) fn wanted(&self, from: &Originator) -> Event {
        let originator_host = from.host.as_str().into();
        let originator_port = from.port.into();
        match self {
            Self::Tcp(host, port) => Event::NewChannelForwardedTcpip(ReverseForwardChannel {
                connected_host: host.as_str().into(),
                connected_port: (*port).into(),
                originator_host,
                originator_port,
            }),
            Self::Socket(path) => Event::NewChannelForwardedStreamLocal(StreamLocal {
                path: path.as_str().into(),
            }),
            Self::X11 => Event::NewChannelX11(X11ForwardChannel {
                originator_host,
                originator_port,
            }),
            Self::Agent => Event::NewChannel(NewChannel {
                channel_type: self.kind().into(),
            }),
        }
    }
}

/// Channels that the client was asked for and has not answered.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    count: AtomicUsize,
    settled: Notify,
}

/// One of them; dropped when it is settled.
pub(super) struct Pending<'a>(&'a Unanswered);

impl Unanswered {
    fn one(&self) -> Pending<'_> {
        self.count.fetch_add(1, Ordering::AcqRel);
        Pending(self)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::AcqRel);
        self.0.settled.notify_waiters();
    }
}

impl Link {
    /// The client has confirmed a channel: waits until it is known by its number, since bytes may
    /// come on it at once.
    pub(crate) async fn confirmed(&self, key: u32) -> Result<(), Ended> {
        let known = async {
            loop {
                let settled = self.unanswered.settled.notified();
                tokio::pin!(settled);
                settled.as_mut().enable();
                let none = self.unanswered.count.load(Ordering::Acquire) == 0;
                if none || self.channel(key).is_some() {
                    return;
                }
                settled.await;
            }
        };
        // Bytes on a channel that is not known are dropped.
        let _ = self.unless_over(tokio::time::timeout(KNOWN, known)).await?;
        Ok(())
    }

    /// Records what is wanted, asks the client, and records what came of it: an open channel, or
    /// why there is none.
    pub(super) async fn open_backward(
        self: &Arc<Self>,
        number: u64,
        backward: &Backward,
        from: &Originator,
        guard: &Arc<Guard>,
        room: OwnedSemaphorePermit,
    ) -> Result<Arc<Channel>, String> {
        let gone = |_| "the connection has ended".to_owned();
        let wanted = Entry::from(backward.wanted(from)).on(number);
        self.record(wanted).await.map_err(gone)?;
        let pending = self.unanswered.one();
        let asked = self.ask_for(backward, from);
        let reason = match self.unless_over(asked).await.map_err(gone)? {
            Ok(outlet) => {
                let guard = Arc::clone(guard);
                let channel = Channel::forward(number, outlet, guard, room, self);
                let entry = channel.entry(opened(backward.kind()));
                let recorded = self.recorder.append(entry);
                self.insert(channel.key, Arc::clone(&channel));
                drop(pending);
                let recorded = self.unless_over(recorded).await.map_err(gone)?;
                recorded.map_err(|error| error.to_string())?;
                return Ok(channel);
            }
            Err(reason) => reason,
        };
        drop(pending);
        self.discount_channel();
        let event = failed(number, backward.kind(), &reason);
        self.record(event).await.map_err(gone)?;
        Err(reason)
    }
}

/// Hands a connection to the client, in a task of its own. Fails if that can't be recorded.
pub(super) async fn deliver(
    link: &Arc<Link>,
    backward: Backward,
    guard: &Arc<Guard>,
    arrival: Arrival,
) -> Result<(), Ended> {
    let number = link.number();
    let room = match link.admit_forward() {
        Ok(room) => room,
        Err(reason) => {
            link.counters.refused_channels.add();
            let wanted = Entry::from(backward.wanted(&arrival.originator)).on(number);
            drop(link.recorder.append(wanted));
            return link.record(failed(number, backward.kind(), reason)).await;
        }
    };
    let (own, guard) = (Arc::clone(link), Arc::clone(guard));
    let delivering = async move {
        let from = &arrival.originator;
        let opened = own.open_backward(number, &backward, from, &guard, room);
        // Without a channel, the connection is refused.
        let Ok(channel) = opened.await else { return };
        match own.unless_over(arrival.pipe).await {
            Ok(Ok(pipe)) => splice::spawn(channel, own, pipe),
            _ => splice::end(&channel, &own).await,
        }
    };
    link.tasks.spawn(delivering.instrument(link.span.clone()));
    Ok(())
}
