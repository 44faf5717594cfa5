//! Logging in to a server: which credential is tried when.

use super::secret::{KeySource, PasswordSource, Secret, SecretError};
use crate::russh::{Methods, PrivateKey, Upstream, Verdict};
use std::sync::Arc;

/// What the gateway may prove itself with, in the order in which it is tried.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// `privateKey`.
    pub key: Option<KeySource>,
    /// `password`, `passwordFile`.
    pub password: Option<PasswordSource>,
}

/// The same, read.
#[derive(Default)]
pub(super) struct Loaded {
    key: Option<Arc<PrivateKey>>,
    password: Option<Secret>,
}

impl Credentials {
    /// Reads what lies in files; blocks.
    pub(super) fn load(&self) -> Result<Loaded, SecretError> {
        let key = self.key.as_ref();
        let password = self.password.as_ref();
        Ok(Loaded {
            key: key.map(|key| key.load("sshproxy.privateKey")).transpose()?,
            password: password.map(PasswordSource::load).transpose()?,
        })
    }
}

/// One way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Key,
    Password,
    Interactive,
}

impl Way {
    fn is_offered(self, methods: Methods) -> bool {
        match self {
            Self::Key => methods.public_key,
            Self::Password => methods.password,
            // The same password: not asked twice.
            Self::Interactive => methods.interactive && !methods.password,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Key => "privateKey",
            Self::Password => "password",
            Self::Interactive => "password by keyboard-interactive",
        }
    }
}

/// Logs in by the first credential that the server takes, or by several if it wants that. The
/// error says what was tried, and what to do.
pub(super) async fn log_in(
    upstream: &mut Upstream,
    user: &str,
    credentials: &Loaded,
) -> Result<(), String> {
    let failed = |failure: crate::russh::Failure| {
        format!("logging in as `{}`: {failure}", user.escape_debug())
    };
    let mut methods = match upstream.none(user).await.map_err(failed)? {
        Verdict::Accepted => return Ok(()),
        Verdict::Refused(methods) => methods,
    };
    let mut left = vec![];
    if credentials.key.is_some() {
        left.push(Way::Key);
    }
    if credentials.password.is_some() {
        left.extend([Way::Password, Way::Interactive]);
    }
    let mut tried = Vec::new();
    while let Some(at) = left.iter().position(|way| way.is_offered(methods)) {
        let way = left.remove(at);
        tried.push(way.name());
        let verdict = match (way, &credentials.key, &credentials.password) {
            (Way::Key, Some(key), _) => upstream.key(user, key).await,
            (Way::Password, _, Some(password)) => upstream.password(user, password).await,
            (Way::Interactive, _, Some(password)) => upstream.interactive(user, password).await,
            _ => continue,
        };
        match verdict.map_err(failed)? {
            Verdict::Accepted => return Ok(()),
            Verdict::Refused(rest) => methods = rest,
        }
    }
    Err(told(user, &tried, methods))
}

fn told(user: &str, tried: &[&str], methods: Methods) -> String {
    let offered = [
        (methods.public_key, "publickey"),
        (methods.password, "password"),
        (methods.interactive, "keyboard-interactive"),
    ];
    let offered: Vec<_> = offered
        .into_iter()
        .filter_map(|(yes, name)| yes.then_some(name))
        .collect();
    let offered = if offered.is_empty() {
        "nothing that the gateway can do".to_owned()
    } else {
        offered.join(", ")
    };
    let tried = match tried {
        [] => "no credential of `sshproxy` is of a kind that it takes".to_owned(),
        all => format!("it refused: {}", all.join(", ")),
    };
    let more = if methods.partial {
        "; what it took is not enough, it wants a further one"
    } else {
        ""
    };
    format!(
        "the server does not let the gateway in as `{}`: {tried}{more}; it takes {offered}. Look at \
         `sshproxy.username`, `sshproxy.privateKey` and `sshproxy.password`, and into the server's log",
        user.escape_debug()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_sent_twice() {
        let both = Methods {
            password: true,
            interactive: true,
            ..Methods::default()
        };
        assert!(Way::Password.is_offered(both));
        assert!(!Way::Interactive.is_offered(both));
        let interactive = Methods {
            interactive: true,
            ..Methods::default()
        };
        assert!(Way::Interactive.is_offered(interactive));
        assert!(!Way::Key.is_offered(interactive));
    }

    #[test]
    fn a_refusal_names_what_was_tried_and_what_is_taken() {
        let methods = Methods {
            public_key: true,
            partial: true,
            ..Methods::default()
        };
        let text = told("bob\n", &["password"], methods);
        assert!(text.contains("refused: password"), "{text}");
        assert!(text.contains("takes publickey"), "{text}");
        assert!(text.contains("`bob\\n`"), "{text}");
        assert!(text.contains("a further one"), "{text}");
    }
}
