//! How much a client may send before it is asked to wait.
//!
//! The SSH library grants windows on receipt of bytes, not when somebody took them, and one size
//! to all channels of a connection; it asks for that size only when it has just granted one. To
//! let it wait inside a callback until a queue has room would stop everything else on the
//! connection, what the program behind the full queue says included, and such a program may wait
//! for just that. So when a queue is high, all channels are granted no more than keeps the
//! question coming up, until it is low again.
//!
//! Sizes follow from the room of a queue (`limits.channelBuffer`, B below), such that even the
//! queue of a program that reads nothing is not filled by what was granted before:
//! - the first window is 5/8 B; it is granted half again before the first question, which finds
//!   the queue high: 15/16 B;
//! - or finds it low (3/16 B) while 5/8 B are granted, of which all but 1/8 B arrive before the
//!   next question and 1/4 B is granted with it: 15/16 B;
//! - later: low (3/16 B), then 1/8 B and 1/4 B: less.
//!
//! A key exchange of the server's own tolerates twice the first window under way, 5/4 B, for all
//! channels together: what they are granted between them stays below that (B). Only channels
//! that have sent little yet have more; the socket's receive buffer bounds what matters of that.

use super::inbox::NAP;
use std::time::Duration;

/// The smallest window after which the library still asks again.
pub(super) const TRICKLE: u32 = 2;

/// What is taken of a client without room while output waits for it, in bytes per second.
const WITHOUT_ROOM: u32 = 256 * 1024;

/// The window that a channel begins with.
pub(crate) fn first(buffer: usize) -> u32 {
    size(buffer / 8 * 5)
}

/// Where a queue is high.
pub(super) fn high(buffer: usize) -> usize {
    buffer / 16 * 3
}

/// What each of some channels is granted while no queue is high.
pub(super) fn fair(buffer: usize, channels: usize) -> u32 {
    size((buffer / channels.max(1)).min(buffer / 4)).max(TRICKLE)
}

/// How long bytes wait before they are taken without room, while output waits.
pub(super) fn patience(received: usize) -> Duration {
    NAP.max(Duration::from_secs(1) * size(received) / WITHOUT_ROOM)
}

fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The library's rule: below half of the target it grants up to the target, then asks.
    struct Library {
        target: u32,
        window: u32,
    }

    impl Library {
        fn receive(&mut self, bytes: u32, mut ask: impl FnMut() -> u32) {
            self.window -= bytes;
            if self.window < self.target / 2 {
                self.window = self.target;
                self.target = ask();
            }
        }
    }

    proptest! {
        #[test]
        fn a_program_that_stops_reading_never_fills_its_queue(
            buffer in 256 * 1024usize..32 * 1024 * 1024,
            packets in prop::collection::vec(1u32..32 * 1024, 0..3000),
            reading in prop::collection::vec(any::<bool>(), 3000),
        ) {
            let mut library = Library { target: first(buffer), window: first(buffer) };
            let mut level = 0;
            let flood = std::iter::repeat_n(32 * 1024, 4000);
            let mut reading = reading.into_iter();
            for wanted in packets.into_iter().chain(flood) {
                let bytes = wanted.min(library.window);
                let ask = || if level > high(buffer) { TRICKLE } else { fair(buffer, 1) };
                library.receive(bytes, ask);
                level += bytes as usize;
                prop_assert!(level < buffer || bytes <= TRICKLE, "{level} of {buffer}");
                if reading.next() == Some(true) {
                    level = 0;
                }
            }
        }

        #[test]
        fn what_is_granted_to_all_stays_below_what_a_key_exchange_tolerates(
            buffer in 256 * 1024usize..32 * 1024 * 1024, channels in 1usize..1000,
        ) {
            let all = u64::from(fair(buffer, channels)) * channels as u64;
            prop_assert!(all < 2 * u64::from(first(buffer)));
        }
    }
}
