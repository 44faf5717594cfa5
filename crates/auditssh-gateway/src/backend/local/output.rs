//! The streams between a program and its session.

use super::GRACE;
use super::descriptor::Descriptor;
use futures::FutureExt;
use futures::future::BoxFuture;
use rustix::io::{Errno, ioctl_fionread, read, write};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

/// What may still wait in a terminal when its program has ended, and more.
const LEFT_BYTES: u64 = 128 * 1024;

/// What a program writes, to a pipe or a terminal. Reads only when polled.
///
/// It ends when all who could write have closed it. A terminal ends [`GRACE`] after the main
/// process at the latest, when what waited at that moment has been read.
pub(super) struct Output {
    source: Arc<Descriptor>,
    state: State,
}

enum State {
    /// The main process runs, or ended just now.
    Open(BoxFuture<'static, ()>),
    /// So many bytes may still be read.
    Over(u64),
}

impl Output {
    /// Of a terminal; `ended` is cancelled when the main process has ended.
    pub(super) fn terminal(source: Arc<Descriptor>, ended: CancellationToken) -> Self {
        let over = async move {
            ended.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        Self::until(source, over.boxed())
    }

    /// Of a pipe.
    pub(super) fn pipe(source: Arc<Descriptor>) -> Self {
        Self::until(source, std::future::pending().boxed())
    }

    fn until(source: Arc<Descriptor>, over: BoxFuture<'static, ()>) -> Self {
        let state = State::Open(over);
        Self { source, state }
    }

    /// Reads what is there now, at most `left` bytes of it; 0 is the end.
    fn read_left(&self, buf: &mut ReadBuf<'_>, left: u64) -> io::Result<usize> {
        let room = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buf.remaining());
        let room = buf.initialize_unfilled_to(room);
        if room.is_empty() {
            return Ok(0);
        }
        loop {
            match read(self.source.get_ref(), &mut *room) {
                Ok(count) => return Ok(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN | Errno::IO) => return Ok(0),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsyncRead for Output {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match &mut self.state {
                State::Over(left) => {
                    let left = *left;
                    let count = self.read_left(buf, left)?;
                    buf.advance(count);
                    self.state = State::Over(left - count as u64);
                    return Poll::Ready(Ok(()));
                }
                State::Open(over) => {
                    if over.as_mut().poll(cx).is_ready() {
                        let waiting = ioctl_fionread(self.source.get_ref()).unwrap_or(0);
                        self.state = State::Over(waiting.max(LEFT_BYTES));
                        continue;
                    }
                }
            }
            let mut guard = ready!(self.source.poll_read_ready(cx))?;
            let outcome = guard.try_io(|source| match read(source, buf.initialize_unfilled()) {
                // The other side of the terminal is closed.
                Err(Errno::IO) => Ok(0),
                other => Ok(other?),
            });
            match outcome {
                Ok(Ok(count)) => {
                    buf.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_wait) => {}
            }
        }
    }
}

/// What a program reads, from a pipe or a terminal. Shutting it down closes a pipe; a terminal
/// stays as it is.
pub(super) struct Input(Option<Arc<Descriptor>>);

impl Input {
    pub(super) fn new(sink: Arc<Descriptor>) -> Self {
        Self(Some(sink))
    }
}

impl AsyncWrite for Input {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(sink) = &self.0 else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        loop {
            let mut guard = ready!(sink.poll_write_ready(cx))?;
            let outcome = guard.try_io(|sink| match write(sink, bytes) {
                Err(Errno::IO) => Err(io::ErrorKind::BrokenPipe.into()),
                other => Ok(other?),
            });
            match outcome {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(outcome) => return Poll::Ready(outcome),
                Err(_would_wait) => {}
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0 = None;
        Poll::Ready(Ok(()))
    }
}
