use super::page::{Page, Paint, write_blanks};
use super::{is_blank, shown};
use crate::Visible;
use crate::runs::{Start, Step};
use crate::view::View;
use avt::{Color, Line, Pen};
use jiff::Timestamp;
use std::fmt::Write as _;
use std::io::{self, Write};

/// What stood on the screen of a program, as a page with colours. It has no script, and loads nothing.
#[derive(Debug)]
pub struct Html(Page<Spans>);

impl Html {
    /// Begins the page of a program.
    pub fn new(start: &Start, out: &mut dyn Write) -> io::Result<Self> {
        Page::new(start, Spans::default(), out).map(Self)
    }

    /// The same of what stands on the screen so many nanoseconds after the program began.
    #[must_use]
    pub fn at(self, moment: u64) -> Self {
        Self(self.0.at(moment))
    }
}

impl View for Html {
    fn push(&mut self, step: &Step<'_>, out: &mut dyn Write) -> io::Result<()> {
        self.0.push(step, out)
    }
}

const STYLE: &str = "\
body{margin:0;background:#1c1c1c;color:#d0d0d0}\
h1{margin:0;padding:.7em 1em;font:14px sans-serif;background:#303030;overflow-wrap:anywhere}\
pre{margin:0;padding:1em;font:14px/1.25 monospace;overflow-x:auto}\
.b{font-weight:bold}.f{opacity:.6}.i{font-style:italic}.u{text-decoration:underline}\
.s{text-decoration:line-through}.u.s{text-decoration:underline line-through}";

/// The colours of the page, where those of the text are swapped.
pub(super) const FOREGROUND: (u8, u8, u8) = (0xd0, 0xd0, 0xd0);
pub(super) const BACKGROUND: (u8, u8, u8) = (0x1c, 0x1c, 0x1c);

/// Blanks at the end of a line that goes on are written if anything follows them.
#[derive(Debug, Default)]
struct Spans {
    blanks: usize,
}

impl Paint for Spans {
    fn begin(&mut self, start: &Start, out: &mut dyn Write) -> io::Result<()> {
        let what = start.command().map_or_else(
            || "shell".to_owned(),
            |command| Visible(command.as_bytes()).to_string(),
        );
        let time = Timestamp::from_nanosecond(start.time.into());
        let time = time.map_or_else(|_| String::new(), |time| format!("{time:.0}  "));
        let title = escaped(&format!("{time}{what}"));
        write!(
            out,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" \
             content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>{title}</title>\n<style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n<pre>"
        )
    }

    fn line(&mut self, line: &Line, out: &mut dyn Write) -> io::Result<()> {
        let mut cells = line.cells();
        while let Some((last, rest)) = cells.split_last()
            && is_blank(last)
        {
            cells = rest;
        }
        if !cells.is_empty() {
            write_blanks(std::mem::take(&mut self.blanks), out)?;
        }
        self.blanks = self.blanks.saturating_add(line.len() - cells.len());
        if !line.is_wrapped() {
            self.blanks = 0;
        }
        let mut text = String::new();
        for run in cells.chunk_by(|a, b| a.pen() == b.pen()) {
            let characters = run.iter().filter(|cell| cell.width() > 0);
            let characters: String = characters.map(|cell| shown(cell.char())).collect();
            match run.first().map(avt::Cell::pen) {
                Some(pen) if !pen.is_default() => span(pen, &escaped(&characters), &mut text),
                _ => text.push_str(&escaped(&characters)),
            }
        }
        out.write_all(text.as_bytes())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"</pre></body></html>\n")
    }
}

/// The classes of a style sheet that a pen stands for.
pub(super) fn classes(pen: &Pen) -> Vec<&'static str> {
    let classes = [
        (pen.is_bold(), "b"),
        (pen.is_faint(), "f"),
        (pen.is_italic(), "i"),
        (pen.is_underline(), "u"),
        (pen.is_strikethrough(), "s"),
    ];
    let classes = classes.iter().filter(|(is, _)| *is).map(|(_, name)| *name);
    classes.collect()
}

fn span(pen: &Pen, text: &str, out: &mut String) {
    let classes = classes(pen);
    let mut colours = (pen.foreground().map(rgb), pen.background().map(rgb));
    if pen.is_inverse() {
        colours = (
            Some(colours.1.unwrap_or(BACKGROUND)),
            Some(colours.0.unwrap_or(FOREGROUND)),
        );
    }
    out.push_str("<span");
    if !classes.is_empty() {
        let _ = write!(out, " class=\"{}\"", classes.join(" "));
    }
    if colours != (None, None) {
        out.push_str(" style=\"");
        for (name, colour) in [("color", colours.0), ("background", colours.1)] {
            if let Some((r, g, b)) = colour {
                let _ = write!(out, "{name}:#{r:02x}{g:02x}{b:02x};");
            }
        }
        out.push('"');
    }
    let _ = write!(out, ">{text}</span>");
}

/// The colour of a number, as xterm has it.
pub(super) fn rgb(colour: Color) -> (u8, u8, u8) {
    const FIRST: [(u8, u8, u8); 16] = [
        (0x00, 0x00, 0x00),
        (0xcd, 0x31, 0x31),
        (0x0d, 0xbc, 0x79),
        (0xe5, 0xe5, 0x10),
        (0x24, 0x72, 0xc8),
        (0xbc, 0x3f, 0xbc),
        (0x11, 0xa8, 0xcd),
        (0xe5, 0xe5, 0xe5),
        (0x66, 0x66, 0x66),
        (0xf1, 0x4c, 0x4c),
        (0x23, 0xd1, 0x8b),
        (0xf5, 0xf5, 0x43),
        (0x3b, 0x8e, 0xea),
        (0xd6, 0x70, 0xd6),
        (0x29, 0xb8, 0xdb),
        (0xff, 0xff, 0xff),
    ];
    let number = match colour {
        Color::RGB(rgb) => return (rgb.r, rgb.g, rgb.b),
        Color::Indexed(number) => number,
    };
    let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    match number {
        0..16 => FIRST.get(usize::from(number)).copied().unwrap_or_default(),
        16..232 => {
            let cube = number - 16;
            (level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        grey => {
            let grey = 8 + 10 * (grey - 232);
            (grey, grey, grey)
        }
    }
}

pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
