//! `sshproxy.routes`.

use super::{fingerprints, name_of_host, user_name};
use crate::config::bounds;
use crate::config::check::report::Report;
use crate::config::raw::{self, SshProxy};
use auditssh_gateway::backend::sshproxy::Route;

/// What divides a login name.
pub(super) fn separator(block: &SshProxy, report: &mut Report) -> Option<char> {
    let at = &block.route_separator;
    match at.value.as_str() {
        "" => {
            if !block.routes.value.is_empty() {
                report.fault(
                    &block.routes,
                    "`routes` are given, but no `routeSeparator` by which users name one; set `\"%\"`",
                );
            }
            None
        }
        "%" => Some('%'),
        "+" => Some('+'),
        _ => {
            report.fault(at, "`routeSeparator` must be `%` or `+`");
            None
        }
    }
}

pub(super) fn check(block: &SshProxy, report: &mut Report) -> Vec<Route> {
    let all = &block.routes;
    let mut routes = Vec::new();
    for (name, route) in &all.value {
        if !is_name(name) {
            report.fault(
                all,
                format!(
                    "`routes`: `{}` is not a name or a pattern; letters, digits and .-_:*? are known",
                    name.escape_debug()
                ),
            );
        } else if is_open(name) {
            report.fault(
                all,
                format!("`routes`: `{name}` would lead to every host; name a domain or a network"),
            );
        } else if route.server.is_none() {
            judge_domain(name, block, report);
        }
        routes.push(checked(name, route, block, report));
    }
    routes
}

fn checked(name: &str, route: &raw::Route, block: &SshProxy, report: &mut Report) -> Route {
    if let Some(server) = &route.server {
        name_of_host(server, report);
    }
    let own = fingerprints(&route.allowed_host_key_fingerprints, report);
    let pass_through = route.username_pass_through;
    let same = pass_through.unwrap_or(route.username.is_none() && block.username_pass_through);
    let username = route.username.as_ref().unwrap_or(&block.username.value);
    if !same && username.is_empty() {
        report.fault(
            &block.routes,
            format!("`routes`: `{name}` has no `username`, and neither has `sshproxy`"),
        );
    }
    if let Some(users) = route.users.as_ref().filter(|users| users.value.is_empty()) {
        report.fault(
            users,
            "`users` is empty, so nobody could use the route: remove the route, or name users",
        );
    }
    Route {
        name: name.to_owned(),
        host: route.server.as_ref().map(|server| server.value.clone()),
        port: report.within(&route.port, bounds::PORT),
        user: user_name(same, username),
        users: route.users.as_ref().map(|users| users.value.clone()),
        fingerprints: (!own.is_empty()).then_some(own),
    }
}

fn is_name(name: &str) -> bool {
    let letters = |letter: u8| letter.is_ascii_alphanumeric() || b".-_:*?".contains(&letter);
    !name.is_empty() && name.bytes().all(letters)
}

/// A pattern that leads to the host that the user names must end with a domain: others could have names
/// that end like it.
fn judge_domain(name: &str, block: &SshProxy, report: &mut Report) {
    let Some((_, end)) = name.rsplit_once(['*', '?']) else {
        return;
    };
    // One that ends with a wildcard is for addresses only.
    if end.is_empty() {
        return;
    }
    match end.split_once('.') {
        Some((_, domain)) if domain.contains('.') => {}
        Some(("", domain)) if !domain.is_empty() => report.warn(
            &block.routes,
            format!(
                "`routes`: `{name}` leads to every host whose name ends so; that must be a domain of your \
                 own network, not one in which anybody can have a name"
            ),
        ),
        _ => report.fault(
            &block.routes,
            format!(
                "`routes`: others can have names that end like `{name}`; write a whole domain, such as \
                 `*.db.example.com`, or give the route a `server`"
            ),
        ),
    }
}

/// Whether nothing but wildcards and dots stands there.
fn is_open(name: &str) -> bool {
    name.bytes().all(|letter| b"*?.:".contains(&letter))
}
