//! The terminal of a program, as it stood on the screen.
//!
//! The emulation is asciinema's. Nothing that a program writes gets beyond the cells of the screen.

mod html;
mod page;
mod plain;
mod svg;
#[cfg(test)]
mod tests;

use crate::is_visible;
use crate::runs::{Did, Start, Step};
use crate::utf8::{Lines, Utf8};
use avt::{Cell, Observer, Terminal};
pub use html::Html;
pub use plain::Plain;
pub use svg::Svg;

/// A screen and what is written to it.
pub struct Screen {
    terminal: Terminal,
    /// Mends line ends, if the program has no terminal.
    lines: Option<Lines>,
    output: Utf8,
    errors: Utf8,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = self.terminal.size();
        f.debug_struct("Screen")
            .field("size", &size)
            .finish_non_exhaustive()
    }
}

impl Screen {
    /// The empty screen of a program that begins.
    pub fn new(start: &Start) -> Self {
        let size = start.size();
        // Neither is 0; if it were, there would be one character.
        let terminal = Terminal::new(size.columns.into(), size.rows.into());
        Self {
            terminal: terminal.unwrap_or_else(|_| single()),
            lines: start.has_bare_lines().then(Lines::default),
            output: Utf8::default(),
            errors: Utf8::default(),
        }
    }

    /// Shows what a step writes.
    pub fn push(&mut self, step: &Step<'_>) {
        self.push_with(step, ());
    }

    /// The terminal.
    pub const fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    /// Shows what a step writes; an observer of the terminal sees it happen.
    pub fn push_with<O: Observer<Output = ()>>(&mut self, step: &Step<'_>, observer: O) {
        let mut text = String::new();
        match step.what {
            Did::Output(data) => self.output.push(data, &mut text),
            Did::Errors(data) => self.errors.push(data, &mut text),
            Did::Resize(size) => {
                let (columns, rows) = (size.columns.into(), size.rows.into());
                self.terminal.resize_with(columns, rows, observer);
                return;
            }
            Did::End => {
                self.output.finish(&mut text);
                self.errors.finish(&mut text);
            }
            Did::Begin(_) | Did::Input(_) | Did::Exit(_) => {}
        }
        match &mut self.lines {
            Some(lines) => self.terminal.feed_with(lines.push(&text), observer),
            None => self.terminal.feed_with(text, observer),
        }
    }
}

/// A terminal of one character.
#[expect(clippy::expect_used, reason = "one is not zero")]
fn single() -> Terminal {
    Terminal::new(1, 1).expect("a terminal of one character")
}

/// Whether a cell cannot be seen.
fn is_blank(cell: &Cell) -> bool {
    let pen = cell.pen();
    cell.char() == ' '
        && cell.width() == 1
        && pen.background().is_none()
        && !pen.is_inverse()
        && !pen.is_underline()
        && !pen.is_strikethrough()
}

/// A character of a cell, as it may be shown: one that hides or turns others is replaced.
pub fn shown(character: char) -> char {
    if is_visible(character) && character != '\t' {
        character
    } else {
        char::REPLACEMENT_CHARACTER
    }
}
