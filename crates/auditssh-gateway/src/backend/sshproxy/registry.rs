//! Which channels a server may open, since they were asked for.

use crate::backend::Arrival;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Connections of one listener that may wait to be taken.
const WAITING: usize = 16;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `forwarded-tcpip`: an address and a port; 0 until the server has chosen one.
    Tcp(String, u32),
    /// `forwarded-streamlocal@openssh.com`: a path.
    Socket(String),
    /// `auth-agent@openssh.com`.
    Agent,
    /// `x11`.
    X11,
}

/// All that was asked for on one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    all: Vec<Entry>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    kind: Kind,
    arrivals: mpsc::Sender<Arrival>,
}

/// Something that was asked for; dropped, it is no more.
pub(crate) struct Registered {
    registry: Registry,
    number: u64,
    arrivals: mpsc::Receiver<Arrival>,
}

impl Registry {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn register(&self, kind: Kind) -> Registered {
        let (sender, arrivals) = mpsc::channel(WAITING);
        let mut entries = self.entries();
        let number = entries.next;
        entries.next += 1;
        entries.all.push(Entry {
            number,
            kind,
            arrivals: sender,
        });
        Registered {
            registry: self.clone(),
            number,
            arrivals,
        }
    }

    /// Where a channel goes that a server opens; `None` if nobody asked for it. Of several that it
    /// may be meant for, the last.
    pub(crate) fn find(&self, kind: &Kind) -> Option<mpsc::Sender<Arrival>> {
        let entries = self.entries();
        let mut newest = entries.all.iter().rev();
        let found = newest.find(|entry| entry.kind.takes(kind));
        found.map(|entry| entry.arrivals.clone())
    }
}

impl Kind {
    /// Servers do not agree on how the address is written: the port tells.
    fn takes(&self, opened: &Self) -> bool {
        match (self, opened) {
            (Self::Tcp(_, own), Self::Tcp(_, port)) => own == port || *own == 0,
            (own, opened) => own == opened,
        }
    }
}

impl Registered {
    /// The server has chosen a port.
    pub(super) fn chosen(&self, port: u32) {
        let mut entries = self.registry.entries();
        let mut all = entries.all.iter_mut();
        if let Some(entry) = all.find(|entry| entry.number == self.number)
            && let Kind::Tcp(_, own) = &mut entry.kind
        {
            *own = port;
        }
    }

    pub(super) async fn next(&mut self) -> Option<Arrival> {
        self.arrivals.recv().await
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut entries = self.registry.entries();
        entries.all.retain(|entry| entry.number != self.number);
    }
}

impl std::fmt::Debug for Arrival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Arrival")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_for_is_found() {
        let registry = Registry::default();
        let tcp = |port| Kind::Tcp("localhost".to_owned(), port);
        assert!(registry.find(&tcp(80)).is_none() && registry.find(&Kind::Agent).is_none());
        let registered = registry.register(tcp(0));
        registered.chosen(8080);
        assert!(registry.find(&tcp(8080)).is_some());
        assert!(registry.find(&tcp(8081)).is_none());
        let _agent = registry.register(Kind::Agent);
        assert!(registry.find(&Kind::Agent).is_some() && registry.find(&Kind::X11).is_none());
        drop(registered);
        assert!(registry.find(&tcp(8080)).is_none());
    }
}
