//! From a thread that reads a file to a body that is sent: in pieces, and no faster than they are
//! taken.

use crate::answer::Refusal;
use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use futures::stream;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// Bytes that are sent at once, and how many such pieces may wait.
const PIECE: usize = 64 << 10;
const WAITING: usize = 4;
/// After so much silence a stream of events shows that it is there.
pub(crate) const BEAT: Duration = Duration::from_secs(15);

/// Threads that read recordings.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    permits: Arc<Semaphore>,
    /// How long a request waits for one.
    patience: Duration,
}

/// What a thread hands over.
enum Piece {
    Bytes(Bytes),
    /// All was written; without it the body ends in an error, so that nobody takes it for whole.
    End,
}

/// Where a reading thread writes to.
pub(crate) struct Sink {
    sender: mpsc::Sender<io::Result<Piece>>,
    buffer: Vec<u8>,
    stop: Arc<AtomicBool>,
}

/// Set when nobody takes the body any more.
struct Taker {
    receiver: mpsc::Receiver<io::Result<Piece>>,
    end: CancellationToken,
    stop: Arc<AtomicBool>,
    first: Option<io::Result<Piece>>,
    /// Of a stream of events: when the server ends, it is not waited for.
    server: Option<CancellationToken>,
    _permit: OwnedSemaphorePermit,
}

impl Taker {
    async fn next(&mut self) -> Option<io::Result<Piece>> {
        let server = self.server.as_ref();
        let beat = async {
            match server {
                Some(_) => tokio::time::sleep(BEAT).await,
                None => std::future::pending().await,
            }
        };
        let closing = async {
            match server {
                Some(server) => server.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            piece = self.receiver.recv() => piece,
            () = self.end.cancelled() => Some(Err(ended())),
            () = closing => Some(Err(ended())),
            () = beat => Some(Ok(Piece::Bytes(Bytes::from_static(b":\n\n")))),
        }
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Sets a sign when it is dropped.
#[derive(Debug)]
pub(crate) struct Watch(Arc<AtomicBool>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Readers {
    pub(crate) fn new(most: usize, patience: Duration) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(most)),
            patience,
        }
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        match tokio::time::timeout(self.patience, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Refusal::busy(
                "too many recordings are read at once",
                Duration::from_secs(5),
            )),
        }
    }

    /// A sign that is set when the second part is dropped: whoever asked went away.
    pub(crate) fn watched() -> (Arc<AtomicBool>, Watch) {
        let sign = Arc::new(AtomicBool::new(false));
        (Arc::clone(&sign), Watch(sign))
    }

    /// What a thread finds out.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let permit = self.permit().await?;
        let answer = tokio::task::spawn_blocking(move || {
            let answer = read();
            drop(permit);
            answer
        });
        answer.await.unwrap_or_else(|_| Err(broken()))
    }

    /// A body that a thread writes. What goes wrong before anything is sent is an answer of its own;
    /// later the body ends in an error. With `end` it ends, too.
    pub(crate) async fn stream(
        &self,
        end: CancellationToken,
        write: impl FnOnce(&mut Sink) -> io::Result<()> + Send + 'static,
    ) -> Result<Body, Refusal> {
        self.body(end, None, write).await
    }

    /// The same of events (Server-Sent Events), each of which must be written in one go. While there
    /// are none, comments show that both ends are there. They end with the server, too.
    pub(crate) async fn events(
        &self,
        end: CancellationToken,
        server: CancellationToken,
        write: impl FnOnce(&mut Sink) -> io::Result<()> + Send + 'static,
    ) -> Result<Body, Refusal> {
        self.body(end, Some(server), write).await
    }

    async fn body(
        &self,
        end: CancellationToken,
        server: Option<CancellationToken>,
        write: impl FnOnce(&mut Sink) -> io::Result<()> + Send + 'static,
    ) -> Result<Body, Refusal> {
        let permit = self.permit().await?;
        let (sender, receiver) = mpsc::channel(WAITING);
        let stop = Arc::new(AtomicBool::new(false));
        let mut sink = Sink {
            sender,
            buffer: Vec::new(),
            stop: Arc::clone(&stop),
        };
        tokio::task::spawn_blocking(move || sink.run(write));
        // From here on a request that is given up stops the thread.
        let mut taker = Taker {
            first: None,
            server,
            end,
            stop,
            _permit: permit,
            receiver,
        };
        match taker.receiver.recv().await {
            None => return Err(broken()),
            Some(Err(error)) => return Err(Refusal::unreadable(&error)),
            Some(first) => taker.first = Some(first),
        }
        Ok(Body::from_stream(stream::unfold(
            Some(taker),
            async |taker| {
                let mut taker = taker?;
                let piece = match taker.first.take() {
                    Some(first) => Some(first),
                    None => taker.next().await,
                };
                match piece {
                    Some(Ok(Piece::Bytes(bytes))) => Some((Ok(bytes), Some(taker))),
                    Some(Ok(Piece::End)) => None,
                    Some(Err(error)) => Some((Err(error), None)),
                    None => Some((Err(io::Error::other("the reader failed")), None)),
                }
            },
        )))
    }
}

impl Sink {
    fn run(&mut self, write: impl FnOnce(&mut Self) -> io::Result<()>) {
        let done = write(self).and_then(|()| self.flush());
        let last = done.map(|()| Piece::End);
        // Whoever asked may be gone.
        let _ = self.sender.blocking_send(last);
    }

    /// Set when what is written is not taken any more.
    pub(crate) fn stop(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    fn send(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        let sent = self.sender.blocking_send(Ok(Piece::Bytes(bytes)));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the session ended")
}

/// A thread panicked; the log says why.
fn broken() -> Refusal {
    Refusal::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the server failed; its log says why",
    )
}
