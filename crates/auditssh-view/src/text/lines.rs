use auditssh_log::message::Stream;
use std::collections::VecDeque;

/// Channel and stream.
pub(super) type Key = (Option<u64>, Stream);

/// Longest line that is gathered; what is longer is shown in pieces.
const LONGEST: usize = crate::Visible::MOST;
/// Most lines that are gathered at a time.
const MOST: usize = 64;

/// Gathers the bytes of streams to lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Lines that have not ended, the oldest first.
    open: VecDeque<Line>,
    ended: VecDeque<Line>,
}

#[derive(Debug)]
pub(super) struct Line {
    pub(super) key: Key,
    /// When its first byte came.
    pub(super) time: i64,
    pub(super) bytes: Vec<u8>,
}

impl Lines {
    /// Takes bytes of a stream. The lines that end with them are to be had of [`pop`](Self::pop).
    pub(super) fn push(&mut self, key: Key, time: i64, data: &[u8]) {
        // Typed lines end with the return key; so do they on a terminal, and "\r\n" is one end.
        let ends: &[u8] = if key.1 == Stream::Stdin {
            b"\r\n"
        } else {
            b"\n"
        };
        for part in data.split_inclusive(|byte| ends.contains(byte)) {
            let (text, is_end) = match part.split_last() {
                Some((last, text)) if ends.contains(last) => (text, true),
                _ => (part, false),
            };
            for piece in text.chunks(LONGEST) {
                self.extend(key, time, piece);
            }
            if is_end {
                self.end_line(key, time);
            }
        }
    }

    /// Ends the lines of a channel; without one, all.
    pub(super) fn end(&mut self, channel: Option<u64>) {
        let (ended, open) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|line| channel.is_none() || line.key.0 == channel);
        self.open = open;
        self.ended.extend::<VecDeque<_>>(ended);
    }

    /// The next line that has ended.
    pub(super) fn pop(&mut self) -> Option<Line> {
        let mut line = self.ended.pop_front()?;
        if line.bytes.last() == Some(&b'\r') {
            line.bytes.pop();
        }
        Some(line)
    }

    fn extend(&mut self, key: Key, time: i64, bytes: &[u8]) {
        let at = match self.open.iter().position(|line| line.key == key) {
            Some(at) => at,
            None => self.begin(key, time),
        };
        let Some(line) = self.open.get_mut(at) else {
            return;
        };
        if line.bytes.len() + bytes.len() > LONGEST {
            let full = std::mem::replace(&mut line.bytes, bytes.to_vec());
            let since = std::mem::replace(&mut line.time, time);
            self.ended.push_back(Line {
                key,
                time: since,
                bytes: full,
            });
        } else {
            line.bytes.extend_from_slice(bytes);
        }
    }

    fn begin(&mut self, key: Key, time: i64) -> usize {
        if self.open.len() >= MOST {
            self.ended.extend(self.open.pop_front());
        }
        self.open.push_back(Line {
            key,
            time,
            bytes: Vec::new(),
        });
        self.open.len() - 1
    }

    fn end_line(&mut self, key: Key, time: i64) {
        let at = self.open.iter().position(|line| line.key == key);
        let line = at.and_then(|at| self.open.remove(at));
        // A return that ends nothing is an empty line; the second half of "\r\n" is none.
        self.ended.push_back(line.unwrap_or(Line {
            key,
            time,
            bytes: Vec::new(),
        }));
    }
}

#[cfg(test)]
impl Lines {
    /// Bytes that are held.
    pub(super) fn held(&self) -> usize {
        let lines = self.open.iter().chain(&self.ended);
        lines.map(|line| line.bytes.len()).sum()
    }
}
