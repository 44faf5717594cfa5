use crate::runs::Step;
use std::io::{self, Write};

/// A program in a form of its own: what each step of it adds is written at once.
pub trait View {
    /// Writes what a step adds. The step after which nothing follows is [`Did::End`].
    ///
    /// [`Did::End`]: crate::runs::Did::End
    fn push(&mut self, step: &Step<'_>, out: &mut dyn Write) -> io::Result<()>;
}
