//! The output of a program as the engine sends it: plain where there is a terminal, else in frames
//! that say which stream they are of. Pieces are small whatever a frame's length.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes that are read at a time.
const PIECE: usize = 32 * 1024;
/// Bytes of a frame's head: the stream, three that mean nothing, the length.
const HEAD: usize = 8;

/// Which stream bytes are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Stdout,
    Stderr,
}

/// Reads output.
pub(crate) struct Frames<R> {
    from: R,
    /// Whether there are frames.
    framed: bool,
    buffer: BytesMut,
    /// Bytes of the frame that are still to come.
    left: usize,
    kind: Kind,
    /// What was read and given back.
    returned: Option<(Kind, Bytes)>,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(crate) fn new(from: R, framed: bool) -> Self {
        Self {
            from,
            framed,
            buffer: BytesMut::new(),
            left: 0,
            kind: Kind::Stdout,
            returned: None,
        }
    }

    /// Has bytes come once more.
    pub(crate) fn give_back(&mut self, kind: Kind, bytes: Bytes) {
        self.returned = Some((kind, bytes)).filter(|(_, bytes)| !bytes.is_empty());
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> io::Result<Option<(Kind, Bytes)>> {
        if let Some(returned) = self.returned.take() {
            return Ok(Some(returned));
        }
        loop {
            if let Some(piece) = self.piece()? {
                return Ok(Some(piece));
            }
            self.buffer.reserve(PIECE);
            let mut room = (&mut self.buffer).limit(PIECE);
            if self.from.read_buf(&mut room).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// What the buffer holds of one frame.
    fn piece(&mut self) -> io::Result<Option<(Kind, Bytes)>> {
        if !self.framed {
            let piece = self.buffer.split().freeze();
            return Ok((!piece.is_empty()).then_some((Kind::Stdout, piece)));
        }
        while self.left == 0 {
            if self.buffer.len() < HEAD {
                return Ok(None);
            }
            self.kind = match self.buffer.get_u8() {
                0 | 1 => Kind::Stdout,
                2 | 3 => Kind::Stderr,
                _ => return Err(io::Error::other("the engine sends no frames of output")),
            };
            self.buffer.advance(3);
            self.left = usize::try_from(self.buffer.get_u32()).unwrap_or(usize::MAX);
        }
        let length = self.left.min(self.buffer.len());
        self.left -= length;
        let piece = self.buffer.split_to(length).freeze();
        Ok((!piece.is_empty()).then_some((self.kind, piece)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        [&[kind, 0, 0, 0], &length as &[u8], bytes].concat()
    }

    async fn all(input: &[u8], several: bool) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let mut frames = Frames::new(input, several);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        while let Some((kind, bytes)) = frames.next().await? {
            assert!(!bytes.is_empty() && bytes.len() <= 2 * PIECE);
            match kind {
                Kind::Stdout => out.extend(bytes),
                Kind::Stderr => err.extend(bytes),
            }
        }
        Ok((out, err))
    }

    #[tokio::test]
    async fn streams_are_told_apart() {
        let large = vec![7; 5 * PIECE];
        let input = [
            frame(1, &large),
            frame(2, b"err"),
            frame(1, b""),
            frame(1, b"!"),
        ]
        .concat();
        let (out, err) = all(&input, true).await.unwrap();
        assert_eq!(out, [large, b"!".to_vec()].concat());
        assert_eq!(err, b"err");
    }

    #[tokio::test]
    async fn a_terminal_may_show_anything() {
        let input = [vec![1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], vec![2; 100]].concat();
        assert_eq!(all(&input, false).await.unwrap(), (input, Vec::new()));
    }

    #[tokio::test]
    async fn what_is_cut_off_or_no_frame_ends() {
        let whole = frame(1, b"12345");
        for length in 0..whole.len() {
            let (out, _) = all(&whole[..length], true).await.unwrap();
            assert_eq!(out, &b"12345"[..length.saturating_sub(8)]);
        }
        assert!(all(b"HTTP/1.1 400", true).await.is_err());
        // A frame of 4 GiB is taken in pieces, not waited for.
        let (out, _) = all(&[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, b'x'], true)
            .await
            .unwrap();
        assert_eq!(out, b"x");
    }
}
