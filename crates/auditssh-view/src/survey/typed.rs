use super::line::{LONGEST_LINE, OVERLAP};
use crate::runs::{Did, Start, Step};
use crate::screen::shown;
use crate::utf8::Utf8;

/// What was typed, line by line: with corrections as they were meant, and what was there before them.
#[derive(Debug)]
pub(super) struct Typed {
    /// Whether keys edit the line. Else it is data, of which only line ends count.
    edits: bool,
    characters: Utf8,
    line: String,
    /// Whether the line has something that was not told.
    grown: bool,
    escape: Escape,
}

/// Whether a key that sends several characters is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    None,
    Begun,
    /// Up to a character from `@` on.
    Sequence,
    /// One character more.
    Single,
}

impl Typed {
    pub(super) fn new(start: &Start) -> Self {
        Self {
            edits: start.terminal.is_some(),
            characters: Utf8::default(),
            line: String::new(),
            grown: false,
            escape: Escape::None,
        }
    }

    /// Takes a step, and tells the lines that it completes with the time of their last key.
    pub(super) fn push(&mut self, step: &Step<'_>, tell: &mut dyn FnMut(u64, &str)) {
        let mut text = String::new();
        match step.what {
            Did::Input(data) => self.characters.push(data, &mut text),
            Did::End => self.characters.finish(&mut text),
            _ => return,
        }
        let tell = &mut |text: &str| tell(step.at, text);
        for character in text.chars() {
            self.key(character, tell);
        }
        if matches!(step.what, Did::End) {
            self.end(tell);
        }
    }

    fn key(&mut self, key: char, tell: &mut dyn FnMut(&str)) {
        if self.is_of_sequence(key) {
            return;
        }
        match key {
            '\r' | '\n' => self.end(tell),
            '\t' => self.add(' ', tell),
            key if !self.edits => self.add(shown(key), tell),
            '\x08' | '\x7f' => {
                self.before_correction(tell);
                self.line.pop();
            }
            // ^W erases a word.
            '\x17' => {
                self.before_correction(tell);
                let kept = self.line.trim_end_matches(' ');
                let kept = kept.rfind(' ').map_or(0, |at| at + 1);
                self.line.truncate(kept);
            }
            // ^C, ^U and ^D leave nothing of it.
            '\x03' | '\x04' | '\x15' => self.end(tell),
            key if key.is_control() => {}
            key => self.add(shown(key), tell),
        }
    }

    fn is_of_sequence(&mut self, key: char) -> bool {
        if !self.edits {
            return false;
        }
        let (is_of_it, next) = match (self.escape, key) {
            (_, '\x1b') => (true, Escape::Begun),
            (Escape::Begun, '[') | (Escape::Sequence, '\x20'..='\x3f') => (true, Escape::Sequence),
            (Escape::Begun, 'O') => (true, Escape::Single),
            // The escape key, and then another.
            (Escape::None | Escape::Begun, _) => (false, Escape::None),
            (Escape::Sequence | Escape::Single, _) => (!key.is_control(), Escape::None),
        };
        self.escape = next;
        is_of_it
    }

    fn add(&mut self, character: char, tell: &mut dyn FnMut(&str)) {
        if self.line.len() + character.len_utf8() > LONGEST_LINE {
            tell(self.line.trim());
            let kept = self.line.floor_char_boundary(self.line.len() - OVERLAP);
            self.line.drain(..kept);
        }
        self.line.push(character);
        self.grown = true;
    }

    /// What is about to be erased was typed.
    fn before_correction(&mut self, tell: &mut dyn FnMut(&str)) {
        if std::mem::take(&mut self.grown) && !self.line.trim().is_empty() {
            tell(self.line.trim());
        }
    }

    fn end(&mut self, tell: &mut dyn FnMut(&str)) {
        if !self.line.trim().is_empty() {
            tell(self.line.trim());
        }
        self.line.clear();
        self.grown = false;
    }
}
