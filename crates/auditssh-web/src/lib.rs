//! A viewer for recordings in the browser: read-only, over the directory in which they are written.
//!
//! Everything that is served stands in one table ([`routes`]), each entry with the door that leads to
//! it; the router is built of that table, and so are the tests that try every door. What a recording
//! shows is told by `auditssh-view`; here it is asked for, allowed, written down and sent.
//!
//! Files are read on threads of their own, in pieces: a log is never held as a whole.

mod access;
mod answer;
mod api;
mod app;
mod catalog;
mod door;
mod gathered;
mod hosts;
mod limiter;
mod log;
mod login;
mod oidc;
mod pages;
mod password;
mod peer;
mod routes;
mod rules;
mod server;
mod sessions;
mod settings;
mod stall;
mod store;
mod stream;
#[cfg(test)]
mod tests;
mod users;
mod who;

pub use access::{AccessError, Settings as AccessSettings};
pub use gathered::Kept;
pub use oidc::{Asked, Oidc, Person, Provider};
pub use pages::are_built;
pub use password::{HashError, Password};
pub use rules::{Pattern, PatternError, Rule};
pub use server::{ListenError, Server, StartError};
pub use settings::{Lifetime, Settings, Url, UrlError};
pub use users::{Role, User, Users};
pub use who::Renewal;
