//! Which recordings a viewer may see.

use crate::users::{Role, Viewer};
use std::str::FromStr;

/// Viewers, and the login names whose recordings they may see.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// Viewers by name.
    pub users: Vec<String>,
    /// Viewers by group.
    pub groups: Vec<String>,
    /// Login names as recorded.
    pub logins: Vec<Pattern>,
}

/// A name, in which `*` stands for any letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<String>);

/// A text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pattern is a login name of 1 to 256 bytes; * stands for any letters, at most 8 times")]
pub struct PatternError;

/// Longest pattern in bytes, and most stars in it.
const LONGEST: usize = 256;
const MOST_STARS: usize = 8;

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let parts: Vec<String> = text.split('*').map(str::to_owned).collect();
        if text.is_empty() || text.len() > LONGEST || parts.len() > MOST_STARS + 1 {
            return Err(PatternError);
        }
        Ok(Self(parts))
    }
}

impl Pattern {
    /// Whether a name is meant.
    fn fits(&self, name: &[u8]) -> bool {
        let [first, middle @ .., last] = self.0.as_slice() else {
            // Without a star.
            return self.0.first().is_some_and(|only| only.as_bytes() == name);
        };
        let Some(rest) = name.strip_prefix(first.as_bytes()) else {
            return false;
        };
        let Some(mut rest) = rest.strip_suffix(last.as_bytes()) else {
            return false;
        };
        for part in middle {
            let Some(at) = find(rest, part.as_bytes()) else {
                return false;
            };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        true
    }

    /// Whether it means every name, also one that is not known.
    fn is_everyone(&self) -> bool {
        self.0.len() > 1 && self.0.iter().all(String::is_empty)
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}

/// Who is allowed what.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

impl Rules {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        Self(rules)
    }

    /// What a viewer may see.
    pub(crate) fn sight(&self, viewer: &Viewer) -> Sight {
        if self.0.is_empty() || viewer.role == Role::Admin {
            return Sight(None);
        }
        let is_meant = |rule: &&Rule| {
            rule.users.contains(&viewer.user)
                || rule
                    .groups
                    .iter()
                    .any(|group| viewer.groups.contains(group))
        };
        let logins = self.0.iter().filter(is_meant);
        Sight(Some(logins.flat_map(|rule| rule.logins.clone()).collect()))
    }
}

/// What one viewer may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sight(Option<Vec<Pattern>>);

impl Sight {
    /// Whether every recording may be seen.
    pub(crate) const fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the recording of this login may be seen. `None` where it is not known yet, or never
    /// will be, whose it is.
    pub(crate) fn sees(&self, login: Option<&[u8]>) -> bool {
        let Some(patterns) = &self.0 else {
            return true;
        };
        patterns.iter().any(|pattern| match login {
            Some(login) => pattern.fits(login),
            None => pattern.is_everyone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn stars_stand_for_any_letters() {
        for (text, name, fits) in [
            ("alice", "alice", true),
            ("alice", "alice2", false),
            ("alice", "", false),
            ("*", "", true),
            ("*", "anyone", true),
            ("deploy-*", "deploy-", true),
            ("deploy-*", "deploy-7", true),
            ("deploy-*", "xdeploy-7", false),
            ("*@example.com", "a@example.com", true),
            ("*@example.com", "a@example.com.evil", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a--b--c", true),
            ("a*b*c", "a--c--b", false),
            ("a*bb*b", "abb", false),
        ] {
            assert_eq!(pattern(text).fits(name.as_bytes()), fits, "{text} {name}");
        }
        assert_eq!("".parse::<Pattern>(), Err(PatternError));
        assert_eq!("*********".parse::<Pattern>(), Err(PatternError));
    }

    #[test]
    fn who_no_rule_names_sees_nothing() {
        let rules = Rules::new(vec![Rule {
            users: vec!["bob".into()],
            groups: vec!["sre".into()],
            logins: vec![pattern("deploy-*")],
        }]);
        let viewer = |user: &str, role, groups: &[&str]| Viewer {
            user: user.into(),
            role,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            elsewhere: false,
        };
        let sees = |viewer: &Viewer, login: Option<&str>| {
            rules.sight(viewer).sees(login.map(str::as_bytes))
        };
        for viewer in [
            viewer("bob", Role::Auditor, &[]),
            viewer("eve", Role::Auditor, &["sre"]),
        ] {
            assert!(sees(&viewer, Some("deploy-1")));
            assert!(!sees(&viewer, Some("root")));
            assert!(!sees(&viewer, None));
        }
        let other = viewer("eve", Role::Auditor, &["other"]);
        assert!(!sees(&other, Some("deploy-1")));
        let admin = viewer("eve", Role::Admin, &[]);
        assert!(sees(&admin, Some("root")) && sees(&admin, None));
    }

    #[test]
    fn without_rules_everyone_sees_everything() {
        let viewer = Viewer {
            user: "a".into(),
            role: Role::Auditor,
            groups: Vec::new(),
            elsewhere: false,
        };
        assert!(Rules::default().sight(&viewer).sees(None));
    }
}
