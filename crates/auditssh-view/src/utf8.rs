/// Bytes as characters, however they are divided: a character of which a part is missing waits for
/// the rest. What is not UTF-8 becomes U+FFFD.
#[derive(Clone, Debug, Default)]
pub(crate) struct Utf8 {
    /// The beginning of a character, at most three bytes.
    begun: Vec<u8>,
}

impl Utf8 {
    /// Appends the characters that are whole.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut String) {
        if self.begun.is_empty() {
            self.begun = whole(bytes, out).to_vec();
        } else {
            let mut joined = std::mem::take(&mut self.begun);
            joined.extend_from_slice(bytes);
            self.begun = whole(&joined, out).to_vec();
        }
    }

    /// Nothing follows: what was begun is not UTF-8.
    pub(crate) fn finish(&mut self, out: &mut String) {
        if !std::mem::take(&mut self.begun).is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// Appends the characters that are whole, and returns what of one is there at the end.
fn whole<'a>(bytes: &'a [u8], out: &mut String) -> &'a [u8] {
    let mut rest = bytes;
    loop {
        let error = match std::str::from_utf8(rest) {
            Ok(text) => {
                out.push_str(text);
                return &[];
            }
            Err(error) => error,
        };
        let (valid, after) = rest
            .split_at_checked(error.valid_up_to())
            .unwrap_or((rest, &[]));
        out.push_str(std::str::from_utf8(valid).unwrap_or_default());
        let Some(length) = error.error_len() else {
            return after;
        };
        out.push(char::REPLACEMENT_CHARACTER);
        rest = after.get(length..).unwrap_or_default();
    }
}

/// Puts a carriage return before each line feed that has none: what a terminal does, for a program
/// that had none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    returned: bool,
}

impl Lines {
    /// Mends a piece of output.
    pub(crate) fn push(&mut self, text: &str) -> String {
        let mut mended = String::with_capacity(text.len());
        for character in text.chars() {
            if character == '\n' && !self.returned {
                mended.push('\r');
            }
            self.returned = character == '\r';
            mended.push(character);
        }
        mended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let (mut utf8, mut out) = (Utf8::default(), String::new());
        for piece in pieces {
            utf8.push(piece, &mut out);
            assert!(utf8.begun.len() < 4);
        }
        utf8.finish(&mut out);
        out
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_bytes_are_divided(
            text in "\\PC{0,20}", noise in proptest::collection::vec(any::<u8>(), 0..20), size in 1usize..5
        ) {
            let bytes = [text.as_bytes(), &noise].concat();
            let whole = String::from_utf8_lossy(&bytes).into_owned();
            prop_assert_eq!(decoded(bytes.chunks(size)), whole);
        }
    }

    #[test]
    fn lines_of_a_program_without_a_terminal_begin_at_the_left() {
        let mut lines = Lines::default();
        let text = [lines.push("a\nb\r"), lines.push("\n\n")].concat();
        assert_eq!(text, "a\r\nb\r\n\r\n");
    }
}
