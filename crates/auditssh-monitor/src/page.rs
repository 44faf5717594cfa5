//! What is served.

use std::fmt::Debug;

/// One or more pages, made anew each time that someone asks for them.
pub trait Page: Debug + Send + Sync + 'static {
    /// What is answered to GET. It must wait for nothing.
    fn answer(&self, path: &str, accepts_json: bool) -> Answer;
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status (RFC 9110, 15).
    pub status: u16,
    /// Its media type.
    pub kind: &'static str,
    /// Its content.
    pub body: String,
}

impl Answer {
    /// Text for people.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            kind: "text/plain; charset=utf-8",
            body: body.into(),
        }
    }

    /// There is no such page.
    pub fn not_found(body: impl Into<String>) -> Self {
        Self::text(404, body)
    }
}
