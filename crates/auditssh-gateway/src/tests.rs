//! The gateway as a client meets it, before a backend in memory.

mod client;
mod flow;
mod limits;
mod login;
mod memory;
mod program;
mod record;
mod security;
mod server;
mod service;
