//! SSH in, a backend out, a recorder between.

pub mod auth;
pub mod backend;
mod connection;
mod counters;
pub mod descriptors;
pub mod geoip;
pub mod hostkey;
mod notice;
pub mod russh;
mod server;
mod session;
pub mod settings;
#[cfg(test)]
mod tests;
mod wire;

pub use self::russh::NOISE;
pub use counters::{Counter, Counters};
pub use hostkey::{HostKey, HostKeyError};
pub use server::{ServeError, Server, Terms};
pub use settings::{Limits, Settings};
