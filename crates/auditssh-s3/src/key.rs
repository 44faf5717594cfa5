//! Keys of objects: made of a template, so that no two logs can have the same.

use crate::facts::Facts;
use jiff::Timestamp;
use jiff::tz::TimeZone;

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
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => key.push_str(text),
                Piece::Time(form) => key.push_str(&begun.strftime(form).to_string()),
                Piece::User => key.push_str(&safe_name(facts.user.as_deref())),
                Piece::Id => key.push_str(id),
            }
        }
        key
    }

    /// The connection whose log has this key; `None` if it is no key of this template. Names that
    /// look like ids deceive nobody: the id is looked for from the side on which no name stands.
    pub fn id<'a>(&self, key: &'a str) -> Option<&'a str> {
        let (before, after) = self.around();
        let rest = match (width(before), width(after)) {
            (Some(before), _) => key.get(before..),
            (None, Some(after)) => {
                let end = key.len().checked_sub(after)?;
                key.get(end.checked_sub(ID)?..)
            }
            (None, None) => None,
        };
        let (id, _) = rest?.split_at_checked(ID)?;
        let is_id = id
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_id.then_some(id)
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
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' | '@' => letter,
            _ => '_',
        })
        .collect();
    if name.chars().all(|letter| letter == '.' || letter == '-') {
        return "_".repeat(name.len());
    }
    name
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
        let other = b"ffeeddccbbaa99887766554433221100";
        for text in [
            "",
            "a/%Y/%m/%d/%H/%u/",
            "%u-%i.log",
            "%i-%u",
            "%Y/%i/%u/%H",
            "%u%i",
        ] {
            let template = Template::parse(text).unwrap();
            for user in [&other[..], b"alice", b"-", b"%i", b"..", b""] {
                let key = template.key(id, &facts(user));
                assert_eq!(template.id(&key), Some(id), "{text} {key}");
                assert_eq!(template.id(&format!("{key}.0.cast")).unwrap_or(id), id);
            }
            for key in [
                "",
                "a",
                &"a".repeat(31),
                "a/ä",
                "a/2026/01/31/12/x/index.html",
            ] {
                assert_eq!(template.id(key), None, "{text} {key}");
            }
        }
        assert_eq!(Template::parse("%u/%i/%u"), Err(TemplateError::Names));
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
