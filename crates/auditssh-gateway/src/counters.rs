//! What happened how often, for whoever watches the server.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted from the network.
    pub connections: Counter,
    /// Logins that succeeded.
    pub logins: Counter,
    /// Passwords, keys and answers that were refused.
    pub auth_failures: Counter,
    /// Questions put to the service that is asked who may log in.
    pub service_questions: Counter,
    /// Of these, those that it gave no answer to.
    pub service_failures: Counter,
    /// `none` requests, by which clients ask what methods there are.
    pub none_probes: Counter,
    /// Connections that ended before a login.
    pub failed_handshakes: Counter,
    /// Connections refused by `limits.unauthenticated` or `limits.unauthenticatedPerSource`.
    pub refused_unauthenticated: Counter,
    /// Connections refused by `limits.connections`.
    pub refused_connections: Counter,
    /// Connections refused since no log could be begun.
    pub refused_unrecorded: Counter,
    /// Times that accepting failed, mostly for want of file descriptors.
    pub accept_failures: Counter,
    /// Connections ended by `limits.loginGraceTime`.
    pub login_timeouts: Counter,
    /// Session channels refused by a limit.
    pub refused_channels: Counter,
    /// Channel requests refused by a limit.
    pub refused_requests: Counter,
    /// Times that a full queue made a whole connection wait.
    pub queue_waits: Counter,
    /// Connections ended since their log could not be written.
    pub recording_failures: Counter,
    /// Panics caught, each of which ended a connection.
    pub panics: Counter,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
