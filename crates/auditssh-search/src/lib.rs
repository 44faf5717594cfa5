//! Finds connections, and what was shown in them, among many logs.
//!
//! A [`Place`] is where logs are. Beside each there may be an [`index`]: the facts of its connection
//! and every line that can be searched. It is made from the log alone, and never needed: one that is
//! missing, stale or damaged is not believed, and the log is read instead. [`search`](search()) finds
//! lines, a [`Catalog`] lists connections.

pub mod catalog;
mod directory;
pub mod filter;
pub mod index;
mod network;
pub mod pattern;
pub mod place;
pub mod search;
#[cfg(test)]
mod testing;

pub use catalog::Catalog;
pub use directory::Directory;
pub use filter::Filter;
pub use index::Index;
pub use network::Network;
pub use pattern::Pattern;
pub use place::{Listed, Place};
pub use search::{Hit, Query, search};

/// What is known of a connection; see [`auditssh_view::survey`].
pub use auditssh_view::survey::{Facts, Kind, Program};
