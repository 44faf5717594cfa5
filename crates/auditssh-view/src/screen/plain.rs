use super::page::{Page, Paint};
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
        Page::new(start, Text, out).map(Self)
    }
}

impl View for Plain {
    fn push(&mut self, step: &Step<'_>, out: &mut dyn Write) -> io::Result<()> {
        self.0.push(step, out)
    }
}

#[derive(Debug)]
struct Text;

impl Paint for Text {
    fn begin(&mut self, _: &Start, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn line(&mut self, line: &Line, out: &mut dyn Write) -> io::Result<()> {
        let text: String = line.chars().map(shown).collect();
        let text = if line.is_wrapped() {
            &*text
        } else {
            text.trim_end_matches(' ')
        };
        out.write_all(text.as_bytes())
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}
