//! File descriptors: how many there may be, and one kept for the day when there are none.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::sync::OnceLock;

/// Descriptors that the server itself needs, whatever its clients do: among them 32 for those who
/// ask for metrics and health.
const OWN: u64 = 64;
/// Descriptors that one connection with one session needs: socket, log and its two tails, three
/// pipes or a terminal, and some of the moment.
const PER_CONNECTION: u64 = 10;

static INHERITED: OnceLock<Rlimit> = OnceLock::new();

/// Raises the soft limit on descriptors to the hard one; returns what is in force. What was
/// before is kept for [`inherited`].
pub fn raise() -> u64 {
    let before = inherited();
    let wanted = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "the limit on file descriptors can't be raised");
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The limit on descriptors as it was before [`raise`]; programs that are started get it back,
/// since some can't cope with a large one.
pub fn inherited() -> Rlimit {
    *INHERITED.get_or_init(|| getrlimit(Resource::Nofile))
}

/// How many connections that many descriptors are enough for; at least one.
pub(crate) fn connections(descriptors: u64) -> usize {
    let room = descriptors.saturating_sub(OWN) / PER_CONNECTION;
    usize::try_from(room.clamp(1, 1 << 20)).unwrap_or(1 << 20)
}

/// A descriptor that is given up to accept one connection, so that it can be told why it is
/// refused.
#[derive(Debug)]
pub(crate) struct Reserve(Option<File>);

impl Reserve {
    pub(crate) fn new() -> Self {
        Self(File::open("/dev/null").ok())
    }

    /// Runs `act` with one more descriptor free.
    pub(crate) fn lend<T>(&mut self, act: impl FnOnce() -> T) -> T {
        self.0 = None;
        let result = act();
        self.0 = File::open("/dev/null").ok();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_leaves_room_for_the_server_and_is_never_zero() {
        assert_eq!(connections(0), 1);
        assert_eq!(connections(64), 1);
        assert_eq!(connections(1024), 96);
        assert_eq!(connections(u64::MAX), 1 << 20);
    }

    #[test]
    fn raising_reaches_the_hard_limit_and_keeps_what_was() {
        let now = raise();
        assert_eq!(Some(now), getrlimit(Resource::Nofile).maximum.or(Some(now)));
        assert!(inherited().current.is_none_or(|before| before <= now));
    }
}
