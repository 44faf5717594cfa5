//! The server seen from outside: metrics and health over HTTP.
//!
//! Nothing is counted here: a [`Metrics`] page is made of what the other parts of the server have
//! counted, each time that it is asked for. The HTTP [`Server`] serves a handful of short pages to
//! a few clients, and is bounded in everything that one of them could make grow.

mod health;
mod http;
mod metrics;
mod page;
mod server;
mod tls;

pub use health::{Health, NotReady};
pub use metrics::{Counts, Metrics};
pub use page::{Answer, Page};
pub use server::{ListenError, Renewal, Server};
pub use tls::{Tls, TlsError, TlsSettings, TlsVersion};
