//! Which places behind the gateway there are, and who may go there.

use super::hostkeys::{Fingerprint, HostKeys};
use super::settings::{Target, UserName};
use crate::auth::source::glob;
use crate::backend::{Identity, Refused};
use std::net::IpAddr;

/// Bytes of the longest name of a host (RFC 1035, 2.3.4).
const NAME_BYTES: usize = 253;

/// A place that a login name may ask for.
#[derive(Clone, Debug)]
pub struct Route {
    /// The name, or a pattern of names with `*` and `?`. One that ends so is for addresses only:
    /// else the owner of a domain could make names that it has.
    pub name: String,
    /// The host; the name that was asked for if there is none.
    pub host: Option<String>,
    /// TCP port.
    pub port: u16,
    /// As whom the gateway logs in there.
    pub user: UserName,
    /// Who may go there; everybody if there is no list.
    pub users: Option<Vec<String>>,
    /// `allowedHostKeyFingerprints` in place of those of the block.
    pub fingerprints: Option<Vec<Fingerprint>>,
}

/// Where one user is led.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) target: Target,
    pub(super) user: String,
    pub(super) host_keys: HostKeys,
}

impl Route {
    fn has(&self, place: &str) -> bool {
        let open = self.name.ends_with(['*', '?']);
        let addressed = || place.parse::<IpAddr>().is_ok();
        let name = self.name.to_ascii_lowercase();
        glob(name.as_bytes(), place.as_bytes()) && (!open || addressed())
    }

    fn is_for(&self, user: &str) -> bool {
        let listed = |users: &Vec<String>| users.iter().any(|one| one == user);
        self.users.as_ref().is_none_or(listed)
    }

    /// A name goes before patterns, a longer pattern before a shorter one.
    fn rank(&self) -> (bool, usize) {
        (!self.name.contains(['*', '?']), self.name.len())
    }

    fn way(&self, place: &str, login: &str, trusted: &HostKeys) -> Way {
        let host = self.host.clone().unwrap_or_else(|| place.to_owned());
        let own = self.fingerprints.as_ref();
        Way {
            target: Target {
                host,
                port: self.port,
            },
            user: self.user.of(login),
            host_keys: HostKeys {
                fingerprints: own.unwrap_or(&trusted.fingerprints).clone(),
                known_hosts: trusted.known_hosts.clone(),
            },
        }
    }
}

/// The way to the place that a user asks for. Only what a route names is a place.
pub(super) fn find(
    routes: &[Route],
    default: Option<Way>,
    trusted: &HostKeys,
    identity: &Identity,
) -> Result<Way, Refused> {
    let user = identity.user.as_str();
    let Some(place) = &identity.place else {
        return default.ok_or_else(|| {
            Refused::told("say where to: log in as USER, the separator, and the name of a host")
        });
    };
    let place = place.to_ascii_lowercase();
    let letters = |letter: u8| letter.is_ascii_alphanumeric() || b".-_:".contains(&letter);
    let named = !place.is_empty() && place.len() <= NAME_BYTES && place.bytes().all(letters);
    let found = routes.iter().filter(|route| named && route.has(&place));
    let found = found.max_by_key(|route| route.rank());
    match found.filter(|route| route.is_for(user)) {
        Some(route) => Ok(route.way(&place, user, trusted)),
        None => Err(Refused::told(format!(
            "`{}` is no place that `{}` may go to",
            crate::session::clip(&place, NAME_BYTES).escape_debug(),
            crate::session::clip(user, NAME_BYTES).escape_debug(),
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Restrictions;

    fn identity(user: &str, place: Option<&str>) -> Identity {
        Identity {
            user: user.to_owned(),
            place: place.map(str::to_owned),
            connection_id: String::new(),
            remote_address: "127.0.0.1:1".parse().unwrap(),
            local_address: "127.0.0.1:2".parse().unwrap(),
            restrictions: Restrictions::default(),
            facts: std::sync::Arc::default(),
            client: std::sync::Arc::new(crate::backend::NoClient),
        }
    }

    fn route(name: &str, host: Option<&str>, users: Option<&[&str]>) -> Route {
        Route {
            name: name.to_owned(),
            host: host.map(str::to_owned),
            port: 22,
            user: UserName::Same,
            users: users.map(|users| users.iter().map(|&user| user.to_owned()).collect()),
            fingerprints: None,
        }
    }

    fn led(routes: &[Route], user: &str, place: &str) -> Option<String> {
        let identity = identity(user, Some(place));
        let way = find(routes, None, &HostKeys::default(), &identity);
        way.ok().map(|way| way.target.host)
    }

    #[test]
    fn only_what_is_named_is_reached() {
        let routes = [
            route("db", Some("10.0.0.5"), Some(&["alice"])),
            route("*.example.com", None, None),
            route("web.example.com", Some("10.0.0.6"), Some(&["alice"])),
            route("10.0.0.*", None, None),
            route("closed", None, Some(&[])),
        ];
        let led = |user, place| led(&routes, user, place);
        assert_eq!(led("alice", "db").as_deref(), Some("10.0.0.5"));
        assert_eq!(led("alice", "DB").as_deref(), Some("10.0.0.5"));
        assert_eq!(led("bob", "db"), None);
        assert_eq!(led("alice", "closed"), None);
        assert_eq!(
            led("bob", "a.example.com").as_deref(),
            Some("a.example.com")
        );
        assert_eq!(led("alice", "web.example.com").as_deref(), Some("10.0.0.6"));
        // The pattern does not open what the name closes.
        assert_eq!(led("bob", "web.example.com"), None);
        assert_eq!(led("bob", "10.0.0.7").as_deref(), Some("10.0.0.7"));
        for nowhere in [
            "",
            "10.0.0.7.evil.example.org",
            "10.0.0.x",
            "example.com",
            "a.example.com.",
            "a.example.com/x",
            "a@b.example.com",
            "\u{e4}.example.com",
        ] {
            assert_eq!(led("alice", nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn nobody_is_led_anywhere_unasked() {
        let trusted = HostKeys::default();
        let error = find(&[], None, &trusted, &identity("alice", None)).unwrap_err();
        assert!(error.for_user().contains("say where to"));
        let error = find(&[], None, &trusted, &identity("alice", Some("db"))).unwrap_err();
        assert!(error.for_user().contains("`db` is no place"));
    }
}
