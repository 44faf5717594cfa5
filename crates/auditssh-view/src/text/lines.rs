use auditssh_log::message::Stream;
use std::collections::VecDeque;
use std::io;

/// Channel and stream.
pub(super) type Key = (Option<u64>, Stream);

/// Longest line that is gathered; what is longer is shown in pieces.
const LONGEST: usize = crate::Visible::MOST;
/// Most lines that are gathered at a time.
const MOST: usize = 64;

/// Where lines go when they end.
pub(super) trait Show {
    /// Shows a line whose first byte came at that time, in nanoseconds.
    fn show(&mut self, key: Key, time: i64, bytes: &[u8]) -> io::Result<()>;
}

/// Gathers the bytes of streams to lines. Holds only what did not end yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Lines that have not ended, the oldest first.
    open: VecDeque<Line>,
}

#[derive(Debug)]
struct Line {
    key: Key,
    /// When its first byte came.
    time: i64,
    bytes: Vec<u8>,
}

impl Lines {
    /// Takes bytes of a stream, and shows the lines that end with them.
    pub(super) fn push(
        &mut self,
        key: Key,
        time: i64,
        data: &[u8],
        to: &mut impl Show,
    ) -> io::Result<()> {
        // Typed lines end with the return key; so do they on a terminal, and "\r\n" is one end.
        let ends: &[u8] = if key.1 == Stream::Stdin {
            b"\r\n"
        } else {
            b"\n"
        };
        for part in data.split_inclusive(|byte| ends.contains(byte)) {
            match part.split_last() {
                Some((last, text)) if ends.contains(last) => self.ended(key, time, text, to)?,
                _ => self.extend(key, time, part, to)?,
            }
        }
        Ok(())
    }

    /// Ends the lines of a channel; without one, all.
    pub(super) fn end(&mut self, channel: Option<u64>, to: &mut impl Show) -> io::Result<()> {
        let (ended, open) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|line| channel.is_none() || line.key.0 == channel);
        self.open = open;
        let ended: VecDeque<Line> = ended;
        ended.iter().try_for_each(|line| line.show(to))
    }

    /// Ends a line with this text. A return that ends nothing is an empty line.
    fn ended(&mut self, key: Key, time: i64, text: &[u8], to: &mut impl Show) -> io::Result<()> {
        if text.len() <= LONGEST && self.position(key).is_none() {
            return to.show(key, time, without_return(text));
        }
        self.extend(key, time, text, to)?;
        let line = self.position(key).and_then(|at| self.open.remove(at));
        line.map_or(Ok(()), |line| line.show(to))
    }

    fn extend(&mut self, key: Key, time: i64, bytes: &[u8], to: &mut impl Show) -> io::Result<()> {
        let at = match self.position(key) {
            Some(at) => at,
            None => self.begin(key, time, to)?,
        };
        let Some(line) = self.open.get_mut(at) else {
            return Ok(());
        };
        for piece in bytes.chunks(LONGEST) {
            if line.bytes.len() + piece.len() > LONGEST {
                line.show(to)?;
                line.bytes.clear();
                line.time = time;
            }
            line.bytes.extend_from_slice(piece);
        }
        Ok(())
    }

    fn begin(&mut self, key: Key, time: i64, to: &mut impl Show) -> io::Result<usize> {
        if self.open.len() >= MOST
            && let Some(oldest) = self.open.pop_front()
        {
            oldest.show(to)?;
        }
        self.open.push_back(Line {
            key,
            time,
            bytes: Vec::new(),
        });
        Ok(self.open.len() - 1)
    }

    fn position(&self, key: Key) -> Option<usize> {
        self.open.iter().position(|line| line.key == key)
    }
}

impl Line {
    fn show(&self, to: &mut impl Show) -> io::Result<()> {
        to.show(self.key, self.time, without_return(&self.bytes))
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
impl Lines {
    /// Bytes for which memory is held.
    pub(super) fn held(&self) -> usize {
        self.open.iter().map(|line| line.bytes.capacity()).sum()
    }
}
