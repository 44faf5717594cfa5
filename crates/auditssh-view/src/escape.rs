use std::fmt::{self, Write as _};

/// Bytes from a log, shown so that they can do nothing to the terminal or the eye: control
/// characters, characters that turn or hide text, and what is not UTF-8 become `\x1b`, `\u{202e}`,
/// `\xff`. Longer texts than [`Visible::MOST`] bytes are cut, which is said.
#[derive(Clone, Copy, Debug)]
pub struct Visible<'a>(pub &'a [u8]);

impl Visible<'_> {
    /// How many bytes of a text are shown.
    pub const MOST: usize = 4096;
}

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..Self::MOST).unwrap_or(self.0);
        for chunk in shown.utf8_chunks() {
            write_text(chunk.valid(), f)?;
            for byte in chunk.invalid() {
                write_byte(*byte, f)?;
            }
        }
        match self.0.len() - shown.len() {
            0 => Ok(()),
            more => write!(f, "… ({more} bytes more)"),
        }
    }
}

/// Writes what is visible in one go: most text is.
fn write_text(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find(|character| !is_visible(character)) {
        let (visible, hidden) = rest.split_at(at);
        f.write_str(visible)?;
        let mut characters = hidden.chars();
        match characters.next() {
            Some(character @ '\0'..='\x7f') => write_byte(character as u8, f)?,
            Some(character) => write!(f, "\\u{{{:x}}}", u32::from(character))?,
            None => {}
        }
        rest = characters.as_str();
    }
    f.write_str(rest)
}

fn write_byte(byte: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    f.write_str("\\x")?;
    f.write_char(digit(byte >> 4))?;
    f.write_char(digit(byte & 15))
}

/// Whether a character shows as itself: it neither controls the terminal nor turns, hides or joins
/// other text. The tab does.
pub fn is_visible(character: char) -> bool {
    match character {
        '\t' => true,
        // Soft hyphen, Arabic letter mark, Hangul fillers, Mongolian vowel separator; zero width,
        // direction marks, separators, embeddings, isolates, invisible operators; byte order mark,
        // interlinear annotation, tags.
        '\u{ad}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{180e}'
        | '\u{3164}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => false,
        other => !other.is_control(),
    }
}
