use super::html::{BACKGROUND, FOREGROUND, classes, escaped, rgb};
use super::{Screen, is_blank, shown};
use crate::runs::{Did, Start, Step};
use crate::view::View;
use avt::{Cell, Line, Pen};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write};

/// The size of a character, in pixels, and where its foot is.
const WIDTH: usize = 8;
const HEIGHT: usize = 18;
const FOOT: usize = 14;
/// Pictures are at least this far apart, in nanoseconds.
const PICTURE: u64 = 40_000_000;
/// How long the last one stands before the first comes again.
const PAUSE: u64 = 1_500_000_000;
/// How large a picture may be, in bytes.
const MOST: usize = 16 << 20;

/// What a program showed in a stretch of its time, as a picture (SVG 1.1 and CSS animations) that moves
/// without a script, and loads nothing.
///
/// A row that stands there more than once is there once.
#[derive(Debug)]
pub struct Svg {
    screen: Screen,
    from: u64,
    until: u64,
    /// Since when the screen is as it is, if that is not pictured.
    changed: Option<u64>,
    rows: HashMap<String, usize>,
    pictures: Vec<Picture>,
    /// Width and height in characters, as large as any picture is.
    size: (usize, usize),
    bytes: usize,
    ended: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Picture {
    /// Nanoseconds since the stretch began.
    at: u64,
    /// Rows that are not blank, and which they are.
    rows: Vec<(usize, usize)>,
    /// Column and row.
    cursor: Option<(usize, usize)>,
}

impl Svg {
    /// Begins with a program. `from` and `until` are nanoseconds since it began; if they are the
    /// same, nothing moves.
    pub fn new(start: &Start, from: u64, until: u64) -> Self {
        Self {
            screen: Screen::new(start),
            from,
            until: until.max(from),
            changed: Some(0),
            rows: HashMap::new(),
            pictures: Vec::new(),
            size: (0, 0),
            bytes: 0,
            ended: false,
        }
    }

    /// Takes a picture of the screen, if it has changed.
    fn picture(&mut self) -> io::Result<()> {
        let Some(at) = self.changed.take() else {
            return Ok(());
        };
        let terminal = self.screen.terminal();
        let (columns, rows) = terminal.size();
        self.size = (self.size.0.max(columns), self.size.1.max(rows));
        let mut picture = Picture {
            at: at.saturating_sub(self.from),
            rows: Vec::new(),
            cursor: terminal.cursor().position(),
        };
        for (row, line) in terminal.screen().visible_lines().enumerate() {
            let drawn = drawn(line);
            if drawn.is_empty() {
                continue;
            }
            let next = self.rows.len();
            let number = *self.rows.entry(drawn).or_insert_with_key(|drawn| {
                self.bytes += drawn.len() + 32;
                next
            });
            picture.rows.push((row, number));
        }
        let same = self
            .pictures
            .last()
            .is_some_and(|last| (&last.rows, last.cursor) == (&picture.rows, picture.cursor));
        if same {
            return Ok(());
        }
        self.bytes += 160 + 40 * picture.rows.len();
        if self.bytes > MOST {
            return Err(io::Error::other(
                "the picture would be larger than 16 MiB; name a shorter stretch with --from and \
                 --until",
            ));
        }
        self.pictures.push(picture);
        Ok(())
    }

    fn write(&self, end: u64, out: &mut dyn Write) -> io::Result<()> {
        let (width, height) = (self.size.0 * WIDTH, self.size.1 * HEIGHT);
        let moves = self.pictures.len() > 1;
        let colour = |(r, g, b)| format!("#{r:02x}{g:02x}{b:02x}");
        let (front, back) = (colour(FOREGROUND), colour(BACKGROUND));
        write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" \
             xml:space=\"preserve\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
             <style>text{{font:14px monospace;fill:{front};white-space:pre}}\
             .b{{font-weight:bold}}.f{{opacity:.6}}.i{{font-style:italic}}\
             .u{{text-decoration:underline}}.s{{text-decoration:line-through}}\
             .u.s{{text-decoration:underline line-through}}.c{{fill:{front};opacity:.5}}"
        )?;
        if moves {
            self.keyframes(width, end, out)?;
        }
        writeln!(
            out,
            "</style>\n<rect width=\"100%\" height=\"100%\" fill=\"{back}\"/>\n<defs>"
        )?;
        let mut rows: Vec<(&String, &usize)> = self.rows.iter().collect();
        rows.sort_unstable_by_key(|(_, number)| **number);
        for (drawn, number) in rows {
            writeln!(out, "<g id=\"r{number}\">{drawn}</g>")?;
        }
        out.write_all(b"</defs>\n<g id=\"film\">\n")?;
        for (number, picture) in self.pictures.iter().enumerate() {
            // Side by side, so that what is not shown is beyond the edge.
            write!(
                out,
                "<svg x=\"{}\" width=\"{width}\" height=\"{height}\">",
                number * width
            )?;
            for (row, drawn) in &picture.rows {
                write!(
                    out,
                    "<use xlink:href=\"#r{drawn}\" y=\"{}\"/>",
                    row * HEIGHT
                )?;
            }
            if let Some((column, row)) = picture.cursor {
                let (x, y) = (column * WIDTH, row * HEIGHT);
                write!(
                    out,
                    "<rect class=\"c\" x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>"
                )?;
            }
            out.write_all(b"</svg>\n")?;
        }
        out.write_all(b"</g>\n</svg>\n")
    }

    /// When which picture is shown, as a part of the whole time.
    fn keyframes(&self, width: usize, end: u64, out: &mut dyn Write) -> io::Result<()> {
        let last = self.pictures.last().map_or(0, |last| last.at);
        let end = end.min(self.until).saturating_sub(self.from).max(last);
        let whole = end.saturating_add(PAUSE);
        out.write_all(b"@keyframes film{")?;
        for (number, picture) in self.pictures.iter().enumerate() {
            // Millionths: 25 pictures a second for some hours are told apart.
            let part = u128::from(picture.at) * 100_000_000 / u128::from(whole);
            let (percent, rest) = (part / 1_000_000, part % 1_000_000);
            write!(
                out,
                "{percent}.{rest:06}%{{transform:translateX(-{}px)}}",
                number * width
            )?;
        }
        let (seconds, rest) = (whole / 1_000_000_000, whole / 1_000_000 % 1000);
        write!(
            out,
            "}}#film{{animation:film {seconds}.{rest:03}s step-end infinite}}"
        )
    }
}

impl View for Svg {
    fn push(&mut self, step: &Step<'_>, out: &mut dyn Write) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        let ends = matches!(step.what, Did::End);
        if ends || step.at > self.until {
            self.picture()?;
            self.ended = true;
            return self.write(step.at, out);
        }
        if !matches!(step.what, Did::Output(_) | Did::Errors(_) | Did::Resize(_)) {
            return Ok(());
        }
        // What was before the stretch is its first picture.
        if let Some(changed) = self.changed
            && step.at > self.from
            && step.at.saturating_sub(changed.max(self.from)) >= PICTURE
        {
            self.picture()?;
        }
        self.screen.push(step);
        let at = step.at.max(self.from);
        self.changed.get_or_insert(at);
        Ok(())
    }
}

/// A row; nothing for a blank one.
fn drawn(line: &Line) -> String {
    let (mut out, mut column) = (String::new(), 0);
    let mut cells = line.cells();
    while let Some((last, rest)) = cells.split_last()
        && is_blank(last)
    {
        cells = rest;
    }
    for run in cells.chunk_by(|a, b| a.pen() == b.pen() && a.width() < 2 && b.width() == 1) {
        draw(run, column, &mut out);
        column += run.len();
    }
    out
}

/// Characters of one look, that begin in a column.
fn draw(run: &[Cell], column: usize, out: &mut String) {
    let Some(first) = run.first() else { return };
    let pen = first.pen();
    if first.width() == 0 || run.iter().all(is_blank) {
        return;
    }
    let columns: usize = run.iter().map(|cell| usize::from(cell.width())).sum();
    let (x, width) = (column * WIDTH, columns * WIDTH);
    let (mut front, mut back) = (pen.foreground().map(rgb), pen.background().map(rgb));
    if pen.is_inverse() {
        (front, back) = (
            Some(back.unwrap_or(BACKGROUND)),
            Some(front.unwrap_or(FOREGROUND)),
        );
    }
    if let Some((r, g, b)) = back {
        let _ = write!(
            out,
            "<rect x=\"{x}\" width=\"{width}\" height=\"{HEIGHT}\" fill=\"#{r:02x}{g:02x}{b:02x}\"/>"
        );
    }
    let text: String = run.iter().map(|cell| letter(cell.char())).collect();
    if text.trim().is_empty() && !pen.is_underline() && !pen.is_strikethrough() {
        return;
    }
    let _ = write!(out, "<text x=\"{x}\" y=\"{FOOT}\" textLength=\"{width}\"");
    look(pen, front, out);
    let _ = write!(out, ">{}</text>", escaped(&text));
}

fn look(pen: &Pen, front: Option<(u8, u8, u8)>, out: &mut String) {
    let classes = classes(pen);
    if !classes.is_empty() {
        let _ = write!(out, " class=\"{}\"", classes.join(" "));
    }
    if let Some((r, g, b)) = front {
        let _ = write!(out, " style=\"fill:#{r:02x}{g:02x}{b:02x}\"");
    }
}

/// A character as it may stand in XML 1.0 (2.2).
fn letter(character: char) -> char {
    match shown(character) {
        '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        character => character,
    }
}
