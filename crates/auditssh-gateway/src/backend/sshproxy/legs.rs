//! The connections to the server that one user has.
//!
//! The SSH library grants a server its window when bytes arrive, whoever takes them, and knows no
//! other way (0.65.1: what `adjust_window` of its client answers is not used). So a channel that
//! nobody takes can be held back only by reading nothing of its connection. That is why each
//! channel has a connection of its own while there may be so many: the first one, made at the
//! login, does for a user with one channel, further ones are made when they are needed, used
//! again, and closed when they are not needed any more.

use super::Shared;
use super::port::Room;
use super::ports::Ports;
use crate::backend::{Identity, Refused};
use crate::russh::Upstream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// How long a further connection may take; channels share what there is then.
const FURTHER: Duration = Duration::from_secs(10);
/// How long none is tried after one that could not be had.
const PAUSE: Duration = Duration::from_mins(1);
/// How often it is looked whether a further connection is still used.
const LOOK: Duration = Duration::from_secs(30);

/// One connection to the server; dropping it ends it with a word.
pub(super) struct Leg {
    pub(super) upstream: Arc<Upstream>,
    pub(super) ports: Arc<Ports>,
    pub(super) unwanted: CancellationToken,
    seats: AtomicUsize,
    /// It was used since somebody looked.
    used: AtomicBool,
}

impl Leg {
    pub(super) fn new(
        upstream: Arc<Upstream>,
        ports: Arc<Ports>,
        unwanted: CancellationToken,
    ) -> Self {
        Self {
            upstream,
            ports,
            unwanted,
            seats: AtomicUsize::new(0),
            used: true.into(),
        }
    }

    fn is_over(&self) -> bool {
        self.ports.ended().is_some()
    }

    /// Nothing on it could be held back.
    fn is_free(&self) -> bool {
        self.seats.load(Ordering::Acquire) == 0 && self.ports.is_idle()
    }

    /// How bad it is to share it.
    fn burden(&self) -> (bool, usize) {
        (self.ports.is_held(), self.seats.load(Ordering::Acquire))
    }

    fn sit(self: &Arc<Self>) -> Seat {
        self.seats.fetch_add(1, Ordering::AcqRel);
        self.used.store(true, Ordering::Release);
        Seat(Arc::clone(self))
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        self.unwanted.cancel();
    }
}

/// A place on a connection, for a channel or for all that is listened to.
pub(super) struct Seat(Arc<Leg>);

impl Seat {
    pub(super) fn upstream(&self) -> &Arc<Upstream> {
        &self.0.upstream
    }

    pub(super) fn ports(&self) -> &Arc<Ports> {
        &self.0.ports
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.seats.fetch_sub(1, Ordering::AcqRel);
    }
}

/// All connections of a user; dropping it ends them.
pub(super) struct Legs {
    shared: Arc<Shared>,
    identity: Identity,
    room: Arc<Room>,
    /// With its end nothing more is opened.
    first: Arc<Leg>,
    further: Mutex<Further>,
    /// One is made at a time: the next channel may find one that is free by then.
    making: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Further {
    all: Vec<Arc<Leg>>,
    /// None is tried before.
    paused: Option<Instant>,
    /// Where everything is listened to: that alone needs no connection each.
    listening: Weak<Seat>,
}

impl Legs {
    /// Makes the first connection.
    pub(super) async fn new(shared: Arc<Shared>, identity: Identity) -> Result<Arc<Self>, Refused> {
        let all = (Arc::clone(&shared.waiting), shared.settings.total_buffer);
        let room = Room::new(shared.settings.room(), all);
        let first = shared.connect(&identity, &room).await?;
        Ok(Arc::new(Self {
            shared,
            identity,
            room,
            first: Arc::new(first),
            further: Mutex::default(),
            making: tokio::sync::Mutex::new(()),
        }))
    }

    fn further(&self) -> MutexGuard<'_, Further> {
        self.further.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection for a channel: one that nothing else uses, or the one that it is best to share.
    pub(super) async fn seat(self: &Arc<Self>) -> Result<Seat, Refused> {
        if let Some(seat) = self.free()? {
            return Ok(seat);
        }
        let _alone = self.making.lock().await;
        if let Some(seat) = self.free()? {
            return Ok(seat);
        }
        if self.may_make() {
            match self.make().await {
                Ok(leg) => return Ok(self.add(leg)),
                Err(refused) => {
                    tracing::warn!(
                        connection = self.identity.connection_id,
                        reason = refused.reason(),
                        "no further connection behind the gateway: channels of this user share one"
                    );
                    self.further().paused = Some(Instant::now() + PAUSE);
                }
            }
        }
        self.least()
    }

    /// The connection on which the server listens.
    pub(super) async fn listening(self: &Arc<Self>) -> Result<Arc<Seat>, Refused> {
        let there = self.further().listening.upgrade();
        if let Some(seat) = there.filter(|seat| !seat.0.is_over()) {
            return Ok(seat);
        }
        let seat = Arc::new(self.seat().await?);
        self.further().listening = Arc::downgrade(&seat);
        Ok(seat)
    }

    fn free(&self) -> Result<Option<Seat>, Refused> {
        let mut further = self.further();
        if self.first.is_over() {
            return Err(self.first.ports.lost());
        }
        further.all.retain(|leg| !leg.is_over());
        let mut all = std::iter::once(&self.first).chain(&further.all);
        Ok(all.find(|leg| leg.is_free()).map(Leg::sit))
    }

    fn least(&self) -> Result<Seat, Refused> {
        let further = self.further();
        let all = std::iter::once(&self.first).chain(&further.all);
        let there = all.filter(|leg| !leg.is_over());
        let best = there.min_by_key(|leg| leg.burden());
        best.map(Leg::sit).ok_or_else(|| self.first.ports.lost())
    }

    fn may_make(&self) -> bool {
        let further = self.further();
        further.all.len() + 1 < self.shared.settings.connections
            && further.paused.is_none_or(|until| Instant::now() >= until)
    }

    async fn make(&self) -> Result<Leg, Refused> {
        let making = self.shared.connect(&self.identity, &self.room);
        timeout(FURTHER, making)
            .await
            .unwrap_or_else(|_| Err(Refused::new(format!("not made within {FURTHER:?}"))))
    }

    fn add(self: &Arc<Self>, leg: Leg) -> Seat {
        let leg = Arc::new(leg);
        let seat = leg.sit();
        let (legs, own) = (Arc::downgrade(self), Arc::downgrade(&leg));
        leg.ports.spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let (Some(legs), Some(own)) = (legs.upgrade(), own.upgrade()) else {
                    return;
                };
                legs.retire(&own);
            }
        });
        self.further().all.push(leg);
        seat
    }

    /// Lets go of a connection that was not used for a while.
    fn retire(&self, leg: &Arc<Leg>) {
        let mut further = self.further();
        let used = leg.used.swap(false, Ordering::AcqRel);
        if !leg.is_free() {
            leg.used.store(true, Ordering::Release);
        } else if !used {
            further.all.retain(|other| !Arc::ptr_eq(other, leg));
        }
    }
}

impl Drop for Legs {
    /// Also while channels are open.
    fn drop(&mut self) {
        self.first.unwanted.cancel();
        for leg in &self.further().all {
            leg.unwanted.cancel();
        }
    }
}
