use super::page::{Page, Paint, write_blanks};
use super::shown;
use crate::runs::{Start, Step};
use crate::view::View;
use avt::Line;
use std::io::{self, Write};

/// What stood on the screen of a program, as plain text.
#[derive(Debug)]
pub struct Plain(Page<Text>);

impl Plain {
    /// Begins the text of a program.
    pub fn new(start: &Start, out: &mut dyn Write) -> io::Result<Self> {
        Page::new(start, Text::default(), out).map(Self)
    }

    /// The same of what stands on the screen so many nanoseconds after the program began.
    #[must_use]
    pub fn at(self, moment: u64) -> Self {
        Self(self.0.at(moment))
    }
}

impl View for Plain {
    fn push(&mut self, step: &Step<'_>, out: &mut dyn Write) -> io::Result<()> {
        self.0.push(step, out)
    }
}

/// Blanks at the end of a line that goes on are written if anything follows them.
#[derive(Debug, Default)]
struct Text {
    blanks: usize,
}

impl Paint for Text {
    fn begin(&mut self, _: &Start, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn line(&mut self, line: &Line, out: &mut dyn Write) -> io::Result<()> {
        let text: String = line.chars().map(shown).collect();
        let trimmed = text.trim_end_matches(' ');
        if !trimmed.is_empty() {
            write_blanks(std::mem::take(&mut self.blanks), out)?;
            out.write_all(trimmed.as_bytes())?;
        }
        self.blanks = self.blanks.saturating_add(text.len() - trimmed.len());
        if !line.is_wrapped() {
            self.blanks = 0;
        }
        Ok(())
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}
