//! The TCP connection as the SSH library sees it: read along at its clear-text start, without
//! the delays that TCP would put in, and cut when we say so.

mod hello;
#[cfg(test)]
mod tests;

pub(crate) use hello::{Hello, negotiated};

use crate::mark::Mark;
use futures::task::AtomicWaker;
use rustix::event::{PollFd, PollFlags, poll};
use socket2::SockRef;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Reads after each of which acknowledgements are asked for at once. Without it a client that
/// waits with small packets until the last one is acknowledged (Nagle) loses 40 ms in the key
/// exchange, since the kernel delays its acknowledgements.
const QUICK_READS: u8 = 32;

/// What does not limit how much is read.
pub(crate) const UNLIMITED: u64 = u64::MAX;

/// How often a wait looks whether the client is still there.
const LOOK: Duration = Duration::from_secs(1);

/// One TCP connection, shared by the SSH library (through [`Wire`]) and those who watch it.
#[derive(Debug)]
pub(crate) struct Line {
    tcp: TcpStream,
    cut: AtomicBool,
    /// Bytes that may still be read; [`UNLIMITED`] for any number.
    budget: AtomicU64,
    waiting: AtomicWaker,
    closing: CancellationToken,
    hellos: Mutex<Hellos>,
    /// When the client was first seen to be gone.
    gone: Mutex<Option<Instant>>,
}

/// What both sides said in clear.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hellos {
    /// The client.
    pub(crate) client: Hello,
    /// The server.
    pub(crate) server: Hello,
}

impl Line {
    pub(crate) fn new(tcp: TcpStream) -> Arc<Self> {
        let socket = SockRef::from(&tcp);
        // Neither matters enough to refuse a client over.
        let _ = socket.set_tcp_nodelay(true);
        let _ = socket.set_keepalive(true);
        Arc::new(Self {
            tcp,
            cut: AtomicBool::new(false),
            budget: AtomicU64::new(UNLIMITED),
            waiting: AtomicWaker::new(),
            closing: CancellationToken::new(),
            hellos: Mutex::default(),
            gone: Mutex::default(),
        })
    }

    /// Lets no more than so many further bytes be read, for a peer that is not trusted yet: what it
    /// sends may be queued without bound.
    pub(crate) fn allow(&self, bytes: u64) {
        self.budget.store(bytes, Ordering::Release);
    }

    /// The socket, to set options on.
    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Ends reading and writing at once; whoever waits for either gets an error.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.waiting.wake();
    }

    /// Whether the client has closed its side or is gone; looks at the socket, whatever was read
    /// so far.
    pub(crate) fn closed_by_peer(&self) -> bool {
        let flags = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let mut asked = [PollFd::new(&self.tcp, flags)];
        let now = rustix::time::Timespec::default();
        poll(&mut asked, Some(&now)).is_err()
            || asked.iter().any(|one| one.revents().intersects(flags))
    }

    /// Whether the client has been gone for a while, as far as looks have told.
    pub(crate) fn is_gone(&self) -> bool {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        if self.closed_by_peer() {
            gone.get_or_insert_with(Instant::now).elapsed() >= LOOK
        } else {
            *gone = None;
            false
        }
    }

    /// Resolves when the client has been gone for a while; for use beside a wait that keeps the
    /// SSH library from reading, and so from noticing by itself.
    pub(crate) async fn vanished(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            if self.is_gone() {
                return;
            }
        }
    }

    /// Resolves when the SSH library has said all it will and waits for the client to hang up.
    pub(crate) async fn closing(&self) {
        self.closing.cancelled().await;
    }

    /// What both sides have said in clear so far.
    pub(crate) fn hellos(&self) -> Hellos {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Hellos> {
        self.hellos.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers for a wake-up by [`Line::cut`], then looks.
    fn check(&self, context: &Context<'_>) -> io::Result<()> {
        self.waiting.register(context.waker());
        if self.cut.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// Whether anything may be read.
    fn solvent(&self) -> io::Result<()> {
        match self.budget.load(Ordering::Acquire) {
            0 => Err(io::Error::other(
                "the peer sends too much before it is trusted",
            )),
            _ => Ok(()),
        }
    }

    fn spend(&self, bytes: usize) {
        let less = |budget: u64| (budget != UNLIMITED).then(|| budget.saturating_sub(bytes as u64));
        let budget = &self.budget;
        let _ = budget.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
    }
}

/// What the SSH library reads and writes.
#[derive(Debug)]
pub(crate) struct Wire {
    line: Arc<Line>,
    mark: Mark,
    quick: u8,
    client: hello::Listener,
    server: hello::Listener,
}

impl Wire {
    /// What reads it serves the connection of `mark`.
    pub(crate) fn new(line: Arc<Line>, mark: Mark) -> Self {
        Self {
            line,
            mark,
            quick: QUICK_READS,
            client: hello::Listener::default(),
            server: hello::Listener::default(),
        }
    }

    fn was_read(&mut self, bytes: &[u8]) {
        if self.quick > 0 {
            self.quick -= 1;
            let _ = SockRef::from(&self.line.tcp).set_tcp_quickack(true);
        }
        self.client
            .hear(bytes, |hello| self.line.lock().client = hello);
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.mark.here();
        let line = Arc::clone(&self.line);
        loop {
            line.check(context)?;
            line.solvent()?;
            ready!(line.tcp.poll_read_ready(context))?;
            let before = buffer.filled().len();
            match line.tcp.try_read_buf(buffer) {
                Ok(_) => {
                    let new = buffer.filled().get(before..).unwrap_or_default();
                    line.spend(new.len());
                    self.was_read(new);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let line = Arc::clone(&self.line);
        loop {
            line.check(context)?;
            ready!(line.tcp.poll_write_ready(context))?;
            match line.tcp.try_write(bytes) {
                Ok(count) => {
                    let new = bytes.get(..count).unwrap_or_default();
                    self.server.hear(new, |hello| line.lock().server = hello);
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.closing.cancel();
        Poll::Ready(SockRef::from(&self.line.tcp).shutdown(std::net::Shutdown::Write))
    }
}
