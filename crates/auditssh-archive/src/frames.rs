//! Tails as files, read frame by frame: no more than a window is held, however long they are.

use crate::disk::DiskFile;
use auditssh_log::tail::{self, FRAME, HEADER, Head, Header};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// How much is read at a time.
const WINDOW: usize = 64 << 10;

/// How often, on average, a byte may be looked at in vain: bytes can be made to look like a great
/// many frames.
const PATIENCE: u64 = 64;

/// What can be read at any place.
pub(crate) trait ReadAt {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, bytes, offset)
    }
}

impl ReadAt for Arc<dyn DiskFile> {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        DiskFile::read_at(&**self, bytes, offset)
    }
}

/// The frames of a tail.
#[derive(Debug)]
pub(crate) struct Frames<F> {
    file: F,
    length: u64,
    /// `None` if the header is damaged, or never reached the disk.
    header: Option<Header>,
    seed: u32,
    window: Vec<u8>,
    /// Where the window begins in the file.
    start: u64,
}

/// A frame whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Where it begins.
    pub(crate) at: u64,
    pub(crate) head: Head,
}

impl Found {
    /// Where what follows it begins.
    pub(crate) const fn end(&self) -> u64 {
        self.at + (FRAME + self.head.length) as u64
    }
}

impl<F: ReadAt> Frames<F> {
    /// Reads the header. What stands behind `length` bytes is not looked at.
    pub(crate) fn open(file: F, length: u64) -> io::Result<Self> {
        let mut frames = Self {
            file,
            length,
            header: None,
            seed: 0,
            window: Vec::new(),
            start: 0,
        };
        frames.header = Header::decode(frames.bytes(0, HEADER)?);
        frames.seed = frames.header.as_ref().map_or(0, Header::seed);
        Ok(frames)
    }

    pub(crate) const fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// The frame that begins there, of whatever chunk.
    pub(crate) fn frame(&mut self, at: u64) -> io::Result<Option<Found>> {
        let Some(head) = self.head(at)? else {
            return Ok(None);
        };
        let found = Found { at, head };
        let mut sum = head.sum(self.seed);
        self.each_piece(&found, |piece| sum = tail::sum(sum, piece))?;
        Ok((sum == head.crc).then_some(found))
    }

    /// Appends the message of a frame.
    pub(crate) fn message(&mut self, found: &Found, to: &mut Vec<u8>) -> io::Result<()> {
        to.reserve(found.head.length);
        self.each_piece(found, |piece| to.extend_from_slice(piece))
    }

    /// What precedes a message, if it is all there and the message may be.
    pub(crate) fn head(&mut self, at: u64) -> io::Result<Option<Head>> {
        let head = self.bytes(at, FRAME)?.first_chunk().and_then(Head::read);
        let end = |head: &Head| at.saturating_add((FRAME + head.length) as u64);
        Ok(head.filter(|head| end(head) <= self.length))
    }

    /// What precedes a message, however much of that is there.
    pub(crate) fn torn(&mut self, at: u64) -> io::Result<Option<Head>> {
        Ok(self.bytes(at, FRAME)?.first_chunk().and_then(Head::read))
    }

    pub(crate) const fn file(&self) -> &F {
        &self.file
    }

    /// Where a frame stands, from `from` on, whose number is not below `number`: as
    /// [`tail::stray`]. `end` is where it ends.
    pub(crate) fn stray(&mut self, from: u64, number: u64) -> io::Result<Option<(u64, u64)>> {
        let mut patience = self.length.saturating_mul(PATIENCE);
        let mut at = from;
        while at.saturating_add(FRAME as u64) < self.length {
            let Some(head) = self.head(at)? else {
                at += 1;
                continue;
            };
            let end = Found { at, head }.end();
            if self.frame(at)?.is_some() {
                if head.number >= number {
                    return Ok(Some((at, end)));
                }
                at = end;
                continue;
            }
            patience = match patience.checked_sub(end - at) {
                None => return Ok(Some((at, end))),
                Some(patience) => patience,
            };
            at += 1;
        }
        Ok(None)
    }

    /// Whether anything stands in it.
    pub(crate) fn is_blank(&mut self) -> io::Result<bool> {
        let mut at = 0;
        while at < self.length {
            let bytes = self.bytes(at, WINDOW)?;
            if bytes.is_empty() {
                break;
            }
            if bytes.iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
            at += bytes.len() as u64;
        }
        Ok(true)
    }

    fn each_piece(&mut self, found: &Found, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let mut at = found.at + FRAME as u64;
        let end = found.end();
        while at < end {
            let most = usize::try_from(end - at).unwrap_or(WINDOW).min(WINDOW);
            let piece = self.bytes(at, most)?;
            if piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            each(piece);
            at += piece.len() as u64;
        }
        Ok(())
    }

    /// So many bytes, at most a window, or those that are left.
    fn bytes(&mut self, at: u64, length: usize) -> io::Result<&[u8]> {
        let wanted = self.length.saturating_sub(at).min(length as u64);
        let wanted = usize::try_from(wanted).unwrap_or(length);
        let inside = |start: u64, window: &[u8]| {
            let from = usize::try_from(at.checked_sub(start)?).ok()?;
            (window.len().checked_sub(from)? >= wanted).then_some(from)
        };
        let from = if let Some(from) = inside(self.start, &self.window) {
            from
        } else {
            self.load(at)?;
            0
        };
        let rest = self.window.get(from..).unwrap_or_default();
        Ok(rest.get(..wanted).unwrap_or(rest))
    }

    fn load(&mut self, at: u64) -> io::Result<()> {
        let most = self.length.saturating_sub(at).min(WINDOW as u64);
        self.start = at;
        self.window
            .resize(usize::try_from(most).unwrap_or(WINDOW), 0);
        let mut done = 0;
        while let Some(rest) = self.window.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, at + done as u64) {
                Ok(0) => break,
                Ok(length) => done += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.window.truncate(done);
        Ok(())
    }
}
