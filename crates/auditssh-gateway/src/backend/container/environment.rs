//! The environment of a program in a container: what the client asked for, what sshd sets, what the
//! key sets, and what services set, each later one in place of an earlier.

use crate::auth::source::glob;
use crate::backend::{Identity, Refused};
use std::collections::BTreeMap;

/// What a client may set beside a command that is forced on it: other variables (`PATH`,
/// `LD_PRELOAD`) could make something else of the command.
const HARMLESS: [&str; 2] = ["LANG", "LC_*"];

/// Variables of one session, by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

/// What a program is told beyond its container.
#[derive(Clone, Copy, Default)]
pub struct Circumstances<'a> {
    /// `TERM`, where there is a terminal.
    pub terminal: Option<&'a str>,
    /// What the client asked for when another command was forced.
    pub original_command: Option<&'a str>,
    /// Whether metadata of services become variables, too (`exposeAuthMetadataAsEnv`).
    pub expose_metadata: bool,
}

impl Environment {
    /// A variable from the client.
    pub fn accept(&mut self, forced: bool, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        let unfit = |why: &str| {
            let name = name.escape_ascii();
            Err(Refused::new(format!("the variable `{name}` {why}")))
        };
        let harmless = |pattern: &str| glob(pattern.as_bytes(), name);
        if forced && !HARMLESS.iter().any(|pattern| harmless(pattern)) {
            return unfit("can't be set beside a command that is forced");
        }
        let (Ok(name_text), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value))
        else {
            return unfit("is not UTF-8, which a container can't be told");
        };
        if name.is_empty() || name_text.contains(['=', '\0']) || value.contains('\0') {
            return unfit("can't be put into an environment");
        }
        self.0.insert(name_text.to_owned(), value.to_owned());
        Ok(())
    }

    /// Everything that a program gets beyond what its container has for all.
    pub fn complete(
        mut self,
        identity: &Identity,
        circumstances: &Circumstances<'_>,
    ) -> BTreeMap<String, String> {
        let mut set = |name: &str, value: &str| {
            self.0.insert(name.to_owned(), value.to_owned());
        };
        let (remote, local) = (identity.remote_address, identity.local_address);
        let (from, to) = (remote.ip().to_canonical(), local.ip().to_canonical());
        let (from_port, to_port) = (remote.port(), local.port());
        set("SSH_CLIENT", &format!("{from} {from_port} {to_port}"));
        let connection = format!("{from} {from_port} {to} {to_port}");
        set("SSH_CONNECTION", &connection);
        if let Some(term) = circumstances.terminal.filter(|term| fit(term)) {
            set("TERM", term);
        }
        for (name, value) in &identity.restrictions.environment {
            set(name, value);
        }
        let facts = of_services(identity, circumstances.expose_metadata);
        self.0.extend(facts);
        if let Some(command) = circumstances.original_command {
            let name = "SSH_ORIGINAL_COMMAND".to_owned();
            self.0.insert(name, command.to_owned());
        }
        self.0
    }
}

/// What services say for the environment, also of the container itself.
pub fn of_services(identity: &Identity, expose_metadata: bool) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    if expose_metadata {
        for (name, fact) in &identity.facts.metadata {
            // Metadata were not checked for being variables.
            let named = !name.is_empty() && !name.contains('=') && fit(name);
            if named && !fact.value.contains('\0') {
                variables.insert(name.clone(), fact.value.as_str().to_owned());
            }
        }
    }
    for (name, fact) in &identity.facts.environment {
        variables.insert(name.clone(), fact.value.as_str().to_owned());
    }
    variables
}

fn fit(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Fact, Facts, Restrictions};
    use crate::backend::NoClient;
    use std::sync::Arc;

    fn fact(value: &str) -> Fact<String> {
        Fact {
            value: value.to_owned().into(),
            sensitive: false,
        }
    }

    fn identity(facts: Facts) -> Identity {
        Identity {
            user: "alice".to_owned(),
            place: None,
            connection_id: "0".repeat(32),
            remote_address: "[::ffff:192.0.2.1]:1000".parse().unwrap(),
            local_address: "192.0.2.2:22".parse().unwrap(),
            restrictions: Restrictions {
                environment: vec![("A".into(), "key".into()), ("B".into(), "key".into())],
                ..Restrictions::default()
            },
            facts: Arc::new(facts),
            client: Arc::new(NoClient),
        }
    }

    #[test]
    fn later_ones_take_the_place_of_earlier() {
        let mut facts = Facts::default();
        facts.environment.insert("B".to_owned(), fact("service"));
        facts.metadata.insert("M".to_owned(), fact("said"));
        facts.metadata.insert("B".to_owned(), fact("said"));
        facts.metadata.insert("no=name".to_owned(), fact("said"));
        let mut environment = Environment::default();
        for name in ["A", "B", "C"] {
            environment
                .accept(false, name.as_bytes(), b"client")
                .unwrap();
        }
        let circumstances = Circumstances {
            terminal: Some("xterm"),
            original_command: Some("ls"),
            expose_metadata: true,
        };
        let told = environment.complete(&identity(facts.clone()), &circumstances);
        let all: Vec<_> = told
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            all,
            [
                "A=key",
                "B=service",
                "C=client",
                "M=said",
                "SSH_CLIENT=192.0.2.1 1000 22",
                "SSH_CONNECTION=192.0.2.1 1000 192.0.2.2 22",
                "SSH_ORIGINAL_COMMAND=ls",
                "TERM=xterm"
            ]
        );
        assert_eq!(of_services(&identity(facts), false).len(), 1);
    }

    #[test]
    fn a_client_does_not_twist_a_forced_command() {
        let mut environment = Environment::default();
        assert!(environment.accept(true, b"LD_PRELOAD", b"x").is_err());
        assert!(environment.accept(true, b"LC_ALL", b"C").is_ok());
        assert!(environment.accept(false, b"LD_PRELOAD", b"x").is_ok());
        for (name, value) in [
            (b"" as &[u8], b"" as &[u8]),
            (b"a=b", b""),
            (b"a", b"\0"),
            (b"\xff", b""),
        ] {
            assert!(environment.accept(false, name, value).is_err());
        }
    }
}
