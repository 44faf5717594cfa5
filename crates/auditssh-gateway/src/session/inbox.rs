//! The queue of bytes between a client's channel and its program.

use crate::waiting::{Held, Waiting};
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

/// Packets are put together up to this many bytes: each of a trickle would cost far more than its bytes.
const TOGETHER: usize = 4096;

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
    pub(super) bytes: Vec<u8>,
    held: Held,
}

impl Packet {
    /// Takes the bytes of the next one, if that is small; else gives it back.
    fn absorb(&mut self, next: Self) -> Option<Self> {
        if self.bytes.len() + next.bytes.len() > TOGETHER {
            return Some(next);
        }
        self.bytes.extend_from_slice(&next.bytes);
        self.held.absorb(next.held, OVERHEAD);
        None
    }
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
            bytes: bytes.to_vec(),
            held: waiting.hold(cost),
        })
    }

    /// Queues bytes that were announced.
    pub(super) fn put(&self, packet: Packet) {
        let mut queue = self.queue();
        if !queue.closed {
            let left = match queue.packets.back_mut() {
                Some(last) => last.absorb(packet),
                None => Some(packet),
            };
            match left {
                Some(packet) => queue.packets.push_back(packet),
                None => self.sink(OVERHEAD),
            }
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
        self.sink(taken);
        self.drained.notify_waiters();
    }

    /// Lowers the level, which a close may have set to nothing meanwhile.
    fn sink(&self, by: usize) {
        let less = |level: usize| Some(level.saturating_sub(by));
        let _ = self
            .level
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
    }

    /// Waits until there is room. Others than this queue's reader may make it too.
    pub(super) async fn wait_for(&self, room: impl Fn() -> bool) {
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            if room() {
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
    use futures::FutureExt;
    use proptest::prelude::*;

    #[tokio::test]
    async fn bytes_come_out_as_they_went_in_then_the_end() {
        let (inbox, waiting) = (Inbox::default(), Arc::default());
        for byte in 0..100_u8 {
            inbox.put(inbox.announce(&[byte], &waiting).unwrap());
        }
        inbox.end();
        let mut back = Vec::new();
        while back.len() < 100 {
            let packet = inbox.take().await.unwrap();
            back.extend_from_slice(&packet.bytes);
            inbox.delivered(packet);
        }
        assert!(back.into_iter().eq(0..100));
        assert!(inbox.take().await.is_none());
        assert_eq!((inbox.level(), waiting.bytes()), (0, 0));
    }

    #[tokio::test]
    async fn closing_frees_who_waits_for_room_and_who_waits_for_bytes() {
        let (inbox, waiting) = (Arc::new(Inbox::default()), Arc::default());
        let late = inbox.announce(b"late", &waiting).unwrap();
        let (one, two) = (Arc::clone(&inbox), Arc::clone(&inbox));
        let room = tokio::spawn(async move { one.wait_for(|| one.level() < 1).await });
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
        let room = inbox.wait_for(|| waiting.bytes() < 100);
        tokio::pin!(room);
        assert!(futures::poll!(room.as_mut()).is_pending());
        drop(others);
        room.await;
    }

    proptest! {
        #[test]
        fn small_packets_cost_little_more_than_their_bytes(
            sizes in prop::collection::vec(1usize..5_000, 0..300), taken in 0usize..50,
        ) {
            let (inbox, waiting) = (Inbox::default(), Arc::default());
            let sizes: Vec<_> = sizes.into_iter().map(|size| size.pow(2) / 5_000 + 1).collect();
            for size in &sizes {
                inbox.put(inbox.announce(&vec![0; *size], &waiting).unwrap());
            }
            inbox.end();
            let total: usize = sizes.iter().sum();
            prop_assert!(inbox.level() <= total + total / 32 + OVERHEAD);
            prop_assert_eq!(inbox.level(), waiting.bytes());
            let mut back = 0;
            for _ in 0..taken {
                if let Some(packet) = inbox.take().now_or_never().flatten() {
                    back += packet.bytes.len();
                    inbox.delivered(packet);
                }
            }
            prop_assert_eq!(inbox.level(), waiting.bytes());
            prop_assert!(inbox.level() >= total - back);
            inbox.close();
            prop_assert_eq!((inbox.level(), waiting.bytes()), (0, 0));
        }

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
