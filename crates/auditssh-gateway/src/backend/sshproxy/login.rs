//! Logging in to a server: which credential is tried when.

use super::secret::{KeySource, PasswordSource, Secret, SecretError};
use crate::backend::Client;
use crate::russh::{Failure, Issued, Methods, PrivateKey, Request, Upstream, Verdict, issue};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What the gateway may prove itself with, in the order in which it is tried.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// `userCAKey`, `certificateLifetime`.
    pub authority: Option<(KeySource, Duration)>,
    /// `privateKey`.
    pub key: Option<KeySource>,
    /// `agent`: its socket.
    pub agent: Option<PathBuf>,
    /// `forwardAgent`: the client's own.
    pub forward_agent: bool,
    /// `password`, `passwordFile`.
    pub password: Option<PasswordSource>,
}

/// The same, read.
#[derive(Default)]
pub(super) struct Loaded {
    authority: Option<(Arc<PrivateKey>, Duration)>,
    agent: Option<PathBuf>,
    forward_agent: bool,
    key: Option<Arc<PrivateKey>>,
    password: Option<Secret>,
}

impl Credentials {
    /// Reads what lies in files; blocks.
    pub(super) fn load(&self) -> Result<Loaded, SecretError> {
        let key = self.key.as_ref();
        let password = self.password.as_ref();
        let authority = match &self.authority {
            Some((key, lifetime)) => Some((key.load("sshproxy.userCAKey")?, *lifetime)),
            None => None,
        };
        Ok(Loaded {
            authority,
            agent: self.agent.clone(),
            forward_agent: self.forward_agent,
            key: key.map(|key| key.load("sshproxy.privateKey")).transpose()?,
            password: password.map(PasswordSource::load).transpose()?,
        })
    }
}

/// Who logs in.
pub(super) struct Login<'a> {
    /// The account on the server.
    pub(super) account: &'a str,
    /// The user of the gateway.
    pub(super) user: &'a str,
    /// Connection id.
    pub(super) connection: &'a str,
    /// Whose agent may be asked.
    pub(super) client: &'a dyn Client,
}

impl Login<'_> {
    fn issue(&self, authority: &PrivateKey, lifetime: Duration) -> Result<Issued, Failure> {
        let request = Request {
            principal: self.user,
            key_id: format!("auditssh {} {}", self.user, self.connection),
            lifetime,
        };
        issue(authority, &request, SystemTime::now())
            .map_err(|error| Failure::Credential(format!("no certificate can be issued: {error}")))
    }
}

/// One way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Certificate,
    Key,
    Agent,
    ClientAgent,
    Password,
    Interactive,
}

impl Way {
    fn is_offered(self, methods: Methods) -> bool {
        match self {
            Self::Certificate | Self::Key | Self::Agent | Self::ClientAgent => methods.public_key,
            Self::Password => methods.password,
            // The same password: by one of the two, see `next`.
            Self::Interactive => methods.interactive && !methods.password,
        }
    }

    const fn sends_password(self) -> bool {
        matches!(self, Self::Password | Self::Interactive)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "a certificate of userCAKey",
            Self::Key => "privateKey",
            Self::Agent => "the keys of agent",
            Self::ClientAgent => "the keys of the client's agent",
            Self::Password => "password",
            Self::Interactive => "password by keyboard-interactive",
        }
    }
}

impl Loaded {
    /// The ways that there are, in the order in which they are tried.
    fn ways(&self) -> Vec<Way> {
        let all = [
            (Way::Certificate, self.authority.is_some()),
            (Way::Key, self.key.is_some()),
            (Way::Agent, self.agent.is_some()),
            (Way::ClientAgent, self.forward_agent),
            (Way::Password, self.password.is_some()),
            (Way::Interactive, self.password.is_some()),
        ];
        let there = all.into_iter().filter(|(_, there)| *there);
        there.map(|(way, _)| way).collect()
    }

    async fn attempt(
        &self,
        way: Way,
        upstream: &mut Upstream,
        login: &Login<'_>,
    ) -> Result<Verdict, Failure> {
        let user = login.account;
        let missing = || Failure::Credential("a credential is missing".to_owned());
        match way {
            Way::Certificate => {
                let (authority, lifetime) = self.authority.as_ref().ok_or_else(missing)?;
                let issued = login.issue(authority, *lifetime)?;
                upstream.certificate(user, issued).await
            }
            Way::Key => {
                let key = self.key.as_ref().ok_or_else(missing)?;
                upstream.key(user, key).await
            }
            Way::Agent => {
                let socket = self.agent.as_ref().ok_or_else(missing)?;
                upstream.agent(user, socket).await
            }
            Way::ClientAgent => upstream.client_agent(user, login.client).await,
            Way::Password => {
                let password = self.password.as_ref().ok_or_else(missing)?;
                upstream.password(user, password).await
            }
            Way::Interactive => {
                let password = self.password.as_ref().ok_or_else(missing)?;
                upstream.interactive(user, password).await
            }
        }
    }
}

/// Logs in by the first credential that the server takes, or by several if it wants that. The
/// error says what was tried, and what to do.
pub(super) async fn log_in(
    upstream: &mut Upstream,
    login: &Login<'_>,
    credentials: &Loaded,
) -> Result<(), String> {
    let user = login.account;
    let failed = |failure: Failure| format!("logging in as `{}`: {failure}", user.escape_debug());
    let mut methods = match upstream.none(user).await.map_err(failed)? {
        Verdict::Accepted => return Ok(()),
        Verdict::Refused(methods) => methods,
    };
    let mut left = credentials.ways();
    let mut tried = Vec::new();
    while let Some(way) = next(&mut left, methods) {
        tried.push(way.name());
        let verdict = credentials.attempt(way, upstream, login).await;
        match verdict.map_err(failed)? {
            Verdict::Accepted => return Ok(()),
            Verdict::Refused(rest) => methods = rest,
        }
    }
    Err(told(user, &tried, methods))
}

/// The way that is tried next. The password is sent once, whatever is offered afterwards.
fn next(left: &mut Vec<Way>, methods: Methods) -> Option<Way> {
    let way = left.iter().copied().find(|way| way.is_offered(methods))?;
    left.retain(|other| *other != way && !(way.sends_password() && other.sends_password()));
    Some(way)
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
         `sshproxy.username` and the credentials of `sshproxy`, and into the server's log",
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
        // Nor when the host offers another method after a refusal.
        let password = Methods {
            password: true,
            ..Methods::default()
        };
        for (first, then) in [(password, interactive), (interactive, password)] {
            let mut left = vec![Way::Key, Way::Password, Way::Interactive];
            assert!(next(&mut left, first).is_some());
            assert_eq!(next(&mut left, then), None);
            assert_eq!(left, [Way::Key]);
        }
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
