//! A stream of which only so much is read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Fails once more bytes have come than are allowed.
pub(super) struct Budget<S> {
    stream: S,
    left: usize,
}

impl<S> Budget<S> {
    pub(super) fn new(stream: S, bytes: usize) -> Self {
        Self {
            stream,
            left: bytes,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Budget<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let read = buffer.filled().len() - before;
        if let Some(left) = self.left.checked_sub(read) {
            self.left = left;
            Poll::Ready(Ok(()))
        } else {
            buffer.set_filled(before);
            Poll::Ready(Err(io::Error::other("its answer is too large")))
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Budget<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    #[tokio::test]
    async fn no_more_is_read_than_is_allowed() {
        let mut text = String::new();
        let mut enough = Budget::new(&b"1234"[..], 4);
        assert_eq!(enough.read_to_string(&mut text).await.unwrap(), 4);
        let mut less = Budget::new(&b"1234"[..], 3);
        assert!(less.read_to_string(&mut text).await.is_err());
    }
}
