//! What happened how often, for whoever watches the server.

mod behind;

pub use behind::{BackendCounters, PlaceCounters, RequestCounters};

use crate::geoip::UNKNOWN;
use crate::waiting::Waiting;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted from the network.
    pub connections: Counter,
    /// What became of those that were let in.
    pub origins: Origins,
    /// Questions put to the service that is asked who may log in.
    pub service_questions: Counter,
    /// Of these, those that it gave no answer to.
    pub service_failures: Counter,
    /// Questions what a connection is served by.
    pub config_questions: Counter,
    /// Of these, those that got no answer that could be taken.
    pub config_failures: Counter,
    /// `none` requests, by which clients ask what methods there are.
    pub none_probes: Counter,
    /// Connections refused by `limits.unauthenticated` or `limits.unauthenticatedPerSource`.
    pub refused_unauthenticated: Counter,
    /// Connections refused by `limits.connections`.
    pub refused_connections: Counter,
    /// Connections of balancers refused since they did not tell whose they are.
    pub refused_unintroduced: Counter,
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
    /// Bytes from clients that wait for programs now.
    pub waiting: Arc<Waiting>,
    /// Times that a full queue made a whole connection wait.
    pub queue_waits: Counter,
    /// Connections ended since their log could not be written.
    pub recording_failures: Counter,
    /// Panics caught, each of which ended a connection.
    pub panics: Counter,
}

/// What became of connections, by the country of their address.
#[derive(Debug, Default)]
pub struct Origins(Mutex<BTreeMap<[u8; 2], Arc<Origin>>>);

/// What became of the connections from one country.
#[derive(Debug, Default)]
pub struct Origin {
    /// Connections that were let in: each has a log.
    pub served: Counter,
    /// Those of them that have ended.
    pub ended: Counter,
    /// Those of them that ended before a login.
    pub failed_handshakes: Counter,
    /// What was offered to prove who someone is, in the order of [`Method::ALL`].
    pub attempts: [Attempts; Method::ALL.len()],
}

/// What became of attempts to log in by one method.
#[derive(Debug, Default)]
pub struct Attempts {
    /// Logins.
    pub accepted: Counter,
    /// What proved nothing.
    pub refused: Counter,
    /// What could not be checked.
    pub failed: Counter,
}

/// How someone proves who they are (RFC 4252, RFC 4256).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `password`.
    Password,
    /// `publickey`, certificates among them.
    PublicKey,
    /// `keyboard-interactive`.
    KeyboardInteractive,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counters {
    /// Logins that succeeded.
    pub fn logins(&self) -> u64 {
        self.origins.sum_of_attempts(|one| one.accepted.value())
    }

    /// Passwords, keys and answers that were refused, or could not be checked.
    pub fn auth_failures(&self) -> u64 {
        let not_accepted = |one: &Attempts| one.refused.value() + one.failed.value();
        self.origins.sum_of_attempts(not_accepted)
    }

    /// Connections that were let in and have ended.
    pub fn ended(&self) -> u64 {
        self.origins.sum(|origin| origin.ended.value())
    }

    /// Connections that ended before a login.
    pub fn failed_handshakes(&self) -> u64 {
        self.origins.sum(|origin| origin.failed_handshakes.value())
    }
}

impl Origins {
    /// The counts of a country, given by two capital letters. There are 676 such at most; whatever
    /// else a database says counts as unknown.
    pub(crate) fn of(&self, country: &str) -> Arc<Origin> {
        let code = letters(country).or_else(|| letters(UNKNOWN));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(code.unwrap_or_default()).or_default())
    }

    /// All countries that connections came from, with their counts.
    pub fn all(&self) -> Vec<(String, Arc<Origin>)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = |code: &[u8; 2]| String::from_utf8_lossy(code).into_owned();
        let named = all
            .iter()
            .map(|(code, origin)| (text(code), Arc::clone(origin)));
        named.collect()
    }

    fn sum(&self, of: impl Fn(&Origin) -> u64) -> u64 {
        self.all().iter().map(|(_, origin)| of(origin)).sum()
    }

    fn sum_of_attempts(&self, of: impl Fn(&Attempts) -> u64) -> u64 {
        self.sum(|origin| origin.attempts.iter().map(&of).sum())
    }
}

impl Origin {
    pub(crate) fn by(&self, method: Method) -> &Attempts {
        let [password, public_key, keyboard_interactive] = &self.attempts;
        match method {
            Method::Password => password,
            Method::PublicKey => public_key,
            Method::KeyboardInteractive => keyboard_interactive,
        }
    }
}

impl Method {
    /// All of them, in the order of [`Origin::attempts`].
    pub const ALL: [Self; 3] = [Self::Password, Self::PublicKey, Self::KeyboardInteractive];

    /// As SSH calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::PublicKey => "publickey",
            Self::KeyboardInteractive => "keyboard-interactive",
        }
    }
}

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

fn letters(country: &str) -> Option<[u8; 2]> {
    let code: [u8; 2] = country.as_bytes().try_into().ok()?;
    code.iter().all(u8::is_ascii_uppercase).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_has_its_counts_and_what_is_none_is_unknown() {
        let counters = Counters::default();
        for country in ["AT", "AT", "XX", "at", "", "AUT", "Ä", "1A"] {
            counters.origins.of(country).served.add();
        }
        let all = counters.origins.all();
        let served: Vec<_> = all
            .iter()
            .map(|(code, origin)| (code.as_str(), origin.served.value()))
            .collect();
        assert_eq!(served, [("AT", 2), ("XX", 6)]);
    }

    #[test]
    fn totals_are_over_all_countries_and_methods() {
        let counters = Counters::default();
        for (country, method) in ["AT", "DE", "XX"].into_iter().zip(Method::ALL) {
            let origin = counters.origins.of(country);
            origin.by(method).accepted.add();
            origin.by(method).refused.add();
            origin.by(method).failed.add();
            origin.failed_handshakes.add();
        }
        assert_eq!(counters.logins(), 3);
        assert_eq!(counters.auth_failures(), 6);
        assert_eq!(counters.failed_handshakes(), 3);
        for (country, method) in ["AT", "DE", "XX"].into_iter().zip(Method::ALL) {
            let (origin, place) = (counters.origins.of(country), method as usize);
            assert_eq!(origin.attempts[place].accepted.value(), 1, "{method:?}");
        }
    }
}
