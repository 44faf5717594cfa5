//! Programs in containers of a Docker engine.
//!
//! Each connection has a container in which its sessions' programs are executed, or each session has
//! one of its own whose main process the program is. Containers are removed when what they were made
//! for ends; those of a gateway that was killed are found by their labels when it is started again.
//!
//! Requests are made by the crate `bollard`, on connections of ours, each for one request: what an
//! answer may take is bounded, and nothing is kept that could have gone stale. The streams of programs
//! are read here, since their memory is bounded only if frames are cut up.

mod backend;
mod container;
mod engine;
mod files;
mod frames;
mod image;
mod launch;
mod leftover;
mod process;
mod session;
mod settings;

pub use backend::Docker;
pub use engine::{Address, AddressError};
pub use launch::{Launch, LaunchError, Platform};
pub use settings::{Credentials, Mode, Pull, Settings, Timeouts};
