//! SSH in, a backend out, a recorder between.

pub mod auth;
pub mod backend;
pub mod settings;

pub use settings::{Limits, Settings};
