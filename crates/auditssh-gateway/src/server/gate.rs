//! How many may be connected without being logged in.

use crate::settings::Limits;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Counts connections that are not logged in, overall and by source.
#[derive(Debug)]
pub(crate) struct Gate {
    overall: usize,
    per_source: usize,
    wait: Duration,
    inside: Mutex<Inside>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    all: usize,
    waiting: usize,
    by_source: HashMap<Source, usize>,
}

/// What counts as one source: an IPv4 address, or an IPv6 network of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Source(u128);

/// A place inside; given back when dropped, which the login does.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Arc<Gate>,
    source: Source,
}

/// Why nobody is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    #[error("too many connections that are not logged in (limits.unauthenticated)")]
    Overall,
    #[error(
        "too many connections of one source that are not logged in \
         (limits.unauthenticatedPerSource)"
    )]
    Source,
    #[error("too many connections wait for room already (limits.unauthenticated)")]
    Waiting,
}

impl Gate {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            overall: limits.unauthenticated,
            per_source: limits.unauthenticated_per_source,
            wait: limits.unauthenticated_wait,
            inside: Mutex::default(),
            left: Notify::new(),
        })
    }

    /// Lets one in, if need be after a while; not if there was no room, or too many waited for it
    /// already.
    pub(super) async fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Pass, Full> {
        let source = Source::of(address);
        if let Ok(pass) = self.try_enter(source) {
            return Ok(pass);
        }
        let _waiting = Waiting::begin(self).ok_or(Full::Waiting)?;
        let until = Instant::now() + self.wait;
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            let full = match self.try_enter(source) {
                Ok(pass) => return Ok(pass),
                Err(full) => full,
            };
            timeout_at(until, left).await.map_err(|_| full)?;
        }
    }

    fn try_enter(self: &Arc<Self>, source: Source) -> Result<Pass, Full> {
        let mut inside = self.inside();
        let here = inside.by_source.get(&source).copied().unwrap_or(0);
        if here >= self.per_source {
            return Err(Full::Source);
        }
        if inside.all >= self.overall {
            return Err(Full::Overall);
        }
        inside.all += 1;
        inside.by_source.insert(source, here + 1);
        Ok(Pass {
            gate: Arc::clone(self),
            source,
        })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inside = self.gate.inside();
        inside.all = inside.all.saturating_sub(1);
        if let Some(here) = inside.by_source.get_mut(&self.source) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                inside.by_source.remove(&self.source);
            }
        }
        drop(inside);
        self.gate.left.notify_waiters();
    }
}

/// One of those who wait; they hold a socket each, so there are no more of them than inside.
struct Waiting<'a>(&'a Gate);

impl<'a> Waiting<'a> {
    fn begin(gate: &'a Gate) -> Option<Self> {
        let mut inside = gate.inside();
        if inside.waiting >= gate.overall {
            return None;
        }
        inside.waiting += 1;
        Some(Self(gate))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.inside().waiting -= 1;
    }
}

impl Source {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_ipv6_mapped().to_bits()),
            IpAddr::V6(address) => Self(address.to_bits() >> 64 << 64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_millis(300);

    fn gate(overall: usize, per_source: usize) -> Arc<Gate> {
        Gate::new(&Limits {
            unauthenticated: overall,
            unauthenticated_per_source: per_source,
            unauthenticated_wait: WAIT,
            ..Limits::default()
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn the_excess_of_a_source_waits_and_is_refused() {
        let gate = gate(10, 2);
        let _inside = (
            gate.enter(ip("10.0.0.1")).await.unwrap(),
            gate.enter(ip("10.0.0.1")).await.unwrap(),
        );
        let before = Instant::now();
        let refused = gate.enter(ip("::ffff:10.0.0.1")).await;
        assert_eq!(refused.unwrap_err(), Full::Source);
        assert!(before.elapsed() >= WAIT);
        assert!(gate.enter(ip("10.0.0.2")).await.is_ok());
    }

    #[tokio::test]
    async fn who_waits_comes_in_when_another_leaves() {
        let gate = gate(1, 1);
        let first = gate.enter(ip("10.0.0.1")).await.unwrap();
        let waiting = {
            let gate = Arc::clone(&gate);
            tokio::spawn(async move { gate.enter(ip("10.0.0.2")).await.is_ok() })
        };
        tokio::time::sleep(WAIT / 3).await;
        drop(first);
        assert!(waiting.await.unwrap());
        assert_eq!(gate.inside().all, 0);
        assert!(gate.inside().by_source.is_empty());
    }

    #[tokio::test]
    async fn no_more_wait_than_may_be_inside() {
        let gate = gate(3, 3);
        let mut inside = Vec::new();
        for _ in 0..3 {
            inside.push(gate.enter(ip("10.0.0.1")).await.unwrap());
        }
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let gate = Arc::clone(&gate);
                tokio::spawn(async move { gate.enter(ip("10.0.0.1")).await })
            })
            .collect();
        tokio::time::sleep(WAIT / 6).await;
        let before = Instant::now();
        let refused = gate.enter(ip("10.0.0.1")).await;
        assert_eq!(refused.unwrap_err(), Full::Waiting);
        assert!(before.elapsed() < WAIT / 3);
        drop(waiting);
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let of = |text| Source::of(ip(text));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
