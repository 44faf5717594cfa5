//! The queue of bytes between a client's channel and its program.

use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long each packet of a trickle is held up, so that it stays one.
pub(super) const NAP: Duration = Duration::from_millis(20);

/// What a queued packet costs beside its bytes.
const OVERHEAD: usize = 64;

/// A queue whose level is known from the moment that bytes are received, before they are
/// recorded and queued.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    level: AtomicUsize,
    queue: Mutex<Queue>,
    filled: Notify,
    drained: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    packets: VecDeque<Bytes>,
    ended: bool,
    closed: bool,
}

impl Inbox {
    /// Bytes received and not yet taken, with what they cost.
    pub(super) fn level(&self) -> usize {
        self.level.load(Ordering::Acquire)
    }

    /// Counts bytes that were received; false if nobody will take them.
    pub(super) fn announce(&self, bytes: usize) -> bool {
        if self.queue().closed {
            return false;
        }
        self.level.fetch_add(bytes + OVERHEAD, Ordering::AcqRel);
        true
    }

    /// Queues bytes that were announced.
    pub(super) fn put(&self, bytes: Bytes) {
        let mut queue = self.queue();
        if !queue.closed {
            queue.packets.push_back(bytes);
        }
        drop(queue);
        self.filled.notify_one();
    }

    /// No more bytes will come.
    pub(super) fn end(&self) {
        self.queue().ended = true;
        self.filled.notify_one();
    }

    /// Nobody takes any more: what is queued is dropped, what comes is not queued.
    pub(super) fn close(&self) {
        let mut queue = self.queue();
        queue.closed = true;
        queue.packets.clear();
        drop(queue);
        self.level.store(0, Ordering::Release);
        self.drained.notify_waiters();
        self.filled.notify_one();
    }

    /// The next bytes; `None` at the end of all.
    pub(super) async fn take(&self) -> Option<Bytes> {
        loop {
            let filled = self.filled.notified();
            {
                let mut queue = self.queue();
                if let Some(bytes) = queue.packets.pop_front() {
                    return Some(bytes);
                }
                if queue.ended || queue.closed {
                    return None;
                }
            }
            filled.await;
        }
    }

    /// Bytes that were taken have reached the program.
    pub(super) fn delivered(&self, bytes: usize) {
        let taken = bytes + OVERHEAD;
        let less = |level: usize| Some(level.saturating_sub(taken));
        let _ = self
            .level
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        self.drained.notify_waiters();
    }

    /// Waits until less than `limit` is queued.
    pub(super) async fn room(&self, limit: usize) {
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            if self.level() < limit {
                return;
            }
            drained.await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn bytes_come_out_as_they_went_in_then_the_end() {
        let inbox = Inbox::default();
        for byte in 0..100_u8 {
            assert!(inbox.announce(1));
            inbox.put(Bytes::from(vec![byte]));
        }
        inbox.end();
        for byte in 0..100_u8 {
            assert_eq!(inbox.take().await.unwrap(), vec![byte]);
            inbox.delivered(1);
        }
        assert_eq!(inbox.take().await, None);
        assert_eq!(inbox.level(), 0);
    }

    #[tokio::test]
    async fn closing_frees_who_waits_for_room_and_who_waits_for_bytes() {
        let inbox = Arc::new(Inbox::default());
        inbox.announce(10);
        let (one, two) = (Arc::clone(&inbox), Arc::clone(&inbox));
        let room = tokio::spawn(async move { one.room(1).await });
        let bytes = tokio::spawn(async move { two.take().await });
        tokio::task::yield_now().await;
        inbox.close();
        room.await.unwrap();
        assert_eq!(bytes.await.unwrap(), None);
        assert!(!inbox.announce(1));
        assert_eq!(inbox.level(), 0);
    }

    proptest! {
        #[test]
        fn the_level_is_what_was_announced_less_what_was_delivered(
            sizes in prop::collection::vec(0usize..10_000, 0..50), taken in 0usize..50,
        ) {
            let inbox = Inbox::default();
            for size in &sizes {
                inbox.announce(*size);
            }
            let taken = taken.min(sizes.len());
            for size in &sizes[..taken] {
                inbox.delivered(*size);
            }
            let left: usize = sizes[taken..].iter().map(|size| size + OVERHEAD).sum();
            prop_assert_eq!(inbox.level(), left);
        }
    }
}
