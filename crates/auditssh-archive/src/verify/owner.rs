//! Whose log it is.

use auditssh_log::codec::Decoder;
use std::io::{self, Read};

/// How much of a log is kept to find its first message in, in bytes: connections begin with a short
/// one, and an incompressible member is stored in blocks that can be read as far as they are there.
const KEPT: usize = 64 << 10;

/// Keeps the start of what is read.
pub(super) struct Start<R> {
    from: R,
    kept: Vec<u8>,
}

impl<R: Read> Start<R> {
    pub(super) const fn of(from: R) -> Self {
        Self {
            from,
            kept: Vec::new(),
        }
    }

    /// The connection that the first message names; `None` if no message is there, or it names none:
    /// so a log that was salvaged without its beginning.
    pub(super) fn owner(&self) -> Option<String> {
        let first = Decoder::new(&*self.kept).next()?.ok()?;
        let owner = first.connection_id.to_str_lossy().into_owned();
        Some(owner).filter(|owner| !owner.is_empty())
    }
}

impl<R: Read> Read for Start<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(to)?;
        let more = KEPT.saturating_sub(self.kept.len()).min(length);
        self.kept.extend(to.get(..more).unwrap_or_default());
        Ok(length)
    }
}
