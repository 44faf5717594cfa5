//! Questions asked of a log: folds over its messages, each `push(&Message)` and `finish()`.
//!
//! A view is lossy: who needs everything takes the messages themselves or their JSON.

mod escape;
pub mod summary;
pub mod text;

pub use escape::{Visible, is_visible};
pub use summary::Summary;
pub use text::Text;
