//! Metrics that ContainerSSH has, under its names.

use super::sheet::Labels;
use super::sheet::Sheet;
use auditssh_gateway::{Attempts, Method, Origin};
use std::fmt;
use std::sync::Arc;

/// What became of the connections from each country.
pub(super) type Countries = [(String, Arc<Origin>)];

pub(super) fn write(sheet: &mut Sheet<'_>, countries: &Countries) -> fmt::Result {
    let by_country = |of: fn(&Origin) -> u64| {
        let series = countries.iter();
        series.map(move |(country, origin)| ([("country", country.as_str())], of(origin)))
    };
    sheet.counters(
        "containerssh_ssh_connections",
        "Connections that were let in",
        by_country(|origin| origin.served.value()),
    )?;
    sheet.gauges(
        "containerssh_ssh_current_connections",
        "Connections that are open",
        // The end is read first: what ends meanwhile counts as open.
        by_country(|origin| {
            let ended = origin.ended.value();
            origin.served.value().saturating_sub(ended)
        }),
    )?;
    sheet.counters(
        "containerssh_ssh_successful_handshakes",
        "Connections that logged in",
        by_country(|origin| origin.attempts.iter().map(|one| one.accepted.value()).sum()),
    )?;
    sheet.counters(
        "containerssh_ssh_failed_handshakes",
        "Connections that ended before a login",
        by_country(|origin| origin.failed_handshakes.value()),
    )?;
    sheet.counters(
        "containerssh_auth_success",
        "Logins",
        by_method(countries, |one| one.accepted.value()),
    )?;
    sheet.counters(
        "containerssh_auth_failures",
        "Passwords, keys and answers that did not lead to a login",
        by_method(countries, |one| one.refused.value() + one.failed.value()),
    )
}

/// A series for each country and method that someone tried there.
fn by_method(
    countries: &Countries,
    of: fn(&Attempts) -> u64,
) -> impl Iterator<Item = (Labels<'_, 2>, u64)> {
    countries.iter().flat_map(move |(country, origin)| {
        let methods = Method::ALL.into_iter().zip(&origin.attempts);
        methods.map(move |(method, attempts)| {
            let labels = [("authtype", name(method)), ("country", country.as_str())];
            (labels, of(attempts))
        })
    })
}

const fn name(method: Method) -> &'static str {
    match method {
        Method::PublicKey => "pubkey",
        other => other.name(),
    }
}
