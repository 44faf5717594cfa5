//! Who is logged in, for how long.

use crate::settings::Lifetime;
use crate::users::Viewer;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Most sessions of one viewer: who logs in once more ends their own oldest.
const MOST_OF_ONE: usize = 16;

/// What a browser shows: 256 random bits in hexadecimal digits.
pub(crate) type Token = zeroize::Zeroizing<String>;

/// The hash of a token. Looking it up tells nothing of the token.
type Key = [u8; 32];

/// Everyone who is logged in. Lost with the process, as it should be.
#[derive(Debug)]
pub(crate) struct Sessions {
    lifetime: Lifetime,
    open: Mutex<HashMap<Key, Open>>,
}

#[derive(Debug)]
struct Open {
    session: Session,
    begun: Instant,
    seen: Instant,
}

/// A session as a request sees it.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) viewer: Arc<Viewer>,
    /// Cancelled when the session ends, with everything that is sent for it.
    pub(crate) end: CancellationToken,
}

impl Sessions {
    pub(crate) fn new(lifetime: Lifetime) -> Self {
        Self {
            lifetime,
            open: Mutex::default(),
        }
    }

    /// Begins a session. If there are too many, the one that was idle longest ends.
    pub(crate) fn begin(&self, viewer: Viewer, now: Instant) -> Token {
        let random: zeroize::Zeroizing<[u8; 32]> = zeroize::Zeroizing::new(rand::random());
        let token = zeroize::Zeroizing::new(auditssh_view::files::hex(random.as_slice()));
        let session = Session {
            viewer: Arc::new(viewer),
            end: CancellationToken::new(),
        };
        let mut open = self.lock();
        self.end_old(&mut open, now);
        let user = session.viewer.user.clone();
        let own = |one: &Open| one.session.viewer.user == user;
        if open.values().filter(|one| own(one)).count() >= MOST_OF_ONE {
            end_idlest(&mut open, own);
        }
        if open.len() >= self.lifetime.sessions {
            end_idlest(&mut open, |_| true);
        }
        open.insert(
            key(&token),
            Open {
                session,
                begun: now,
                seen: now,
            },
        );
        token
    }

    /// The session of a token, if it has not ended.
    pub(crate) fn find(&self, token: &str, now: Instant) -> Option<Session> {
        let mut open = self.lock();
        self.end_old(&mut open, now);
        let found = open.get_mut(&key(token))?;
        found.seen = now;
        Some(found.session.clone())
    }

    /// Ends the session of a token.
    pub(crate) fn end(&self, token: &str) {
        if let Some(ended) = self.lock().remove(&key(token)) {
            ended.session.end.cancel();
        }
    }

    /// Ends all sessions.
    pub(crate) fn end_all(&self) {
        for (_, ended) in self.lock().drain() {
            ended.session.end.cancel();
        }
    }

    /// Ends the sessions of everyone who is not one of these.
    pub(crate) fn end_others(&self, keeps: impl Fn(&Viewer) -> bool) {
        self.lock().retain(|_, one| {
            let stays = keeps(&one.session.viewer);
            if !stays {
                one.session.end.cancel();
            }
            stays
        });
    }

    /// Ends sessions whose time is over.
    pub(crate) fn sweep(&self, now: Instant) {
        self.end_old(&mut self.lock(), now);
    }

    fn end_old(&self, open: &mut HashMap<Key, Open>, now: Instant) {
        open.retain(|_, one| {
            let idle = now.saturating_duration_since(one.seen);
            let age = now.saturating_duration_since(one.begun);
            let lives = idle < self.lifetime.idle && age < self.lifetime.most;
            if !lives {
                one.session.end.cancel();
            }
            lives
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(token: &str) -> Key {
    Sha256::digest(token.as_bytes()).into()
}

fn end_idlest(open: &mut HashMap<Key, Open>, among: impl Fn(&Open) -> bool) {
    let candidates = open.iter().filter(|(_, one)| among(one));
    let idlest = candidates.min_by_key(|(_, one)| one.seen);
    if let Some(key) = idlest.map(|(key, _)| *key)
        && let Some(ended) = open.remove(&key)
    {
        ended.session.end.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::Role;
    use std::time::Duration;

    fn viewer(user: &str) -> Viewer {
        Viewer {
            user: user.into(),
            role: Role::Auditor,
            groups: Vec::new(),
            elsewhere: false,
        }
    }

    fn sessions() -> Sessions {
        Sessions::new(Lifetime {
            idle: Duration::from_mins(10),
            most: Duration::from_hours(1),
            sessions: 20,
        })
    }

    #[test]
    fn a_session_ends_when_it_is_idle_or_old() {
        let (sessions, start) = (sessions(), Instant::now());
        let at = |minutes| start + Duration::from_mins(minutes);
        let token = sessions.begin(viewer("a"), start);
        assert_eq!(token.len(), 64);
        let session = sessions.find(&token, at(9)).unwrap();
        assert!(sessions.find(&token, at(19)).is_none());
        assert!(session.end.is_cancelled());
        let token = sessions.begin(viewer("a"), start);
        for minute in (5..60).step_by(5) {
            assert!(sessions.find(&token, at(minute)).is_some(), "{minute}");
        }
        assert!(sessions.find(&token, at(60)).is_none());
    }

    #[test]
    fn a_session_ends_by_logging_out() {
        let (sessions, now) = (sessions(), Instant::now());
        let token = sessions.begin(viewer("a"), now);
        let other = sessions.begin(viewer("a"), now);
        let session = sessions.find(&token, now).unwrap();
        sessions.end(&token);
        assert!(session.end.is_cancelled());
        assert!(sessions.find(&token, now).is_none());
        assert!(sessions.find(&other, now).is_some());
        assert!(sessions.find("", now).is_none());
    }

    #[test]
    fn there_are_never_too_many() {
        let (sessions, start) = (sessions(), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        let first = sessions.begin(viewer("a"), start);
        let tokens: Vec<Token> = (1..=16)
            .map(|s| sessions.begin(viewer("a"), at(s)))
            .collect();
        assert!(sessions.find(&first, at(17)).is_none());
        assert!(sessions.find(&tokens[0], at(17)).is_some());
        for second in 20..40 {
            sessions.begin(viewer(&second.to_string()), at(second));
        }
        assert_eq!(sessions.lock().len(), 20);
    }
}
