use super::arrival::{Access, Arrival};
use super::backward::{Backward, Unanswered};
use super::listen::Listeners;
use super::relay::{self, Relay};
use super::{Channel, Ended, Outlet, window};
use crate::backend::{Originator, Refused};
use crate::counters::{Counters, Origin};
use crate::russh::Control;
use crate::security::Guard;
use crate::settings::Settings;
use crate::waiting::Waiting;
use crate::wire::Line;
use auditssh_archive::{Entry, Recorder};
use auditssh_log::Event;
use auditssh_log::message::HandshakeFailed;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SetOnce};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

/// What the login is worth, once that is known.
pub(super) type Way = Shared<BoxFuture<'static, Result<Access, Refused>>>;

/// Pieces of output of all channels that may wait to be recorded. With what waits from the client
/// (`relay`) they stay below what a recorder takes: 1 MiB.
const OUTPUT: usize = 8;

/// Bytes that may wait on all channels together, in those of one: as many as usual sessions are.
pub(super) const FULL: usize = 10;

/// How many times as long bytes wait for room while no output waits.
const SILENT: usize = 4;

/// How long at least a program or a receiver has for what came before its channel was closed, while the
/// client stays.
const LATE: Duration = Duration::from_secs(5);

/// How long a last message to the client may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What everything that acts for one connection shares.
pub(crate) struct Link {
    pub(crate) recorder: Recorder,
    pub(crate) line: Arc<Line>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) counters: Arc<Counters>,
    /// The country of the client's address.
    pub(crate) country: String,
    /// What is counted of it.
    pub(crate) origin: Arc<Origin>,
    /// What is logged within it is about this connection.
    pub(crate) span: Span,
    pub(crate) remote: SocketAddr,
    pub(crate) local: SocketAddr,
    /// Every wait of this connection ends with it.
    pub(crate) over: CancellationToken,
    /// No further channels.
    pub(crate) leaving: CancellationToken,
    /// Resolves at the login.
    pub(crate) logged_in: CancellationToken,
    /// Everything that runs for a channel.
    pub(crate) tasks: TaskTracker,
    /// Room for session channels.
    pub(super) room: Arc<Semaphore>,
    /// Room for forwarded channels.
    forwards: Arc<Semaphore>,
    pub(super) listeners: Listeners,
    pub(super) unanswered: Unanswered,
    /// The backend asks the client before it logs the user in.
    pub(super) asking: CancellationToken,
    /// Channels that count for `limits.channels`.
    opened: AtomicU64,
    /// Room for output that waits to be recorded.
    pub(super) output: Semaphore,
    /// Bytes that wait for the programs of all channels.
    pub(super) waiting: Arc<Waiting>,
    /// Output that is recorded, and not yet taken by the SSH library.
    pub(super) unsent: Arc<Waiting>,
    pub(super) relay: Relay,
    control: OnceLock<Control>,
    /// Why we ended the connection, if we did.
    farewell: OnceLock<String>,
    way: Mutex<Option<Way>>,
    /// Known before the backend is asked for anything.
    guard: SetOnce<Arc<Guard>>,
    channels: Mutex<HashMap<u32, Arc<Channel>>>,
    next: AtomicU64,
}

impl Link {
    pub(crate) fn new(
        recorder: Recorder,
        line: Arc<Line>,
        settings: Arc<Settings>,
        counters: Arc<Counters>,
        (remote, local): (SocketAddr, SocketAddr),
    ) -> Arc<Self> {
        let over = CancellationToken::new();
        let tasks = TaskTracker::new();
        let span = tracing::error_span!("connection", connection = recorder.connection_id());
        let country = span.in_scope(|| settings.countries.of(remote.ip().to_canonical()));
        let relay = relay::start(&over, &span);
        Arc::new(Self {
            origin: counters.origins.of(&country),
            country,
            span,
            relay,
            room: Arc::new(Semaphore::new(settings.sessions())),
            forwards: Arc::new(Semaphore::new(settings.limits.forwarded_channels)),
            listeners: Listeners::new(settings.limits.listeners),
            unanswered: Unanswered::default(),
            asking: CancellationToken::new(),
            opened: AtomicU64::new(0),
            output: Semaphore::new(OUTPUT),
            waiting: Waiting::within(&counters.waiting),
            unsent: Arc::default(),
            recorder,
            line,
            settings,
            counters,
            remote,
            local,
            over,
            leaving: CancellationToken::new(),
            logged_in: CancellationToken::new(),
            tasks,
            control: OnceLock::new(),
            farewell: OnceLock::new(),
            way: Mutex::default(),
            guard: SetOnce::new(),
            channels: Mutex::default(),
            next: AtomicU64::new(0),
        })
    }

    /// Records, and waits until what is recorded may have its effect.
    pub(crate) async fn record(&self, entry: impl Into<Entry> + Send) -> Result<(), Ended> {
        let commit = self.recorder.append(entry);
        self.unless_over(commit).await?.map_err(Ended::Recording)
    }

    /// Waits for something of a callback, but no longer than the connection lasts: a callback
    /// that waits keeps the SSH library from noticing that the client is gone.
    pub(crate) async fn unless_over<F: Future>(&self, wait: F) -> Result<F::Output, Ended> {
        tokio::select! {
            biased;
            result = wait => Ok(result),
            () = self.over.cancelled() => Err(Ended::Over),
            () = self.line.vanished() => Err(Ended::Vanished),
        }
    }

    /// Begins to make the user's way into the backend; channels wait for it.
    pub(super) fn connect(self: &Arc<Self>, arrival: Arrival) {
        let link = Arc::downgrade(self);
        let way: Way = async move {
            let Some(link) = link.upgrade() else {
                return Err(Refused::new("the connection is over"));
            };
            let made = arrival.enter(&link).await;
            // Before anybody hears of it: the client may go as soon as it does.
            if let Err(refused) = &made {
                link.backend_failed(refused).await;
            }
            made
        }
        .boxed()
        .shared();
        *lock(&self.way) = Some(way.clone());
        let link = Arc::clone(self);
        let span = self.span.clone();
        let connecting = async move {
            tokio::select! {
                result = way => if let Err(refused) = result {
                    link.disconnect(refused.for_user()).await;
                },
                () = link.over.cancelled() => {}
            }
        };
        self.tasks.spawn(connecting.instrument(span));
    }

    /// The way to what the login is worth; `None` before it and after the end.
    pub(super) fn way(&self) -> Option<Way> {
        lock(&self.way).clone()
    }

    /// The same once it is made.
    pub(super) fn access(&self) -> Option<Access> {
        let way = self.way()?;
        way.peek().and_then(|made| made.as_ref().ok()).cloned()
    }

    /// It is decided what the login may do.
    pub(super) fn set_guard(&self, guard: &Arc<Guard>) {
        let _ = self.guard.set(Arc::clone(guard));
    }

    /// What the login may do; `None` until that is decided.
    pub(super) fn known_guard(&self) -> Option<Arc<Guard>> {
        self.guard.get().cloned()
    }

    /// What the login may do, or why nothing. It does not wait for the backend, which may wait for
    /// the client.
    pub(super) async fn guard(&self) -> Result<Arc<Guard>, Refused> {
        let nobody = || Refused::new("nobody is logged in");
        let way = self.way().ok_or_else(nobody)?;
        tokio::select! {
            biased;
            guard = self.guard.wait() => Ok(Arc::clone(guard)),
            made = way => made.map(|access| access.guard),
        }
    }

    async fn backend_failed(&self, refused: &Refused) {
        tracing::warn!(
            connection = self.recorder.connection_id(),
            reason = refused.reason(),
            "the backend refused the user"
        );
        let event = Event::HandshakeFailed(HandshakeFailed {
            reason: refused.reason().into(),
        });
        // If it can't be recorded, that is what ends the connection.
        let _ = self.record(event).await;
    }

    /// Whether any channel may be opened.
    pub(super) fn admit(&self) -> Result<(), &'static str> {
        if self.leaving.is_cancelled() {
            return Err("the server is shutting down");
        }
        if self.opened.load(Ordering::Relaxed) >= self.settings.limits.channels {
            return Err("too many channels were opened on this connection (limits.channels)");
        }
        Ok(())
    }

    pub(super) fn count_channel(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    /// A channel has left nothing behind.
    pub(super) fn discount_channel(&self) {
        let less = |count: u64| Some(count.saturating_sub(1));
        let _ = self
            .opened
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Whether a forwarded channel may be opened; its room.
    pub(super) fn admit_forward(&self) -> Result<OwnedSemaphorePermit, &'static str> {
        self.admit()?;
        let room = Arc::clone(&self.forwards).try_acquire_owned();
        let room =
            room.map_err(|_| "too many forwarded channels are open (limits.forwardedChannels)")?;
        self.count_channel();
        Ok(room)
    }

    /// The number of the next channel in the log.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn insert(&self, key: u32, channel: Arc<Channel>) {
        lock(&self.channels).insert(key, channel);
    }

    /// The channel that the SSH library knows by that number.
    pub(crate) fn channel(&self, key: u32) -> Option<Arc<Channel>> {
        lock(&self.channels).get(&key).cloned()
    }

    pub(super) fn remove(&self, key: u32) -> Option<Arc<Channel>> {
        lock(&self.channels).remove(&key)
    }

    /// Whether no channel is open.
    pub(crate) fn idle(&self) -> bool {
        lock(&self.channels).is_empty()
    }

    fn all(&self) -> Vec<Arc<Channel>> {
        let mut all: Vec<_> = lock(&self.channels).values().cloned().collect();
        all.sort_unstable_by_key(|channel| channel.number);
        all
    }

    /// Bytes that may wait for a channel's program: fewer while too many wait on all connections.
    pub(super) fn buffer(&self) -> usize {
        let limits = &self.settings.limits;
        let waiting = &self.counters.waiting;
        waiting.share(limits.channel_buffer, limits.total_buffer)
    }

    /// The same for some channels together of which `kept` bytes wait. What is too much only since too much
    /// waits elsewhere need not go before more is taken, but as much as came: who waits for all of it takes
    /// nothing from a program either, which may be what keeps the program from reading.
    pub(super) fn allowance(&self, channels: usize, kept: usize) -> usize {
        let buffer = self.buffer();
        let bytes = buffer.saturating_mul(channels);
        if buffer < self.settings.limits.channel_buffer {
            bytes.max(kept)
        } else {
            bytes
        }
    }

    /// What some channels together may hold at most, in bytes. Beyond their room that is filled slowly only.
    pub(super) fn most(&self, channels: usize) -> usize {
        let alone = self.settings.limits.channel_buffer.saturating_mul(channels);
        alone.saturating_add(alone / 4)
    }

    /// Waits as long as bytes wait that come without room: for `patience` if output waits as well, since that
    /// may need what stands behind them; else for longer.
    pub(super) async fn enough_patience(&self, patience: Duration) {
        for _ in 0..SILENT {
            tokio::time::sleep(patience).await;
            if self.unsent.bytes() > 0 {
                break;
            }
        }
    }

    /// The window that channels are granted from now on, in bytes (see [`window`]).
    pub(crate) fn window(&self) -> u32 {
        let buffer = self.buffer();
        let channels = lock(&self.channels);
        let high = window::high(buffer);
        if channels.values().any(|one| one.inbox.level() > high) {
            return window::TRICKLE;
        }
        window::fair(buffer, channels.len())
    }

    /// Whether so much waits on all channels together that the connection must.
    pub(super) fn is_full(&self) -> bool {
        self.level() >= self.allowance(FULL, 0)
    }

    /// Bytes that wait on all channels together, closed ones included.
    pub(super) fn level(&self) -> usize {
        self.waiting.bytes()
    }

    pub(crate) fn set_control(&self, control: Control) {
        let _ = self.control.set(control);
    }

    /// Asks the client for a channel; why not, if it gives none.
    pub(super) async fn ask_for(
        &self,
        backward: &Backward,
        from: &Originator,
    ) -> Result<Outlet, String> {
        match self.control.get() {
            Some(control) => control.open(backward, from).await,
            None => Err("there is no client yet".to_owned()),
        }
    }

    /// Asks the SSH library to say goodbye to the client, if that can still be said.
    pub(crate) async fn disconnect(&self, text: &str) {
        let _ = self.farewell.set(text.to_owned());
        if let Some(control) = self.control.get() {
            let _ = tokio::time::timeout(LAST_WORDS, control.disconnect(text)).await;
        } else {
            self.line.cut();
        }
    }

    /// The first text that the client was sent off with.
    pub(crate) fn farewell(&self) -> Option<&str> {
        self.farewell.get().map(String::as_str)
    }

    /// Writes a line to the standard error of every session; recorded unless recording is what
    /// failed.
    pub(crate) async fn announce(&self, text: &str, recorded: bool) {
        let told = self.all().into_iter().map(|channel| {
            let text = format!("\r\nauditssh: {text}\r\n");
            async move { channel.tell(self, text, recorded).await }
        });
        let _ = tokio::time::timeout(LAST_WORDS, futures::future::join_all(told)).await;
    }

    /// Resolves when what a client sent before it closed a channel has had time for its effect. Once the
    /// client is gone, what is left of the wait for the last message must suffice to end a program by force.
    pub(super) async fn late(&self) {
        let grace = self.settings.limits.disconnect_grace;
        let gone = async {
            self.over.cancelled().await;
            let rest = grace.saturating_sub(crate::backend::TO_KILL);
            tokio::time::sleep(rest.min(grace / 2)).await;
        };
        tokio::select! {
            () = tokio::time::sleep(LATE.max(grace / 2)) => {}
            () = gone => {}
        }
    }

    /// Ends all channels and waits, for a while, until their last events are recorded.
    pub(crate) async fn finish(&self) {
        self.over.cancel();
        self.line.cut();
        for channel in self.all() {
            channel.abandon().await;
        }
        *lock(&self.way) = None;
        self.tasks.close();
        let grace = self.settings.limits.disconnect_grace;
        if tokio::time::timeout(grace, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                connection = self.recorder.connection_id(),
                tasks = self.tasks.len(),
                "something did not end in time; the log is closed without it"
            );
        }
        for channel in self.all() {
            channel.record_close(&self.recorder);
            self.remove(channel.key);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
