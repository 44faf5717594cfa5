use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// A stretch of a file, read without moving the file's own position.
#[derive(Debug)]
pub(crate) struct Span {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Span {
    pub(crate) const fn new(file: Arc<File>, at: u64, left: u64) -> Self {
        Self { file, at, left }
    }

    /// Leaves out its first bytes.
    pub(crate) fn pass(&mut self, bytes: u64) {
        self.at = self.at.saturating_add(bytes);
        self.left = self.left.saturating_sub(bytes);
    }
}

impl Read for Span {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let place = bytes.get_mut(..most).unwrap_or_default();
        let length = self.file.read_at(place, self.at)?;
        self.at = self.at.saturating_add(length as u64);
        self.left -= length as u64;
        Ok(length)
    }
}
