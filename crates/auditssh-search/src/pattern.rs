//! What is searched.

use regex::bytes::{Regex, RegexBuilder};

/// How large a compiled expression may be, in bytes.
const LARGEST: usize = 4 << 20;
/// The longest pattern, in bytes.
const LONGEST: usize = 4096;

/// A text or a regular expression that lines are compared with.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    is_literal: bool,
}

/// How a pattern is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Syntax {
    /// Whether it is a regular expression rather than a text.
    pub regex: bool,
    /// Which letters are equal.
    pub case: Case,
}

/// Which letters are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Case {
    /// Small and capital ones, unless the pattern has a capital one.
    #[default]
    Smart,
    /// None that differ.
    Sensitive,
    /// Small and capital ones.
    Insensitive,
}

/// A pattern is none.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PatternError {
    /// It is too long.
    #[error("the pattern is too long: at most {LONGEST} bytes are searched")]
    Long,
    /// It is no regular expression.
    #[error("{0}")]
    Regex(String),
}

impl Pattern {
    /// A pattern, read as `syntax` says.
    pub fn new(text: &str, syntax: Syntax) -> Result<Self, PatternError> {
        if text.len() > LONGEST {
            return Err(PatternError::Long);
        }
        let insensitive = match syntax.case {
            Case::Sensitive => false,
            Case::Insensitive => true,
            Case::Smart => !has_capital(text, syntax.regex),
        };
        let source = if syntax.regex {
            text.to_owned()
        } else {
            regex::escape(text)
        };
        let regex = RegexBuilder::new(&source)
            .case_insensitive(insensitive)
            .size_limit(LARGEST)
            .dfa_size_limit(LARGEST)
            .build()
            .map_err(|error| PatternError::Regex(error.to_string()))?;
        Ok(Self {
            regex,
            is_literal: !syntax.regex,
        })
    }

    /// Whether a line has it.
    pub fn is_in(&self, line: &str) -> bool {
        self.regex.is_match(line.as_bytes())
    }

    /// Where in a line it stands first: from which byte to which.
    pub fn place(&self, line: &str) -> Option<(usize, usize)> {
        let found = self.regex.find(line.as_bytes())?;
        Some((found.start(), found.end()))
    }

    /// Whether it can be in one of many lines that stand among other bytes. False is certain.
    pub fn may_be_in(&self, bytes: &[u8]) -> bool {
        !self.is_literal || self.regex.is_match(bytes)
    }
}

/// Whether a capital letter is meant: in an expression one behind a backslash is not.
fn has_capital(text: &str, is_regex: bool) -> bool {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if is_regex && character == '\\' {
            characters.next();
        } else if character.is_uppercase() {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, regex: bool, case: Case, line: &str) -> bool {
        let syntax = Syntax { regex, case };
        Pattern::new(pattern, syntax)
            .expect("a pattern")
            .is_in(line)
    }

    #[test]
    fn a_capital_letter_is_meant_as_such() {
        for (pattern, regex, line, expected) in [
            ("passwd", false, "cat /etc/PASSWD", true),
            ("Passwd", false, "cat /etc/passwd", false),
            ("a.c", false, "abc", false),
            ("a.c", true, "ABC", true),
            (r"\Sbc", true, "ABC", true),
            (r"\bA", true, "a", false),
            ("größe", false, "GRÖSSE GRÖßE", true),
        ] {
            assert_eq!(
                found(pattern, regex, Case::Smart, line),
                expected,
                "{pattern}"
            );
        }
        assert!(found("A", false, Case::Insensitive, "a"));
        assert!(!found("a", false, Case::Sensitive, "A"));
    }

    #[test]
    fn a_pattern_that_is_none_is_refused() {
        for text in ["(", "a{1000}{1000}{1000}", &"x".repeat(5000)] {
            let syntax = Syntax {
                regex: true,
                case: Case::Smart,
            };
            assert!(Pattern::new(text, syntax).is_err(), "{}", text.len());
        }
    }
}
