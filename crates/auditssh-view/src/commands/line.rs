//! The line in which the cursor stands.

use super::LONGEST;
use crate::screen::shown;
use avt::{Line, Terminal};

/// A line, over as many rows as it takes.
#[derive(Debug, Default)]
pub(super) struct Current {
    /// Up to the cursor.
    pub(super) before: String,
    /// What stands from there on.
    pub(super) after: String,
}

impl Current {
    pub(super) fn of(terminal: &Terminal) -> Self {
        let cursor = terminal.cursor();
        let rows = || terminal.screen().visible_lines();
        // The row in which it begins: the one above does not go on.
        let above = rows().take(cursor.row).enumerate();
        let first = above
            .filter(|(_, line)| !line.is_wrapped())
            .last()
            .map_or(0, |(row, _)| row + 1);
        let mut current = Self::default();
        for (row, line) in rows().enumerate().skip(first) {
            let cut = match row.cmp(&cursor.row) {
                std::cmp::Ordering::Less => line.len(),
                std::cmp::Ordering::Equal => cursor.col.min(line.len()),
                std::cmp::Ordering::Greater => 0,
            };
            add(line, 0..cut, &mut current.before);
            add(line, cut..line.len(), &mut current.after);
            if row >= cursor.row && !line.is_wrapped() {
                break;
            }
        }
        let length = current.after.trim_end().len();
        current.after.truncate(length);
        current
    }

    /// All of it, without blanks at its end.
    pub(super) fn whole(&self) -> String {
        let mut whole = [self.before.as_str(), &self.after].concat();
        whole.truncate(whole.trim_end().len());
        whole
    }

    /// Whether it ends, at the cursor, as prompts do.
    pub(super) fn is_prompt(&self) -> bool {
        let mut end = self.before.chars().rev();
        self.after.is_empty()
            && end.next() == Some(' ')
            && end
                .next()
                .is_some_and(|sign| matches!(sign, '$' | '#' | '%' | '>' | '❯' | '➜' | 'λ'))
    }
}

/// Appends the characters of some cells, as they may be shown.
fn add(line: &Line, cells: std::ops::Range<usize>, to: &mut String) {
    // A prompt may be as long as a command.
    let cells = line.cells().get(cells).unwrap_or_default();
    for cell in cells.iter().filter(|cell| cell.width() > 0) {
        if to.len() > 2 * LONGEST {
            return;
        }
        to.push(shown(cell.char()));
    }
}
