//! Questions asked of a log: folds over its messages, each `push(&Message)` and `finish()`.
//!
//! A view is lossy: who needs everything takes the messages themselves or their JSON.

pub mod cast;
mod escape;
pub mod files;
mod json;
pub mod runs;
pub mod screen;
pub mod show;
pub mod summary;
pub mod survey;
pub mod text;
mod utf8;
mod view;

pub use escape::{Visible, is_visible};
pub use json::visible_json;
pub use summary::Summary;
pub use text::Text;
pub use view::View;
