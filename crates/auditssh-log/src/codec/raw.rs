//! The bytes of a message beside what they mean.

use super::error::Fault;
use super::parse::Source;

/// A source that can copy the bytes of the message that is being read.
pub(super) struct Raw<S> {
    pub(super) source: S,
    /// Where they go, and how much stood there before.
    copy: Option<(Vec<u8>, usize)>,
}

impl<S> Raw<S> {
    pub(super) const fn new(source: S) -> Self {
        Self { source, copy: None }
    }

    /// Has the bytes of the next message appended.
    pub(super) fn copy_to(&mut self, to: &mut Vec<u8>) {
        let to = std::mem::take(to);
        let length = to.len();
        self.copy = Some((to, length));
    }

    /// Gives back what [`Raw::copy_to`] took: with a message, or as it was.
    pub(super) fn give_back(&mut self, to: &mut Vec<u8>, with_message: bool) {
        if let Some((mut bytes, length)) = self.copy.take() {
            if !with_message {
                bytes.truncate(length);
            }
            *to = bytes;
        }
    }
}

impl<S: Source> Source for Raw<S> {
    fn fill(&mut self) -> Result<&[u8], Fault> {
        self.source.fill()
    }

    fn consume(&mut self, count: usize) {
        if let Some((copy, _)) = &mut self.copy
            && let Ok(shown) = self.source.fill()
        {
            copy.extend_from_slice(shown.get(..count).unwrap_or(shown));
        }
        self.source.consume(count);
    }

    fn offset(&self) -> u64 {
        self.source.offset()
    }

    fn begin(&mut self) {
        if let Some((copy, length)) = &mut self.copy {
            copy.truncate(*length);
        }
    }
}
