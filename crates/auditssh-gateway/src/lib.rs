//! SSH in, a backend out, a recorder between.

pub mod auth;
pub mod backend;
pub mod hostkey;
pub mod russh;
pub mod settings;

pub use hostkey::{HostKey, HostKeyError};
pub use settings::{Limits, Settings};
