use super::arrival::Access;
use super::inbox::{Inbox, NAP};
use super::link::FULL;
use super::relay::Item;
use super::window;
use super::{Ended, Link};
use crate::backend::Session;
pub(crate) use crate::russh::Outlet;
use crate::security::Guard;
use auditssh_archive::{Entry, Recorder};
use auditssh_log::Event;
use auditssh_log::message::{Io, Stream};
use auditssh_log::policy::Origin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use tokio::sync::{Mutex, OwnedSemaphorePermit};
use tokio_util::sync::CancellationToken;

/// The places that it takes: of the connection's channels, and of the sessions that a choice allows.
type Room = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

/// An open channel: of a session, or forwarded.
pub(crate) struct Channel {
    /// Its number in the log.
    pub(super) number: u64,
    /// Its number for the SSH library.
    pub(super) key: u32,
    pub(super) outlet: Outlet,
    pub(super) inbox: Arc<Inbox>,
    /// Nobody is there any more: what was started on it ends.
    pub(super) gone: CancellationToken,
    /// The client has closed it: what it sent before is still on its way.
    pub(super) hung_up: CancellationToken,
    /// A connection is forwarded on it.
    forwarded: bool,
    pub(super) state: Mutex<State>,
    /// Decides what may be done on it.
    pub(super) guard: Arc<Guard>,
    /// Whether 497 is recorded.
    closed: AtomicBool,
    /// Its place among the connection's channels.
    room: std::sync::Mutex<Option<Room>>,
    /// Keeps the way into the backend open, with which everything there ends: a program that the client
    /// has left may still end of itself.
    access: std::sync::Mutex<Option<Access>>,
}

/// What changes with the requests on a channel.
pub(super) struct State {
    /// `None` once the channel is closed.
    pub(super) session: Option<Box<dyn Session>>,
    /// Requests so far.
    pub(super) requests: u64,
    pub(super) terminal: bool,
    pub(super) started: bool,
    pub(super) variables: usize,
    pub(super) variable_bytes: usize,
}

impl Channel {
    /// A session.
    pub(super) fn new(
        number: u64,
        outlet: Outlet,
        session: Box<dyn Session>,
        guard: Arc<Guard>,
        room: Room,
        link: &Link,
    ) -> Arc<Self> {
        Self::make(number, outlet, Some(session), guard, room, link)
    }

    /// A forwarded connection.
    pub(super) fn forward(
        number: u64,
        outlet: Outlet,
        guard: Arc<Guard>,
        room: OwnedSemaphorePermit,
        link: &Link,
    ) -> Arc<Self> {
        Self::make(number, outlet, None, guard, (room, None), link)
    }

    fn make(
        number: u64,
        outlet: Outlet,
        session: Option<Box<dyn Session>>,
        guard: Arc<Guard>,
        room: Room,
        link: &Link,
    ) -> Arc<Self> {
        Arc::new(Self {
            number,
            key: outlet.key(),
            outlet,
            inbox: Arc::default(),
            gone: link.over.child_token(),
            hung_up: CancellationToken::new(),
            forwarded: session.is_none(),
            guard,
            state: Mutex::new(State {
                session,
                requests: 0,
                terminal: false,
                started: false,
                variables: 0,
                variable_bytes: 0,
            }),
            closed: AtomicBool::new(false),
            room: std::sync::Mutex::new(Some(room)),
            access: std::sync::Mutex::new(link.access()),
        })
    }

    /// An event of this channel.
    pub(super) fn entry(&self, event: Event) -> Entry {
        let entry = Entry::from(event).on(self.number);
        if self.forwarded {
            entry.from_origin(Origin::Forward)
        } else {
            entry
        }
    }

    /// Bytes from the client: recorded, then queued. Waits while the queue is full.
    pub(crate) async fn data(&self, link: &Link, bytes: &[u8]) -> Result<(), Ended> {
        let commit = link.recorder.append(
            self.entry(Event::Io(Io {
                stream: Stream::Stdin,
                data: bytes.to_vec(),
            }))
            .from_origin(self.origin().await),
        );
        let Some(packet) = self.inbox.announce(bytes, &link.waiting) else {
            return link.unless_over(commit).await?.map_err(Ended::Recording);
        };
        let item = Item {
            inbox: Arc::clone(&self.inbox),
            recorded: Some((packet, commit)),
        };
        self.relay(link, item).await?;
        self.hold_up(link, bytes.len()).await
    }

    /// The client will send no more.
    pub(crate) async fn eof(&self, link: &Link) -> Result<(), Ended> {
        let item = Item {
            inbox: Arc::clone(&self.inbox),
            recorded: None,
        };
        self.relay(link, item).await
    }

    async fn relay(&self, link: &Link, item: Item) -> Result<(), Ended> {
        match link.unless_over(link.relay.send(item)).await? {
            Ok(()) => Ok(()),
            Err(_) => Err(Ended::Over),
        }
    }

    /// Keeps a full queue from growing, and a nearly full one from growing fast.
    async fn hold_up(&self, link: &Link, received: usize) -> Result<(), Ended> {
        let buffer = link.buffer();
        let level = self.inbox.level();
        if level >= buffer || self.forwarded && link.is_full() {
            link.counters.queue_waits.add();
            self.wait_for_room(link, received).await
        } else if level > window::high(buffer) && received <= window::TRICKLE as usize {
            link.unless_over(tokio::time::sleep(NAP)).await
        } else {
            Ok(())
        }
    }

    /// Lets the connection wait until there is room, but not for ever unless nothing more can be held: behind
    /// what came may be just what the program waits for, such as the window that the client grants for its
    /// output.
    async fn wait_for_room(&self, link: &Link, received: usize) -> Result<(), Ended> {
        let levels = || (self.inbox.level(), link.level());
        let (own, all) = levels();
        let below = |own_limit, all_limit| {
            let (own, all) = levels();
            own < own_limit && (!self.forwarded || all < all_limit)
        };
        let kept = |level: usize| level.saturating_sub(received);
        let room = self.inbox.wait_for(|| {
            below(
                link.allowance(1, kept(own)),
                link.allowance(FULL, kept(all)),
            )
        });
        if below(link.most(1), link.most(FULL)) {
            let patience = window::patience(received);
            let enough = link.enough_patience(patience);
            let either = async {
                tokio::select! {
                    () = room => true,
                    () = enough => false,
                }
            };
            let has_room = link.unless_over(either).await?;
            // None of these waits may last long enough to notice that.
            if !has_room && link.line.is_gone() {
                return Err(Ended::Vanished);
            }
            Ok(())
        } else {
            link.unless_over(room).await
        }
    }

    /// Whether the terminal shows what is typed; if that is not known, it counts as hidden.
    async fn origin(&self) -> Origin {
        if self.forwarded {
            return Origin::Forward;
        }
        let state = self.state.lock().await;
        match state.session.as_ref().and_then(|session| session.echoes()) {
            Some(true) => Origin::EchoingSession,
            _ => Origin::Session,
        }
    }

    /// The client has closed the channel. Recorded before the SSH library answers that.
    pub(crate) async fn closed(&self, link: &Link) -> Result<(), Ended> {
        link.remove(self.key);
        let recorded = if self.mark_closed() {
            if self.forwarded {
                link.discount_channel();
            }
            link.record(self.entry(Event::Close)).await
        } else {
            Ok(())
        };
        if self.forwarded || self.runs_without_terminal().await {
            let last = self.eof(link).await;
            self.hung_up.cancel();
            return recorded.and(last);
        }
        self.abandon().await;
        recorded
    }

    /// Whether a program runs here whose input ends of itself; a terminal hangs up.
    async fn runs_without_terminal(&self) -> bool {
        let state = self.state.lock().await;
        state.started && !state.terminal
    }

    /// Nobody hears any more what the program says.
    pub(super) async fn unheard(&self) {
        tokio::select! {
            () = self.gone.cancelled() => {}
            () = self.hung_up.cancelled() => {}
        }
    }

    /// Ends what was started on the channel.
    pub(super) async fn abandon(&self) {
        self.gone.cancel();
        self.end_session().await;
        self.let_go();
    }

    /// Needs the way into the backend no more.
    pub(super) fn let_go(&self) {
        let mut access = self.access.lock().unwrap_or_else(PoisonError::into_inner);
        *access = None;
    }

    /// The session is over; nothing is told to it any more.
    pub(super) async fn end_session(&self) {
        self.inbox.close();
        self.state.lock().await.session = None;
    }

    /// Makes room for another channel: before the client is told that this one is closed, since it
    /// may ask for the next one at once.
    pub(super) fn vacate(&self) {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        *room = None;
    }

    /// Records 497 unless that was done; nobody waits for it.
    pub(super) fn record_close(&self, recorder: &Recorder) {
        if self.mark_closed() {
            drop(recorder.append(self.entry(Event::Close)));
        }
    }

    /// Whether this call was the first.
    pub(super) fn mark_closed(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }

    /// Writes to the standard error of the session.
    pub(super) async fn tell(&self, link: &Link, text: String, recorded: bool) {
        let state = self.state.lock().await;
        if !state.started || state.session.is_none() || self.gone.is_cancelled() {
            return;
        }
        if recorded {
            let event = Event::Io(Io {
                stream: Stream::Stderr,
                data: text.clone().into_bytes(),
            });
            if link.record(self.entry(event)).await.is_err() {
                return;
            }
        }
        drop(state);
        let _ = self.outlet.stderr(text.into()).await;
    }
}
