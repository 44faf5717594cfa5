//! Whether the server can do its work.

use crate::page::{Answer, Page};
use auditssh_archive::{Archive, Refusal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asked for whether the process answers at all; any other path asks for whether it is ready.
const LIVE: &str = "/live";

/// Knows whether connections are let in.
#[derive(Debug)]
pub struct Health {
    archive: Archive,
    draining: AtomicBool,
}

/// Why connections are not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The server ends.
    #[error("the server is shutting down")]
    Draining,
    /// They could not be recorded.
    #[error("{0}")]
    Unrecorded(Refusal),
}

impl Health {
    /// Of a server that keeps its logs in an archive.
    pub fn new(archive: Archive) -> Arc<Self> {
        Arc::new(Self {
            archive,
            draining: AtomicBool::new(false),
        })
    }

    /// From now on the server ends: it lets nobody in.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether connections are let in.
    pub fn ready(&self) -> Result<(), NotReady> {
        if self.draining.load(Ordering::Acquire) {
            return Err(NotReady::Draining);
        }
        match self.archive.status().and_then(|status| status.refusal) {
            Some(refusal) => Err(NotReady::Unrecorded(refusal)),
            None => Ok(()),
        }
    }
}

impl Page for Health {
    /// `ok` and 200, or `not ok`, the reason and 503; on request as a JSON text.
    fn answer(&self, path: &str, accepts_json: bool) -> Answer {
        let asked = if path == LIVE { Ok(()) } else { self.ready() };
        let (status, text) = match asked {
            Ok(()) => (200, "ok".to_owned()),
            Err(reason) => (503, format!("not ok: {reason}")),
        };
        if accepts_json {
            return Answer {
                status,
                kind: "application/json",
                body: json(&text),
            };
        }
        Answer::text(status, text)
    }
}

/// A JSON text (RFC 8259, 7).
fn json(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => json.extend(['\\', letter]),
            letter if letter.is_control() => json.push(' '),
            letter => json.push(letter),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_ends_lives_but_is_not_ready() {
        let health = Health::new(Archive::none());
        for path in ["/live", "/ready", "/", "/whatever"] {
            let answer = health.answer(path, false);
            assert_eq!((answer.status, answer.body.as_str()), (200, "ok"), "{path}");
        }
        health.drain();
        assert_eq!(health.ready(), Err(NotReady::Draining));
        let answer = health.answer("/ready", false);
        assert_eq!(answer.status, 503);
        assert_eq!(answer.body, "not ok: the server is shutting down");
        assert_eq!(health.answer("/live", false).status, 200);
        let answer = health.answer("/", true);
        assert_eq!(answer.kind, "application/json");
        assert_eq!(answer.body, "\"not ok: the server is shutting down\"");
    }

    #[test]
    fn json_is_json() {
        assert_eq!(json("a \"b\" \\ \n\u{7f}ä"), "\"a \\\"b\\\" \\\\   ä\"");
    }
}
