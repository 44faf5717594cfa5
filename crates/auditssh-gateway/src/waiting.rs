//! Bytes that wait for somebody who does not take them, on all connections together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a queue may hold while all hold too much, in bytes.
pub(crate) const CROWDED: usize = 64 * 1024;

/// How many wait.
#[derive(Debug, Default)]
pub struct Waiting {
    bytes: AtomicUsize,
    /// What these are a part of.
    all: Option<Arc<Self>>,
}

impl Waiting {
    /// Those that wait here are a part of `all`.
    pub(crate) fn within(all: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicUsize::new(0),
            all: Some(Arc::clone(all)),
        })
    }

    /// How many wait now, with what keeping them costs.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
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
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        if let Some(all) = &self.all {
            all.more(bytes);
        }
    }

    pub(crate) fn less(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        if let Some(all) = &self.all {
            all.less(bytes);
        }
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

impl Held {
    /// Counts what the other did, but for what is saved by that.
    pub(crate) fn absorb(&mut self, mut other: Self, saved: usize) {
        self.bytes += other.bytes - saved;
        other.bytes = saved;
    }
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

    #[test]
    fn a_part_counts_for_the_whole() {
        let all = Arc::new(Waiting::default());
        let parts = [Waiting::within(&all), Waiting::within(&all)];
        let (mut one, other, third) = (parts[0].hold(10), parts[0].hold(5), parts[1].hold(1));
        assert_eq!(
            (all.bytes(), parts[0].bytes(), parts[1].bytes()),
            (16, 15, 1)
        );
        one.absorb(other, 2);
        assert_eq!((all.bytes(), parts[0].bytes()), (14, 13));
        drop((one, third));
        assert_eq!((all.bytes(), parts[0].bytes(), parts[1].bytes()), (0, 0, 0));
    }
}
