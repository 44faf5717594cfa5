//! The queue of bytes between a client's channel and its program.

use crate::waiting::{Held, Waiting};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long each packet of a trickle is held up, so that it stays one.
pub(super) const NAP: Duration = Duration::from_millis(20);

/// How often who waits for room looks whether others have made some.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

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

/// Bytes from the client, which wait until this is dropped.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) bytes: Bytes,
    _held: Held,
}

#[derive(Debug, Default)]
struct Queue {
    packets: VecDeque<Packet>,
    ended: bool,
    closed: bool,
}

impl Inbox {
    /// Bytes received and not yet taken, with what they cost.
    pub(super) fn level(&self) -> usize {
        self.level.load(Ordering::Acquire)
    }

    /// Counts bytes that were received; `None` if nobody will take them.
    pub(super) fn announce(&self, bytes: &[u8], waiting: &Arc<Waiting>) -> Option<Packet> {
        if self.queue().closed {
            return None;
        }
        let cost = bytes.len() + OVERHEAD;
        self.level.fetch_add(cost, Ordering::AcqRel);
        Some(Packet {
            bytes: Bytes::copy_from_slice(bytes),
            _held: waiting.hold(cost),
        })
    }

    /// Queues bytes that were announced.
    pub(super) fn put(&self, packet: Packet) {
        let mut queue = self.queue();
        if !queue.closed {
            queue.packets.push_back(packet);
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
    pub(super) async fn take(&self) -> Option<Packet> {
        loop {
            let filled = self.filled.notified();
            {
                let mut queue = self.queue();
                if let Some(packet) = queue.packets.pop_front() {
                    return Some(packet);
                }
                if queue.ended || queue.closed {
                    return None;
                }
            }
            filled.await;
        }
    }

    /// What was taken has reached the program.
    pub(super) fn delivered(&self, packet: Packet) {
        let taken = packet.bytes.len() + OVERHEAD;
        drop(packet);
        let less = |level: usize| Some(level.saturating_sub(taken));
        let _ = self
            .level
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        self.drained.notify_waiters();
    }

    /// Waits until less than `limit`, which may change, is queued.
    pub(super) async fn room(&self, limit: impl Fn() -> usize) {
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            if self.level() < limit() {
                return;
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, drained).await;
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

    #[tokio::test]
    async fn bytes_come_out_as_they_went_in_then_the_end() {
        let (inbox, waiting) = (Inbox::default(), Arc::default());
        for byte in 0..100_u8 {
            inbox.put(inbox.announce(&[byte], &waiting).unwrap());
        }
        inbox.end();
        for byte in 0..100_u8 {
            let packet = inbox.take().await.unwrap();
            assert_eq!(packet.bytes, vec![byte]);
            inbox.delivered(packet);
        }
        assert!(inbox.take().await.is_none());
        assert_eq!((inbox.level(), waiting.bytes()), (0, 0));
    }

    #[tokio::test]
    async fn closing_frees_who_waits_for_room_and_who_waits_for_bytes() {
        let (inbox, waiting) = (Arc::new(Inbox::default()), Arc::default());
        let late = inbox.announce(b"late", &waiting).unwrap();
        let (one, two) = (Arc::clone(&inbox), Arc::clone(&inbox));
        let room = tokio::spawn(async move { one.room(|| 1).await });
        let bytes = tokio::spawn(async move { two.take().await });
        tokio::task::yield_now().await;
        inbox.close();
        room.await.unwrap();
        assert!(bytes.await.unwrap().is_none());
        assert!(inbox.announce(b"more", &waiting).is_none());
        inbox.put(late);
        assert_eq!((inbox.level(), waiting.bytes()), (0, 0));
    }

    #[tokio::test]
    async fn who_waits_goes_on_when_others_make_room() {
        let (inbox, waiting) = (Inbox::default(), Arc::default());
        let _mine = inbox.announce(&[0; 10], &waiting).unwrap();
        let others = waiting.hold(100);
        let room = inbox.room(|| if waiting.bytes() < 100 { 1000 } else { 1 });
        tokio::pin!(room);
        assert!(futures::poll!(room.as_mut()).is_pending());
        drop(others);
        room.await;
    }

    proptest! {
        #[test]
        fn the_level_is_what_was_announced_less_what_was_delivered(
            sizes in prop::collection::vec(0usize..10_000, 0..50), taken in 0usize..50,
        ) {
            let (inbox, waiting) = (Inbox::default(), Arc::default());
            let announce = |size: &usize| inbox.announce(&vec![0; *size], &waiting).unwrap();
            let mut packets: Vec<_> = sizes.iter().map(announce).collect();
            let taken = taken.min(sizes.len());
            for packet in packets.drain(..taken) {
                inbox.delivered(packet);
            }
            let left: usize = sizes[taken..].iter().map(|size| size + OVERHEAD).sum();
            prop_assert_eq!((inbox.level(), waiting.bytes()), (left, left));
        }
    }
}
