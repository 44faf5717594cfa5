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
            for character in chunk.valid().chars() {
                write_visible(character, f)?;
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        match self.0.len() - shown.len() {
            0 => Ok(()),
            more => write!(f, "… ({more} bytes more)"),
        }
    }
}

fn write_visible(character: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if is_visible(character) {
        f.write_char(character)
    } else if character.is_ascii() {
        write!(f, "\\x{:02x}", u32::from(character))
    } else {
        write!(f, "\\u{{{:x}}}", u32::from(character))
    }
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
