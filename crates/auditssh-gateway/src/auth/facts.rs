//! What a service knows of a user beside the name.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of all names and values together that one login may be given.
pub const FACTS_BYTES: usize = 1024 * 1024;
/// Metadata, variables and files together that one login may be given.
pub const FACTS: usize = 1000;
/// Bytes of the name that a service knows a user by.
const USERNAME_BYTES: usize = 256;

/// What services know of a user who logs in. No form of it shows a value.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The name that the service knows the user by, where it told one; the login name is what the
    /// client asked for.
    pub authenticated_username: Option<String>,
    /// For later questions and for backends, by name.
    pub metadata: BTreeMap<String, Fact<String>>,
    /// Environment variables of every program of the login.
    pub environment: BTreeMap<String, Fact<String>>,
    /// Files for the place where programs run, by path.
    pub files: BTreeMap<String, Fact<Vec<u8>>>,
}

/// A value, wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Fact<T: Zeroize> {
    /// The value.
    pub value: Zeroizing<T>,
    /// Whether it is for the backend only, and told to no other service.
    pub sensitive: bool,
}

/// Why facts can't be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactsError {
    /// See [`FACTS`].
    #[error("more than {FACTS} metadata, environment variables and files")]
    Number,
    /// See [`FACTS_BYTES`].
    #[error("metadata, environment and files of more than {FACTS_BYTES} bytes")]
    Bytes,
    /// A variable that no program can be given.
    #[error("the environment variable `{0}` has a name or a value that none can have")]
    Variable(String),
    /// A name that no user has.
    #[error("the authenticated username is longer than {USERNAME_BYTES} bytes")]
    Username,
}

impl Facts {
    /// Takes over what a later answer says; what it says of a name replaces what was known of it.
    pub fn merge(&mut self, later: Self) -> Result<(), FactsError> {
        for (name, fact) in &later.environment {
            let named = !name.is_empty() && !name.contains(['=', '\0']);
            if !named || fact.value.contains('\0') {
                let shown = name.chars().take(40).collect::<String>();
                return Err(FactsError::Variable(shown.escape_debug().to_string()));
            }
        }
        if let Some(name) = later.authenticated_username {
            if name.len() > USERNAME_BYTES {
                return Err(FactsError::Username);
            }
            self.authenticated_username = Some(name);
        }
        self.metadata.extend(later.metadata);
        self.environment.extend(later.environment);
        self.files.extend(later.files);
        self.check()
    }

    /// What another service may be told: all but sensitive values.
    #[must_use]
    pub fn told(&self) -> Self {
        Self {
            authenticated_username: self.authenticated_username.clone(),
            metadata: open(&self.metadata),
            environment: open(&self.environment),
            files: open(&self.files),
        }
    }

    fn check(&self) -> Result<(), FactsError> {
        if self.metadata.len() + self.environment.len() + self.files.len() > FACTS {
            return Err(FactsError::Number);
        }
        let texts = self.metadata.iter().chain(&self.environment);
        let texts = texts.map(|(name, fact)| name.len() + fact.value.len());
        let files = self.files.iter();
        let files = files.map(|(name, fact)| name.len() + fact.value.len());
        if texts.chain(files).sum::<usize>() > FACTS_BYTES {
            return Err(FactsError::Bytes);
        }
        Ok(())
    }
}

fn open<T: Zeroize + Clone>(facts: &BTreeMap<String, Fact<T>>) -> BTreeMap<String, Fact<T>> {
    let open = facts.iter().filter(|(_, fact)| !fact.sensitive);
    open.map(|(name, fact)| (name.clone(), fact.clone()))
        .collect()
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts")
            .field("authenticated_username", &self.authenticated_username)
            .field("metadata", &self.metadata.len())
            .field("environment", &self.environment.len())
            .field("files", &self.files.len())
            .finish()
    }
}

impl<T: Zeroize> fmt::Debug for Fact<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}
