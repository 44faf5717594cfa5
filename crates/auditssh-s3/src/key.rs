//! Keys of objects: made of a template, so that no two logs can have the same.

use crate::facts::Facts;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

/// No template is longer, in bytes: keys end at 1024, and names are added to it.
const LONGEST: usize = 512;

/// How long a connection id is, in bytes.
const ID: usize = 32;

/// How much of a login name a key holds, in characters.
const NAME: usize = 64;

/// What keys are made of (`audit.s3.prefix`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// A part of the time at which the connection began, as strftime(3) has it.
    Time(&'static str),
    User,
    Id,
}

/// Why text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A placeholder that means nothing.
    #[error("`%{0}` means nothing; known are %Y, %m, %d, %H, %u, %i, and %% for a percent sign")]
    Placeholder(String),
    /// A character that stores and tools treat in ways of their own.
    #[error(
        "the character {0:?} is not safe in the key of an object; use letters of ASCII, digits and \
         any of / - _ . = + @ ! * ' ( ) ,"
    )]
    Unsafe(char),
    /// A path that tools would change.
    #[error("it must neither begin with `/` nor hold `//`, `/./` or `/../`")]
    Path,
    /// Names on both sides of the id.
    #[error(
        "`%u` stands before and after the connection id (`%i`): whoever chose their name well could \
         make a key in which another connection's id is found"
    )]
    Names,
    /// It is too long.
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
}

impl Template {
    /// Reads a template; an empty one stands for the bare connection id.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > LONGEST {
            return Err(TemplateError::TooLong);
        }
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            let piece = match letter {
                '%' => match letters.next() {
                    Some('Y') => Piece::Time("%Y"),
                    Some('m') => Piece::Time("%m"),
                    Some('d') => Piece::Time("%d"),
                    Some('H') => Piece::Time("%H"),
                    Some('u') => Piece::User,
                    Some('i') => Piece::Id,
                    Some('%') => return Err(TemplateError::Unsafe('%')),
                    other => {
                        let name = other.map(String::from).unwrap_or_default();
                        return Err(TemplateError::Placeholder(name));
                    }
                },
                _ if is_safe(letter) => {
                    plain.push(letter);
                    continue;
                }
                _ => return Err(TemplateError::Unsafe(letter)),
            };
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(piece);
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        if !pieces.contains(&Piece::Id) {
            pieces.push(Piece::Id);
        }
        let template = Self(pieces);
        let (before, after) = template.around();
        if before.contains(&Piece::User) && after.contains(&Piece::User) {
            return Err(TemplateError::Names);
        }
        let sample = template.key("0", &Facts::default());
        let path = format!("{sample}/");
        if path.starts_with('/') || ["//", "/./", "/../"].iter().any(|bad| path.contains(bad)) {
            return Err(TemplateError::Path);
        }
        if path.starts_with("./") || path.starts_with("../") {
            return Err(TemplateError::Path);
        }
        Ok(template)
    }

    /// The key of a log's object.
    pub(crate) fn key(&self, id: &str, facts: &Facts) -> String {
        let begun = Timestamp::from_second(facts.begun.div_euclid(1_000_000_000))
            .unwrap_or(Timestamp::UNIX_EPOCH)
            .to_zoned(TimeZone::UTC);
        let mut key = String::new();
        let mut has_id = false;
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => key.push_str(text),
                Piece::Time(form) => key.push_str(&begun.strftime(form).to_string()),
                // Behind the id it must not look like the end of what stands beside a log.
                Piece::User if has_id => {
                    key.push_str(&safe_name(facts.user.as_deref()).replace('.', "_"));
                }
                Piece::User => key.push_str(&safe_name(facts.user.as_deref())),
                Piece::Id => {
                    key.push_str(id);
                    has_id = true;
                }
            }
        }
        key
    }

    /// The connection whose log has this key; `None` if it is no key of this template. Names that
    /// look like ids deceive nobody: the id is looked for from the side on which no name stands.
    pub fn id<'a>(&self, key: &'a str) -> Option<&'a str> {
        let (before, after) = self.around();
        let start = match (width(before), width(after)) {
            (Some(before), _) => before,
            (None, Some(after)) => key.len().checked_sub(after)?.checked_sub(ID)?,
            (None, None) => return None,
        };
        let (first, rest) = key.split_at_checked(start)?;
        let (id, last) = rest.split_at_checked(ID)?;
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_made = id.bytes().all(is_hex) && fits(before, first) && fits(after, last);
        is_made.then_some(id)
    }

    /// What stands before the id, and what after it.
    fn around(&self) -> (&[Piece], &[Piece]) {
        let at = self.0.iter().position(|piece| *piece == Piece::Id);
        let (before, rest) = self.0.split_at(at.unwrap_or_default());
        (before, rest.get(1..).unwrap_or_default())
    }

    /// What all keys begin with.
    pub fn fixed(&self) -> &str {
        match self.0.first() {
            Some(Piece::Text(text)) => text,
            _ => "",
        }
    }
}

/// Whether pieces can have made a text.
fn fits(pieces: &[Piece], text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut ends = BTreeSet::from([0]);
    for piece in pieces {
        let reached = ends.iter().flat_map(|start| reach(piece, bytes, *start));
        ends = reached.collect();
    }
    ends.contains(&bytes.len())
}

/// Where a piece that begins here can end.
fn reach(piece: &Piece, text: &[u8], start: usize) -> Vec<usize> {
    let rest = text.get(start..).unwrap_or_default();
    let so_many = |most: usize, is_of_it: fn(&u8) -> bool| {
        let rest = rest.iter().take(most);
        rest.take_while(|byte| is_of_it(byte)).count()
    };
    match piece {
        Piece::Text(piece) if rest.starts_with(piece.as_bytes()) => vec![start + piece.len()],
        Piece::Text(_) => Vec::new(),
        Piece::User => {
            let longest = so_many(NAME, |byte| is_of_name(char::from(*byte)));
            (1..=longest).map(|length| start + length).collect()
        }
        Piece::Time(_) | Piece::Id => {
            let width = width(std::slice::from_ref(piece)).unwrap_or_default();
            let is_whole = so_many(width, u8::is_ascii_hexdigit) == width;
            is_whole.then_some(start + width).into_iter().collect()
        }
    }
}

/// How many bytes pieces make, if that does not depend on a name.
fn width(pieces: &[Piece]) -> Option<usize> {
    let widths = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => Some(text.len()),
        Piece::Time("%Y") => Some(4),
        Piece::Time(_) => Some(2),
        Piece::Id => Some(ID),
        Piece::User => None,
    });
    widths.sum()
}

/// A login name as a part of a key: what is not safe becomes `_`.
fn safe_name(user: Option<&[u8]>) -> String {
    let Some(user) = user.filter(|user| !user.is_empty()) else {
        return "-".to_owned();
    };
    let text = String::from_utf8_lossy(user);
    let name: String = (text.chars().take(NAME))
        .map(|letter| match letter {
            letter if is_of_name(letter) => letter,
            _ => '_',
        })
        .collect();
    if name.chars().all(|letter| letter == '.' || letter == '-') {
        return "_".repeat(name.len());
    }
    name
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || ".-_@".contains(letter)
}

fn is_safe(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "/-_.=+@!*'(),".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facts(user: &[u8]) -> Facts {
        Facts {
            begun: 1_769_860_800_123_456_789, // 2026-01-31T12:00:00Z
            user: Some(user.to_vec()),
            ..Facts::default()
        }
    }

    #[test]
    fn the_id_is_found_whatever_the_name() {
        let id = "00112233445566778899aabbccddeeff";
        let other = "ffeeddccbbaa99887766554433221100";
        let templates = [
            "",
            "a/%Y/%m/%d/%H/%u/",
            "%u-%i.log",
            "%i-%u",
            "%Y/%i/%u/%H",
            "%u%i",
        ];
        for text in templates {
            let template = Template::parse(text).unwrap();
            for user in [other, "alice", "-", "%i", "..", "", "x.index"] {
                let key = template.key(id, &facts(user.as_bytes()));
                assert_eq!(template.id(&key), Some(id), "{text} {key}");
                // A name may go on like that, if it stands at the end.
                let expected = text.ends_with("%u").then_some(id);
                for end in [".0.cast", ".index", ".damaged0", ".note.txt"] {
                    assert_eq!(template.id(&format!("{key}{end}")), expected, "{key}{end}");
                }
            }
            let of_another_template = format!("{other}/{id}/x");
            for key in [
                &*of_another_template,
                "",
                "a",
                "a/ä",
                "a/2026/01/31/12/x/index.html",
            ] {
                assert_eq!(template.id(key), None, "{text} {key}");
            }
        }
        assert_eq!(Template::parse("%u/%i/%u"), Err(TemplateError::Names));
        // What stands behind the id does not look like what stands beside a log.
        for user in ["x.index", "x.0.cast", "x.damaged0"] {
            let template = Template::parse("%i-%u").unwrap();
            let expected = format!("{id}-{}", user.replace('.', "_"));
            assert_eq!(template.key(id, &facts(user.as_bytes())), expected);
        }
    }

    #[test]
    fn a_key_is_made_of_time_name_and_id() {
        let id = "00112233445566778899aabbccddeeff";
        for (template, key) in [
            ("", "ID"),
            ("audit/", "audit/ID"),
            ("audit-", "audit-ID"),
            ("a/%Y/%m/%d/%H/%u/", "a/2026/01/31/12/alice/ID"),
            ("year=%Y/%i.audit", "year=2026/ID.audit"),
        ] {
            let made = Template::parse(template).unwrap().key(id, &facts(b"alice"));
            assert_eq!(made, key.replace("ID", id), "{template}");
        }
        let nobody = Template::parse("%u/").unwrap().key(id, &Facts::default());
        assert_eq!(nobody, format!("-/{id}"));
    }

    #[test]
    fn what_is_not_safe_is_refused() {
        for text in [
            "/a", "a//b/", "../", "a/../b", "./", "a b", "ä", "a\n", "%x", "%", "%%", "a/%i/..",
        ] {
            assert!(Template::parse(text).is_err(), "{text:?}");
        }
        assert!(Template::parse(&"a".repeat(513)).is_err());
    }

    proptest! {
        #[test]
        fn no_name_changes_the_shape_of_a_key(user in proptest::collection::vec(any::<u8>(), 0..100)) {
            let key = Template::parse("a/%u/%i").unwrap().key("id", &facts(&user));
            let pieces: Vec<&str> = key.split('/').collect();
            prop_assert_eq!(pieces.len(), 3);
            prop_assert!(!["", ".", ".."].contains(&pieces[1]));
            prop_assert!(key.chars().all(is_safe));
        }
    }
}
