//! The input of a program.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;

/// Shutting it down is the end of file, but not on a terminal: there the engine would end the output
/// with it.
pub(super) struct Stdin<W> {
    to: W,
    ends: bool,
}

impl<W> Stdin<W> {
    pub(super) fn new(to: W, ends: bool) -> Self {
        Self { to, ends }
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Stdin<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.to).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.to).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ends {
            return Pin::new(&mut self.to).poll_shutdown(cx);
        }
        Pin::new(&mut self.to).poll_flush(cx)
    }
}
