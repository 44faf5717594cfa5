//! What is wrong with a configuration: where, what, and the remedy. Never a secret: of what the
//! file holds only names of keys and words of closed sets are shown, and neither if they are long.

use super::at::{At, Place};
use super::outline::{Outline, below};
use serde_saphyr::Error;
use std::fmt;
use std::path::PathBuf;

/// A configuration that can't be used: at least one fault, each with its file.
#[derive(Debug)]
pub(crate) struct ConfigError(pub(crate) Vec<(PathBuf, Fault)>);

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    /// One line a fault, as compilers write them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (file, fault)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{fault}", file.display())?;
        }
        Ok(())
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) place: Option<Place>,
    pub(crate) message: String,
}

impl fmt::Display for Fault {
    /// `3:5: what is wrong`, to be put behind the name of a file and a colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.place {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}", self.message)
    }
}

impl Fault {
    /// About the file as a whole.
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self {
            place: None,
            message: message.to_string(),
        }
    }

    /// About one value.
    pub(crate) fn at<T>(value: &At<T>, message: impl fmt::Display) -> Self {
        Self {
            place: value.place,
            message: message.to_string(),
        }
    }

    /// Why a text is no YAML document that keys could be read of.
    pub(crate) fn of_yaml(error: &Error) -> Self {
        let error = error.without_snippet();
        Self {
            place: error.location().and_then(Place::of),
            message: message(error),
        }
    }

    /// Why a value of a document is not taken.
    pub(crate) fn of_value(error: &Error, outline: &Outline) -> Self {
        let fault = Self::of_yaml(error);
        let named = |message: &str| Self {
            message: outline.name(fault.place, message),
            place: fault.place,
        };
        match error.without_snippet() {
            Error::SerdeUnknownVariant { variant, .. } => {
                let remedy = fault.place.and_then(|place| outline.remedy(place, variant));
                match remedy {
                    Some(ours) => named(&format!("unknown value `{variant}`; write `{ours}`")),
                    None => named(&fault.message),
                }
            }
            Error::Message { .. } => named(&fault.message),
            _ => {
                let mismatch = fault.place.and_then(|place| outline.mismatch(place));
                mismatch.unwrap_or(fault)
            }
        }
    }
}

fn message(error: &Error) -> String {
    match error {
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } => unknown("value", variant, "", expected),
        Error::MultipleDocuments { .. } => {
            "a second YAML document begins here, but a configuration is one document; remove the \
             line `---` or what follows it"
                .into()
        }
        Error::DuplicateMappingKey { key, .. } => match key.as_deref().filter(|key| plain(key)) {
            Some(key) => format!("the key `{key}` stands here a second time"),
            None => "a key stands here a second time".into(),
        },
        Error::NullIntoString { .. } => "nothing stands here where a key is wanted".into(),
        // Only our own types make these, and none of them repeats what it was given.
        Error::Message { msg, .. } => msg.clone(),
        Error::InvalidUtf8Input => "not UTF-8 text".into(),
        Error::IOError { cause } => cause.to_string(),
        other => rendered(other),
    }
}

/// The library's own words, which may quote the file: quotations are cut out.
fn rendered(error: &Error) -> String {
    let text = error.render();
    let mut line = text.lines().next().unwrap_or_default();
    // It may end in, or begin with, the place, which stands before the message already.
    if let Some((before, _)) = line.split_once(" at line ") {
        line = before;
    }
    let mut message = String::from("this is not YAML: ");
    for (index, piece) in line.split(['`', '"']).enumerate() {
        message.push_str(if index % 2 == 0 { piece } else { "…" });
    }
    message
}

/// `unknown key`, with its path and the nearest known one.
pub(super) fn unknown(what: &str, found: &str, path: &str, expected: &[&str]) -> String {
    let shown = match (plain(found), path) {
        (true, path) => format!(" `{}`", below(path, found)),
        (false, "") => String::new(),
        (false, path) => format!(" in `{path}`"),
    };
    let remedy = match nearest(found, expected) {
        Some(near) if near == found => "; write it without quotes".to_owned(),
        Some(near) => format!("; did you mean `{near}`?"),
        None if expected.is_empty() => String::new(),
        None => {
            let known: Vec<_> = expected.iter().map(|word| written(word)).collect();
            format!("; known here: {}", known.join(", "))
        }
    };
    format!("unknown {what}{shown}{remedy}")
}

/// A known word as one writes it in YAML.
pub(super) fn written(word: &str) -> &str {
    if word.is_empty() { "\"\"" } else { word }
}

/// Whether a text looks like a name, not like a secret or an attack on a terminal.
pub(super) fn plain(text: &str) -> bool {
    text.len() <= 40
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// The known word that a typing error of few letters makes the found one of.
pub(crate) fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    if !plain(found) {
        return None;
    }
    let found = found.to_ascii_lowercase().replace(['-', '_'], "");
    known
        .iter()
        .map(|word| (distance(&found, &word.to_ascii_lowercase()), *word))
        .filter(|(distance, word)| *distance <= word.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// How many letters must be added, left out, replaced or swapped with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<u8> = to.bytes().collect();
    let mut above: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=to.len()).collect();
    let mut last = None;
    for (row, letter) in from.bytes().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let cell = |line: &[usize], at: usize| line.get(at).copied().unwrap_or(usize::MAX / 2);
            let mut best = (cell(&previous, column) + usize::from(letter != *other))
                .min(cell(&previous, column + 1) + 1)
                .min(cell(&current, column) + 1);
            let before = column.checked_sub(1);
            let swapped =
                last == Some(*other) && before.and_then(|before| to.get(before)) == Some(&letter);
            if let (true, Some(before)) = (swapped, before) {
                best = best.min(cell(&above, before) + 1);
            }
            current.push(best);
        }
        above = std::mem::replace(&mut previous, current);
        last = Some(letter);
    }
    previous.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
