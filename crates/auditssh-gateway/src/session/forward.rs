//! Channels on which a client reaches what lies behind the server.

use super::open::{Opening, failed, opened};
use super::{Channel, Ended, Link, Outlet, splice};
use crate::backend::{Pipe, Refused, Target};
use crate::russh::Reply;
use crate::security::Guard;
use auditssh_archive::Entry;
use auditssh_log::Event;
use auditssh_log::message::{ForwardChannel, StreamLocal};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

/// Why a channel is not opened.
enum No {
    /// A limit is reached.
    Shortage(&'static str),
    /// It is not allowed.
    Prohibited(Refused),
}

impl Opening {
    /// `direct-tcpip` and `direct-streamlocal@openssh.com`. Connecting may take its time: the answer
    /// is given later.
    pub(crate) async fn forward(
        &self,
        target: Target,
        port: u32,
        outlet: Outlet,
        reply: Reply,
    ) -> Result<(), Ended> {
        let link = &self.link;
        let number = link.number();
        let wanted = Entry::from(wanted(&target, port)).on(number);
        let guard = link.unless_over(link.guard()).await?;
        let refused = match self.admit_forward(guard, &target, port) {
            Ok((guard, room)) => {
                let way = Way {
                    number,
                    guard,
                    room,
                };
                let opening = way.open(Arc::clone(link), wanted, target, outlet, reply);
                link.tasks.spawn(opening.instrument(link.span.clone()));
                return Ok(());
            }
            Err(refused) => refused,
        };
        drop(link.recorder.append(wanted));
        let reason = match &refused {
            No::Shortage(reason) => reason,
            No::Prohibited(refused) => refused.reason(),
        };
        link.record(failed(number, kind(&target), reason)).await?;
        match refused {
            No::Shortage(_) => {
                link.counters.refused_channels.add();
                reply.shortage().await;
            }
            No::Prohibited(_) => reply.prohibited().await,
        }
        Ok(())
    }

    fn admit_forward(
        &self,
        guard: Result<Arc<Guard>, Refused>,
        target: &Target,
        port: u32,
    ) -> Result<(Arc<Guard>, OwnedSemaphorePermit), No> {
        let link = &self.link;
        let guard = guard.map_err(No::Prohibited)?;
        let limit = link.settings.limits.name_bytes.max(LONGEST_NAME);
        match target {
            Target::Tcp {
                host, originator, ..
            } if host.len().max(originator.host.len()) > limit => {
                return Err(No::Shortage("a name is too long (limits.nameBytes)"));
            }
            Target::Socket(path) if path.len() > limit => {
                return Err(No::Shortage("the path is too long (limits.nameBytes)"));
            }
            Target::Tcp { host, .. } => guard.open(host, port),
            Target::Socket(path) => guard.socket(path),
        }
        .and_then(|()| match target {
            Target::Tcp { port: 0, .. } => Err(Refused::new("there is no such port")),
            _ => Ok(()),
        })
        .map_err(No::Prohibited)?;
        link.admit_forward()
            .map(|room| (guard, room))
            .map_err(No::Shortage)
    }
}

/// Longer than any name of a host or path of a socket.
const LONGEST_NAME: usize = 256;

/// A channel that is let in and is not open yet.
struct Way {
    number: u64,
    guard: Arc<Guard>,
    room: OwnedSemaphorePermit,
}

impl Way {
    /// Records what is wanted, connects, records what came of it, and says so.
    async fn open(
        self,
        link: Arc<Link>,
        wanted: Entry,
        target: Target,
        outlet: Outlet,
        reply: Reply,
    ) {
        if link.record(wanted).await.is_err() {
            return;
        }
        let reached = tokio::select! {
            reached = reach(&link, &target) => reached,
            () = link.over.cancelled() => return,
        };
        match reached {
            Ok(pipe) => {
                let (number, room) = (self.number, self.room);
                let channel = Channel::forward(number, outlet, self.guard, room, &link);
                let opened = channel.entry(opened(kind(&target)));
                if link.record(opened).await.is_ok() {
                    link.insert(channel.key, Arc::clone(&channel));
                    reply.accept().await;
                    splice::spawn(channel, link, pipe);
                }
            }
            Err(refused) => {
                let event = failed(self.number, kind(&target), refused.reason());
                if link.record(event).await.is_ok() {
                    drop(self.room);
                    reply.refuse(refused.for_forwarding().to_owned()).await;
                }
            }
        }
    }
}

async fn reach(link: &Link, target: &Target) -> Result<Pipe, Refused> {
    let ended = || Refused::new("the connection has ended");
    let connection = link.way().ok_or_else(ended)?.await?.connection;
    let limit = link.settings.limits.forward_connect;
    let reached = tokio::time::timeout(limit, connection.reach(target)).await;
    reached.unwrap_or_else(|_| {
        Err(Refused::told(format!(
            "not connected within {limit:?} (limits.forwardConnect)"
        )))
    })
}

fn kind(target: &Target) -> &'static str {
    match target {
        Target::Tcp { .. } => "direct-tcpip",
        Target::Socket(_) => "direct-streamlocal@openssh.com",
    }
}

fn wanted(target: &Target, port: u32) -> Event {
    match target {
        Target::Tcp {
            host, originator, ..
        } => Event::NewChannelDirectTcpip(ForwardChannel {
            host_to_connect: host.as_str().into(),
            port_to_connect: port.into(),
            originator_host: originator.host.as_str().into(),
            originator_port: originator.port.into(),
        }),
        Target::Socket(path) => Event::NewChannelDirectStreamLocal(StreamLocal {
            path: path.as_str().into(),
        }),
    }
}
