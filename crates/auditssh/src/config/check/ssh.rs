//! `ssh`.

use super::algorithms::{Lists, choose, choose_host_keys};
use super::report::Report;
use crate::config::bounds;
use crate::config::duration::Span;
use crate::config::raw;
use auditssh_gateway::{Algorithms, Balancers};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The key of a server whose configuration names none.
const DEFAULT_HOST_KEY: &str = "/etc/auditssh/ssh_host_ed25519_key";
/// Less than the 255 of RFC 4253, 4.2: some clients keep less room.
const VERSION_BYTES: usize = 200;

/// The SSH side, checked.
#[derive(Clone, Debug)]
pub(crate) struct Ssh {
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) balancers: Balancers,
    pub(crate) host_keys: HostKeys,
    pub(crate) banner: String,
    pub(crate) server_version: String,
    /// `None`: clients are never asked.
    pub(crate) client_alive_interval: Option<Duration>,
    pub(crate) client_alive_count_max: usize,
    pub(crate) rekey_bytes: usize,
    pub(crate) algorithms: Algorithms,
}

/// Where the server's keys lie.
#[derive(Clone, Debug)]
pub(crate) enum HostKeys {
    /// In these files, which must be there.
    Given(Vec<PathBuf>),
    /// In this file, which is made if it is missing.
    Made(PathBuf),
}

pub(super) fn check(raw: &raw::Ssh, report: &mut Report) -> Ssh {
    let listen = listen(raw, report);
    if let Err(message) = version(&raw.server_version.value, "serverVersion") {
        report.fault(&raw.server_version, message);
    }
    let interval = report.within(&raw.client_alive_interval, bounds::CLIENT_ALIVE_INTERVAL);
    let count = &raw.client_alive_count_max;
    Ssh {
        listen,
        balancers: balancers(raw, report),
        host_keys: host_keys(raw, report),
        banner: raw.banner.clone(),
        server_version: raw.server_version.value.clone(),
        client_alive_interval: (interval > Span::default()).then(|| interval.into()),
        client_alive_count_max: report.within(count, bounds::CLIENT_ALIVE_COUNT_MAX),
        rekey_bytes: report.within(&raw.rekey_limit, bounds::REKEY_LIMIT).into(),
        algorithms: algorithms(raw, report),
    }
}

fn listen(raw: &raw::Ssh, report: &mut Report) -> Vec<SocketAddr> {
    let addresses: Vec<_> = raw.listen.value.0.iter().map(|it| it.0).collect();
    if addresses.is_empty() {
        report.fault(
            &raw.listen,
            "`listen` is an empty list: give an address and a port",
        );
    }
    let mut seen = HashSet::new();
    for address in &addresses {
        // Port 0 is another one each time.
        if address.port() != 0 && !seen.insert(*address) {
            report.fault(
                &raw.listen,
                format!("`listen` names {address} more than once; remove one of them"),
            );
        }
    }
    addresses
}

fn balancers(raw: &raw::Ssh, report: &mut Report) -> Balancers {
    let Some(networks) = &raw.proxy_protocol else {
        return Balancers::default();
    };
    let given = &networks.value.0;
    if given.iter().any(|one| one.ends_with("/0")) {
        report.warn(
            networks,
            "`proxyProtocol` believes everybody: whoever connects can claim any address; give the \
             addresses of the balancers",
        );
    }
    Balancers::at(given).unwrap_or_else(|reason| {
        report.fault(networks, format!("`proxyProtocol`: {reason}"));
        Balancers::default()
    })
}

fn algorithms(raw: &raw::Ssh, report: &mut Report) -> Algorithms {
    let mut algorithms = Algorithms::for_clients();
    let lists = Lists {
        kex: &raw.kex,
        ciphers: &raw.ciphers,
        macs: &raw.macs,
    };
    choose(&lists, &mut algorithms, report);
    let keys = &raw.host_key_algorithms;
    choose_host_keys(keys, "hostKeyAlgorithms", &mut algorithms, report);
    algorithms
}

fn host_keys(raw: &raw::Ssh, report: &mut Report) -> HostKeys {
    for key in &raw.hostkeys {
        if key.value.starts_with("-----") {
            report.fault(
                key,
                "a key stands here where the path of a file is wanted; write the key into a file \
                 of mode 0600 and give its path",
            );
        } else if key.value.is_empty() {
            report.fault(key, "the path of a host key is empty");
        }
    }
    let mut named = raw.hostkeys.iter().map(|key| key.value.as_str());
    if named.all(|path| path == DEFAULT_HOST_KEY) {
        return HostKeys::Made(DEFAULT_HOST_KEY.into());
    }
    HostKeys::Given(raw.hostkeys.iter().map(|key| (&key.value).into()).collect())
}

/// RFC 4253, 4.2, for the value of a key.
pub(super) fn version(text: &str, key: &str) -> Result<(), String> {
    if text.len() > VERSION_BYTES {
        return Err(format!(
            "`{key}` has {} bytes; {VERSION_BYTES} are allowed",
            text.len()
        ));
    }
    let software = text.strip_prefix("SSH-2.0-").unwrap_or_default();
    let (software, comment) = software.split_once(' ').unwrap_or((software, ""));
    let named = !software.is_empty() && !software.contains('-');
    let printable = |byte: u8| (b' '..=b'~').contains(&byte);
    if named && software.bytes().chain(comment.bytes()).all(printable) {
        return Ok(());
    }
    Err(format!(
        "`{key}` must be `SSH-2.0-`, then printable ASCII without blanks or `-`, then optionally a \
         blank and a comment"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_rfc() {
        for good in ["SSH-2.0-AuditSSH", "SSH-2.0-x_1.2 a - comment"] {
            assert_eq!(version(good, "x"), Ok(()), "{good}");
        }
        let long = format!("SSH-2.0-{}", "x".repeat(246));
        for bad in [
            "",
            "SSH-2.0-",
            "SSH-1.99-x",
            "SSH-2.0-a-b",
            "SSH-2.0-ä",
            "SSH-2.0-a\n",
            &long,
        ] {
            assert!(version(bad, "x").is_err(), "{bad}");
        }
    }
}
