//! `security.forwarding`.

use super::Backend;
use super::report::Report;
use super::security::effective;
use crate::config::at::At;
use crate::config::raw::{self, Mode};
use auditssh_gateway::backend::local::RunAs;
use auditssh_gateway::security;
use auditssh_gateway::security::{Forwarding, GatewayPorts, NoPlace, Place, Places};

/// Places that a list may have.
const PLACES: usize = 10_000;

pub(super) fn check(raw: &raw::Forwarding, default: Mode, report: &mut Report) -> Forwarding {
    let mode = |own: &At<Mode>| effective(own.value, default);
    Forwarding {
        open: Places {
            mode: mode(&raw.direct),
            permit: places(
                "forwardingMode",
                mode(&raw.direct),
                &raw.permit_open,
                Place::open,
                report,
            ),
        },
        listen: Places {
            mode: mode(&raw.reverse),
            permit: places(
                "reverseForwardingMode",
                mode(&raw.reverse),
                &raw.permit_listen,
                Place::listen,
                report,
            ),
        },
        socket: mode(&raw.socket),
        socket_listen: mode(&raw.socket_listen),
        x11: mode(&raw.x11),
        agent: mode(&raw.agent),
        gateway_ports: match raw.gateway_ports {
            raw::GatewayPorts::No => GatewayPorts::No,
            raw::GatewayPorts::ClientSpecified => GatewayPorts::ClientSpecified,
            raw::GatewayPorts::Yes => GatewayPorts::Yes,
        },
    }
}

/// A list that nobody looks at would allow more than whoever wrote it meant.
fn places(
    key: &str,
    mode: security::Mode,
    list: &[At<String>],
    parse: impl Fn(&str) -> Result<Place, NoPlace>,
    report: &mut Report,
) -> Vec<Place> {
    if let Some(first) = list.first() {
        match mode {
            security::Mode::Enable => report.fault(
                first,
                format!("the list counts with `{key}: filter` only, and everything is allowed: write that"),
            ),
            security::Mode::Disable => report.warn(
                first,
                format!("the list counts with `{key}: filter` only; as it is, nothing is allowed"),
            ),
            security::Mode::Filter => {}
        }
    }
    if let Some(beyond) = list.get(PLACES) {
        report.fault(
            beyond,
            format!("no list may have more than {PLACES} entries"),
        );
    }
    let mut places = Vec::new();
    for entry in list {
        match parse(&entry.value) {
            Ok(place) => places.push(place),
            Err(error) => report.fault(entry, error.to_string()),
        }
    }
    places
}

/// What the backend can't do is not left to be found out.
pub(super) fn fits(
    raw: &raw::Forwarding,
    forwarding: &Forwarding,
    backend: &Backend,
    report: &mut Report,
) {
    let local = match backend {
        Backend::Local(local) => local,
        Backend::SshProxy(_) => return,
        Backend::Docker(_) => return nothing(raw, report),
        #[cfg(feature = "kubernetes")]
        Backend::Kubernetes(_) => return nothing(raw, report),
    };
    if local.run_as == RunAs::Own {
        return;
    }
    for (mode, written) in [
        (forwarding.socket, &raw.socket),
        (forwarding.socket_listen, &raw.socket_listen),
    ] {
        if mode == security::Mode::Enable {
            report.fault(
                written,
                "with `local.user: login`, the server can't open sockets with the rights of the \
                 account; write `disable`",
            );
        }
    }
}

/// Backends with containers forward nothing.
fn nothing(raw: &raw::Forwarding, report: &mut Report) {
    for written in [
        &raw.direct,
        &raw.reverse,
        &raw.socket,
        &raw.socket_listen,
        &raw.x11,
        &raw.agent,
    ] {
        if written.place.is_some() && matches!(written.value, Mode::Enable | Mode::Filter) {
            report.fault(
                written,
                "this backend forwards nothing (`local` and `sshproxy` do); write `disable`",
            );
        }
    }
}
