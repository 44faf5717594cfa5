//! What a server behind the gateway sends on a channel, between the SSH library and the session.

#[cfg(test)]
mod tests;

use crate::backend::{Exit, Refused};
use crate::waiting::Waiting;
use bytes::{Buf, BytesMut};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

/// Requests that may be unanswered; who asks more gives up on answers that never come.
const UNANSWERED: usize = 64;
/// How soon a full connection looks whether others have made room, or wait for an answer.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Bytes of room that an empty queue keeps.
const KEPT: usize = 64 * 1024;

/// Which output of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// The gateway's end of a channel: filled by the library's callbacks, emptied by the session.
pub(crate) struct Port {
    state: Mutex<State>,
    drained: Notify,
    /// Cancelled when the channel is closed.
    shut: CancellationToken,
    /// Cancelled when output comes that nobody reads any more.
    unheard: CancellationToken,
    /// Bytes that may wait, of both outputs together.
    limit: usize,
    /// A connection is forwarded on it, which has one output.
    forwarded: AtomicBool,
    /// What waits on all channels of the user.
    room: Arc<Room>,
    /// Whether an answer is waited for on the connection.
    asked: Arc<Asked>,
    /// The connection is over: nothing waits any more.
    over: CancellationToken,
}

/// What waits on all channels of a user.
#[derive(Debug)]
pub(super) struct Room {
    level: AtomicUsize,
    limit: usize,
    /// What waits on those of all users, and how much may.
    all: (Arc<Waiting>, usize),
}

impl Room {
    pub(super) fn new(limit: usize, all: (Arc<Waiting>, usize)) -> Arc<Self> {
        Arc::new(Self {
            level: AtomicUsize::new(0),
            limit,
            all,
        })
    }

    /// What one channel may hold that may hold `alone` while users hold little.
    fn share(&self, alone: usize) -> usize {
        let (waiting, all) = &self.all;
        waiting.share(alone, *all)
    }

    fn is_full(&self) -> bool {
        self.level.load(Ordering::Acquire) >= self.limit
    }

    fn more(&self, bytes: usize) {
        self.level.fetch_add(bytes, Ordering::AcqRel);
        self.all.0.more(bytes);
    }

    fn less(&self, bytes: usize) {
        self.level.fetch_sub(bytes, Ordering::AcqRel);
        self.all.0.less(bytes);
    }
}

/// How many answers are waited for on a connection. They come behind the output that is under way, and
/// a client that waits for one may not take that before.
#[derive(Debug, Default)]
pub(super) struct Asked(AtomicUsize);

impl Asked {
    /// Waits for an answer until it is dropped.
    pub(super) fn ask(self: &Arc<Self>) -> Asking {
        self.0.fetch_add(1, Ordering::AcqRel);
        Asking(Arc::clone(self))
    }

    fn is_asked(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }
}

/// Somebody waits for an answer.
pub(crate) struct Asking(Arc<Asked>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

struct State {
    stdout: Lane,
    stderr: Lane,
    /// No more output comes.
    ended: bool,
    /// Nobody takes any more output.
    abandoned: bool,
    closed: bool,
    answers: VecDeque<oneshot::Sender<bool>>,
    exit: Option<oneshot::Sender<Exit>>,
    outcome: Option<oneshot::Receiver<Exit>>,
}

/// One output.
#[derive(Default)]
struct Lane {
    bytes: BytesMut,
    reader: Option<Waker>,
    /// Nobody reads it any more.
    deaf: bool,
}

impl State {
    fn lane(&mut self, stream: Stream) -> &mut Lane {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn level(&self) -> usize {
        self.stdout.bytes.len() + self.stderr.bytes.len()
    }

    fn wake(&mut self) {
        for lane in [&mut self.stdout, &mut self.stderr] {
            if let Some(reader) = lane.reader.take() {
                reader.wake();
            }
        }
    }
}

impl Port {
    pub(super) fn new(
        limit: usize,
        room: Arc<Room>,
        asked: Arc<Asked>,
        over: CancellationToken,
    ) -> Self {
        let (exit, outcome) = oneshot::channel();
        Self {
            state: Mutex::new(State {
                stdout: Lane::default(),
                stderr: Lane::default(),
                ended: false,
                abandoned: false,
                closed: false,
                answers: VecDeque::new(),
                exit: Some(exit),
                outcome: Some(outcome),
            }),
            drained: Notify::new(),
            shut: CancellationToken::new(),
            unheard: CancellationToken::new(),
            limit,
            forwarded: AtomicBool::new(false),
            room,
            asked,
            over,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Output arrived. Waits while too much of it waits: what waits here is the task that reads
    /// from the server, so that TCP holds the server back. While an answer is waited for, only what waits
    /// on all channels together counts.
    pub(crate) async fn put(&self, stream: Stream, bytes: &[u8]) {
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            {
                let mut state = self.state();
                // A forwarded connection has one output only.
                let forwarded = self.forwarded.load(Ordering::Acquire);
                let deaf = state.lane(stream).deaf;
                if deaf {
                    self.unheard.cancel();
                }
                if state.ended || state.abandoned || deaf || forwarded && stream == Stream::Stderr {
                    return;
                }
                let limit = self.room.share(self.limit);
                let has_room = state.level() < limit || self.asked.is_asked();
                if has_room && !self.room.is_full() {
                    self.room.more(bytes.len());
                    let lane = state.lane(stream);
                    lane.bytes.extend_from_slice(bytes);
                    if let Some(reader) = lane.reader.take() {
                        reader.wake();
                    }
                    return;
                }
            }
            tokio::select! {
                () = drained => {}
                // Others may have made room, or ask.
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = self.over.cancelled() => return,
            }
        }
    }

    /// Sends a request, and waits for its answer. Requests of a channel are sent one after the
    /// other.
    pub(crate) async fn ask<E>(
        &self,
        sending: impl Future<Output = Result<(), E>>,
    ) -> Result<bool, Refused> {
        let answer = self.expect()?;
        let mut unsent = Unsent(Some(self));
        sending.await.map_err(|_| Self::closed())?;
        unsent.0 = None;
        answer.await.map_err(|_| Self::closed())
    }

    /// What is said of a channel that is gone.
    pub(crate) fn closed() -> Refused {
        Refused::new("the server behind the gateway has closed the channel")
    }

    /// Expects an answer, before the request is sent: it may come at once.
    fn expect(&self) -> Result<oneshot::Receiver<bool>, Refused> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state();
        if state.closed {
            return Err(Self::closed());
        }
        if state.answers.len() >= UNANSWERED {
            return Err(Refused::new("the server does not answer requests"));
        }
        state.answers.push_back(sender);
        Ok(receiver)
    }

    /// The oldest request is answered.
    pub(crate) fn answer(&self, good: bool) {
        if let Some(waiting) = self.state().answers.pop_front() {
            // Who asked may have given up.
            let _ = waiting.send(good);
        }
    }

    /// No more output comes.
    pub(crate) fn eof(&self) {
        let mut state = self.state();
        state.ended = true;
        state.wake();
    }

    /// The program has ended; what is said of it later does not count.
    pub(crate) fn exit(&self, exit: Exit) {
        if let Some(waiting) = self.state().exit.take() {
            let _ = waiting.send(exit);
        }
    }

    /// The channel is closed; `reason` is why nothing is known of the end, if so.
    pub(crate) fn close(&self, reason: &str) {
        self.shut.cancel();
        let mut state = self.state();
        state.closed = true;
        state.ended = true;
        state.answers.clear();
        state.wake();
        if let Some(waiting) = state.exit.take() {
            let _ = waiting.send(Exit::Unknown(reason.to_owned()));
        }
    }

    /// A connection is forwarded on it.
    pub(super) fn forwards(&self) {
        self.forwarded.store(true, Ordering::Release);
    }

    /// Whether it holds the server back.
    pub(super) fn is_full(&self) -> bool {
        self.state().level() >= self.room.share(self.limit)
    }

    /// Resolves when the channel is closed.
    pub(super) async fn shut(&self) {
        self.shut.cancelled().await;
    }

    /// Resolves when output comes that nobody reads any more.
    pub(super) async fn unheard(&self) {
        self.unheard.cancelled().await;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Nobody takes anything any more.
    pub(crate) fn abandon(&self) {
        let mut state = self.state();
        state.abandoned = true;
        self.room.less(state.level());
        state.stdout = Lane::default();
        state.stderr = Lane::default();
        state.answers.clear();
        drop(state);
        self.drained.notify_waiters();
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.state().abandoned
    }

    /// How the program ends; the first to ask is told.
    pub(super) fn outcome(&self) -> Option<oneshot::Receiver<Exit>> {
        self.state().outcome.take()
    }

    fn drop_output(&self, stream: Stream) {
        let mut state = self.state();
        let lane = state.lane(stream);
        self.room.less(lane.bytes.len());
        lane.bytes = BytesMut::new();
        lane.deaf = true;
        drop(state);
        self.drained.notify_waiters();
    }

    fn poll_read(
        &self,
        stream: Stream,
        context: &Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.state();
        let ended = state.ended || state.abandoned;
        let lane = state.lane(stream);
        if lane.bytes.is_empty() {
            if ended {
                return Poll::Ready(Ok(()));
            }
            lane.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = buffer.remaining().min(lane.bytes.len());
        buffer.put_slice(lane.bytes.get(..count).unwrap_or_default());
        lane.bytes.advance(count);
        self.room.less(count);
        if lane.bytes.is_empty() && lane.bytes.capacity() > KEPT {
            lane.bytes = BytesMut::new();
        }
        drop(state);
        self.drained.notify_waiters();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let level = self.state().level();
        self.room.less(level);
    }
}

/// An answer that is expected to a request that is not sent yet. Dropped, it is not expected any
/// more: who asks may give up before.
struct Unsent<'a>(Option<&'a Port>);

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        if let Some(port) = self.0 {
            port.state().answers.pop_back();
        }
    }
}

/// One output of a program, as its session reads it.
pub(super) struct Output {
    port: Arc<Port>,
    stream: Stream,
}

impl Output {
    pub(super) fn new(port: &Arc<Port>, stream: Stream) -> Self {
        let port = Arc::clone(port);
        Self { port, stream }
    }
}

/// What still comes is dropped, so that it holds nothing else of the connection up.
impl Drop for Output {
    fn drop(&mut self) {
        self.port.drop_output(self.stream);
    }
}

impl AsyncRead for Output {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.port.poll_read(self.stream, context, buffer)
    }
}
