//! A screen drawn on another terminal.

use auditssh_view::screen::{Screen, shown};
use avt::{Cell, Color, Line, Pen};
use std::fmt::Write as _;

/// What the terminal shows.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// Its columns and rows; the last row is for the status.
    size: (usize, usize),
    rows: Vec<String>,
}

impl Frame {
    /// What to write so that the terminal shows this screen and this status.
    pub(super) fn draw(&mut self, screen: &Screen, status: &str, size: (usize, usize)) -> String {
        let mut out = String::new();
        if self.size != size {
            self.size = size;
            self.rows = vec![String::new(); size.1];
            out.push_str("\x1b[0m\x1b[2J");
        }
        let (columns, height) = (size.0, size.1.saturating_sub(1));
        let terminal = screen.terminal();
        let cursor = terminal.cursor();
        // Of a higher screen that part is shown in which the cursor is.
        let first = (cursor.row + 1).saturating_sub(height);
        let mut lines = terminal.screen().visible_lines().skip(first);
        out.push_str("\x1b[?25l");
        for (index, shown) in self.rows.iter_mut().enumerate() {
            let row = if index < height {
                lines
                    .next()
                    .map_or_else(String::new, |line| row(line, columns))
            } else {
                status.to_owned()
            };
            if *shown != row {
                let _ = write!(out, "\x1b[{};1H{row}\x1b[0m\x1b[K", index + 1);
                *shown = row;
            }
        }
        let place = (cursor.row.saturating_sub(first), cursor.col);
        if cursor.visible && place.0 < height && place.1 < columns {
            let _ = write!(out, "\x1b[{};{}H\x1b[?25h", place.0 + 1, place.1 + 1);
        }
        out
    }
}

/// A line in colour. It holds nothing but characters and the sequences for colours.
fn row(line: &Line, columns: usize) -> String {
    let mut row = String::new();
    let mut pen = Pen::default();
    let mut cells = line.cells().get(..columns).unwrap_or(line.cells());
    while let Some((last, rest)) = cells.split_last()
        && is_blank(last)
    {
        cells = rest;
    }
    let room = cells.len();
    for (column, cell) in cells.iter().enumerate() {
        if cell.width() == 0 {
            continue;
        }
        if *cell.pen() != pen {
            pen = *cell.pen();
            row.push_str(&colours(&pen));
        }
        // Half of a wide character cannot be shown.
        let fits = column + usize::from(cell.width()) <= room;
        row.push(if fits { shown(cell.char()) } else { ' ' });
    }
    row
}

fn is_blank(cell: &Cell) -> bool {
    cell.char() == ' ' && cell.width() == 1 && cell.pen().is_default()
}

/// The sequence for a pen.
fn colours(pen: &Pen) -> String {
    let mut sequence = String::from("\x1b[0");
    for (is, number) in [
        (pen.is_bold(), "1"),
        (pen.is_faint(), "2"),
        (pen.is_italic(), "3"),
        (pen.is_underline(), "4"),
        (pen.is_blink(), "5"),
        (pen.is_inverse(), "7"),
        (pen.is_strikethrough(), "9"),
    ] {
        if is {
            sequence.push(';');
            sequence.push_str(number);
        }
    }
    for (colour, number) in [(pen.foreground(), 38), (pen.background(), 48)] {
        let _ = match colour {
            Some(Color::Indexed(index)) => write!(sequence, ";{number};5;{index}"),
            Some(Color::RGB(rgb)) => {
                write!(sequence, ";{number};2;{};{};{}", rgb.r, rgb.g, rgb.b)
            }
            None => Ok(()),
        };
    }
    sequence.push('m');
    sequence
}
