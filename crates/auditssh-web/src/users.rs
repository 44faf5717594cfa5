//! Who may look.

use crate::password::Password;
use std::collections::BTreeMap;

/// What a viewer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sees recordings, as far as rules allow.
    Auditor,
    /// Sees every recording, and who looked at which.
    Admin,
}

impl Role {
    /// The role as one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }
}

/// Someone who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The hash of the password.
    pub password: Password,
    /// What they may do.
    pub role: Role,
    /// Groups that rules speak of.
    pub groups: Vec<String>,
}

/// Everyone who may log in.
#[derive(Clone, Debug)]
pub struct Users {
    users: BTreeMap<String, User>,
    /// Checked for names that there are not: as much work as for those that there are.
    nobody: Option<Password>,
}

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Viewer {
    pub(crate) user: String,
    pub(crate) role: Role,
    pub(crate) groups: Vec<String>,
    /// Whether they logged in elsewhere, and are none of the [`Users`].
    pub(crate) elsewhere: bool,
}

impl Users {
    /// By their names.
    pub fn new(users: impl IntoIterator<Item = (String, User)>) -> Self {
        let users: BTreeMap<String, User> = users.into_iter().collect();
        let hashes = users.values().map(|user| &user.password);
        let dearest = hashes.max_by_key(|password| password.work()).cloned();
        Self {
            nobody: dearest.or_else(Password::of_nobody),
            users,
        }
    }

    /// Whether nobody can log in with a password.
    pub(crate) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// What is known of someone who logged in with a password.
    pub(crate) fn get(&self, viewer: &Viewer) -> Option<&User> {
        self.users.get(&viewer.user)
    }

    /// Who logs in with this password, if anyone. Takes long, and as long for names that are not
    /// known.
    pub(crate) fn check(&self, name: &str, password: &[u8]) -> Option<Viewer> {
        let user = self.users.get(name);
        let hash = user.map(|user| &user.password).or(self.nobody.as_ref())?;
        let is_right = hash.verify(password);
        let user = user.filter(|_| is_right)?;
        Some(Viewer {
            user: name.to_owned(),
            role: user.role,
            groups: user.groups.clone(),
            elsewhere: false,
        })
    }
}
