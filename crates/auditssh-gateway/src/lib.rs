//! SSH in, a backend out, a recorder between.

pub mod auth;
pub mod backend;
pub mod choice;
mod connection;
mod counters;
pub mod descriptors;
pub mod geoip;
pub mod hostkey;
mod mark;
mod notice;
pub mod russh;
pub mod security;
mod server;
mod session;
pub mod settings;
#[cfg(test)]
mod tests;
mod waiting;
mod wire;

pub use self::russh::NOISE;
pub use self::russh::{Algorithms, NoHostKey, Unsupported};
pub use counters::{Attempts, Counter, Counters, Method, Origin, Origins};
pub use counters::{BackendCounters, PlaceCounters, RequestCounters};
pub use hostkey::{HostKey, HostKeyError};
pub use mark::connection as connection_of_task;
pub use server::{Balancers, ServeError, Server, Terms};
pub use settings::{Limits, Settings};
pub use waiting::Waiting;
