//! Bytes that wait for somebody who does not take them, on all connections together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a queue may hold while all hold too much, in bytes.
pub(crate) const CROWDED: usize = 64 * 1024;

/// How many wait.
#[derive(Debug, Default)]
pub struct Waiting(AtomicUsize);

impl Waiting {
    /// How many wait now, with what keeping them costs.
    pub fn bytes(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    /// What one queue may hold: `alone`, unless all together hold `all` or more.
    pub(crate) fn share(&self, alone: usize, all: usize) -> usize {
        if self.bytes() < all {
            alone
        } else {
            alone.min(CROWDED)
        }
    }

    pub(crate) fn more(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::AcqRel);
    }

    pub(crate) fn less(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// Counts bytes until what is returned is dropped.
    pub(crate) fn hold(self: &Arc<Self>, bytes: usize) -> Held {
        self.more(bytes);
        Held {
            waiting: Arc::clone(self),
            bytes,
        }
    }
}

/// Bytes that count as waiting.
#[derive(Debug)]
pub(crate) struct Held {
    waiting: Arc<Waiting>,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.waiting.less(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_has_its_own_room_until_all_hold_too_much() {
        let waiting = Arc::new(Waiting::default());
        let held = [waiting.hold(60), waiting.hold(39)];
        assert_eq!(waiting.share(1 << 20, 100), 1 << 20);
        let more = waiting.hold(1);
        assert_eq!(waiting.share(1 << 20, 100), CROWDED);
        assert_eq!(waiting.share(10, 100), 10);
        drop(held);
        assert_eq!((waiting.bytes(), waiting.share(1 << 20, 100)), (1, 1 << 20));
        drop(more);
        assert_eq!(waiting.bytes(), 0);
    }
}
