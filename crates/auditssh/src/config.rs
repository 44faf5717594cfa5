//! The configuration: a YAML file, read into [`raw`] structs that hold what is written, then
//! checked, once, into what the parts of the server are told.

mod at;
mod bounds;
mod check;
mod containerssh;
mod duration;
mod error;
mod ignored;
mod one_or_many;
mod outline;
mod passed;
pub(crate) mod raw;
mod read;
pub(crate) mod schema;
mod secret;
mod size;

pub(crate) use check::{
    Audit, Backend, Base, Config, Directory, Durability, HostKeys, Http, Loaded, Monitor,
    PerConnection, Ssh, ViewOidc, Web, significant,
};
pub(crate) use duration::Span;
pub(crate) use error::nearest;
pub(crate) use one_or_many::Address;
pub(crate) use size::Size;
