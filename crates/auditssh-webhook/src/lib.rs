//! Asks webhooks who may log in, in the words that ContainerSSH has for it: a request of HTTP with
//! a little JSON, and an answer with some more.
//!
//! - [`Webhooks`] is the gateway's [`Service`](auditssh_gateway::auth::Service): which webhook is
//!   asked what.
//! - [`ConfigServer`] is asked what a connection is served by.
//! - [`oauth2`] has users prove themselves on a web page.
//! - `message` writes requests and reads answers, and does no more.
//! - `client` is one request of HTTP, on a connection of its own; `retry` makes more of one.
//! - [`tls`] is what the connection is trusted by.
//!
//! Whatever goes wrong, nobody is let in. Passwords are wiped from the memory of this crate and
//! stand in no error; of answers no error repeats more than the name of a key.

mod client;
mod configserver;
mod failure;
mod message;
pub mod oauth2;
mod retry;
pub mod tls;
mod url;
mod webhooks;

pub use client::ANSWER_BYTES;
pub use configserver::{ConfigServer, Configured};
pub use url::{Url, UrlError};
pub use webhooks::{CALLS, Webhook, Webhooks};
