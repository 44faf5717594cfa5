//! What a server behind the gateway sends on a channel, between the SSH library and the session.

use crate::backend::{Exit, Refused};
use bytes::{Buf, BytesMut};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

/// Requests that may be unanswered; who asks more gives up on answers that never come.
const UNANSWERED: usize = 64;
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
    /// Bytes that may wait, of both outputs together.
    limit: usize,
    /// The connection is over: nothing waits any more.
    over: CancellationToken,
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
    pub(super) fn new(limit: usize, over: CancellationToken) -> Self {
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
            limit,
            over,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Output arrived. Waits while too much of it waits: what waits here is the task that reads
    /// from the server, so that TCP holds the server back.
    pub(crate) async fn put(&self, stream: Stream, bytes: &[u8]) {
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            {
                let mut state = self.state();
                if state.ended || state.abandoned {
                    return;
                }
                if state.level() < self.limit {
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
        let mut state = self.state();
        state.closed = true;
        state.ended = true;
        state.answers.clear();
        state.wake();
        if let Some(waiting) = state.exit.take() {
            let _ = waiting.send(Exit::Unknown(reason.to_owned()));
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Nobody takes anything any more.
    pub(crate) fn abandon(&self) {
        let mut state = self.state();
        state.abandoned = true;
        state.stdout = Lane::default();
        state.stderr = Lane::default();
        state.answers.clear();
        drop(state);
        self.drained.notify_waiters();
    }

    /// How the program ends; the first to ask is told.
    pub(super) fn outcome(&self) -> Option<oneshot::Receiver<Exit>> {
        self.state().outcome.take()
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
        if lane.bytes.is_empty() && lane.bytes.capacity() > KEPT {
            lane.bytes = BytesMut::new();
        }
        drop(state);
        self.drained.notify_waiters();
        Poll::Ready(Ok(()))
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

impl AsyncRead for Output {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.port.poll_read(self.stream, context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    fn port(limit: usize) -> Arc<Port> {
        Arc::new(Port::new(limit, CancellationToken::new()))
    }

    async fn pending(future: impl Future) -> bool {
        tokio::pin!(future);
        futures::poll!(future).is_pending()
    }

    #[tokio::test]
    async fn outputs_stay_apart_and_end_together() {
        let port = port(100);
        port.put(Stream::Stdout, b"out").await;
        port.put(Stream::Stderr, b"err").await;
        port.put(Stream::Stdout, b"put").await;
        port.eof();
        port.put(Stream::Stdout, b"late").await;
        let (mut out, mut err) = (String::new(), String::new());
        let mut stdout = Output::new(&port, Stream::Stdout);
        stdout.read_to_string(&mut out).await.unwrap();
        let mut stderr = Output::new(&port, Stream::Stderr);
        stderr.read_to_string(&mut err).await.unwrap();
        assert_eq!((out.as_str(), err.as_str()), ("output", "err"));
    }

    #[tokio::test]
    async fn a_full_queue_holds_the_server_back_until_it_is_read() {
        let port = port(4);
        port.put(Stream::Stdout, b"12345").await;
        assert!(pending(port.put(Stream::Stderr, b"6")).await);
        let waiting = tokio::spawn({
            let port = Arc::clone(&port);
            async move { port.put(Stream::Stdout, b"6").await }
        });
        let mut two = [0; 2];
        let mut stdout = Output::new(&port, Stream::Stdout);
        stdout.read_exact(&mut two).await.unwrap();
        waiting.await.unwrap();
        port.eof();
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "3456");
    }

    #[tokio::test]
    async fn nothing_waits_for_a_session_or_a_connection_that_is_gone() {
        let abandoned = port(1);
        abandoned.put(Stream::Stdout, b"12").await;
        assert!(pending(abandoned.put(Stream::Stdout, b"3")).await);
        abandoned.abandon();
        abandoned.put(Stream::Stdout, b"3").await;

        let over = CancellationToken::new();
        let cut = Port::new(1, over.clone());
        cut.put(Stream::Stdout, b"12").await;
        over.cancel();
        cut.put(Stream::Stdout, b"3").await;
    }

    fn sent() -> std::future::Ready<Result<(), ()>> {
        std::future::ready(Ok(()))
    }

    #[tokio::test]
    async fn answers_belong_to_requests_in_their_order() {
        let port = port(1);
        port.answer(true);
        {
            let one = port.ask(sent());
            tokio::pin!(one);
            assert!(futures::poll!(one.as_mut()).is_pending());
            // Who asks gives up, the answer comes all the same.
        }
        let two = port.ask(sent());
        tokio::pin!(two);
        assert!(futures::poll!(two.as_mut()).is_pending());
        port.answer(false);
        assert!(futures::poll!(two.as_mut()).is_pending());
        port.answer(true);
        assert!(two.await.unwrap());
    }

    #[tokio::test]
    async fn no_answer_is_expected_to_what_was_not_sent() {
        let port = port(1);
        assert!(pending(port.ask(std::future::pending::<Result<(), ()>>())).await);
        assert!(port.ask(async { Err(()) }).await.is_err());
        let asked = port.ask(sent());
        tokio::pin!(asked);
        assert!(futures::poll!(asked.as_mut()).is_pending());
        port.answer(true);
        assert!(asked.await.unwrap());
    }

    #[tokio::test]
    async fn who_never_answers_is_not_asked_for_ever() {
        let port = port(1);
        for _ in 0..UNANSWERED {
            assert!(pending(port.ask(sent())).await);
        }
        assert!(port.ask(sent()).await.is_err());
    }

    #[tokio::test]
    async fn the_first_word_on_the_end_counts() {
        let told = port(1);
        told.exit(Exit::Status(3));
        told.exit(Exit::Status(4));
        told.close("gone");
        assert_eq!(told.outcome().unwrap().await.unwrap(), Exit::Status(3));
        assert!(told.outcome().is_none());
        assert!(told.ask(sent()).await.is_err());

        let silent = port(1);
        silent.close("gone");
        let outcome = silent.outcome().unwrap().await.unwrap();
        assert_eq!(outcome, Exit::Unknown("gone".to_owned()));
    }
}
