//! The TCP connection to a server.

use super::settings::Target;
use crate::wire::Line;
use socket2::{SockRef, TcpKeepalive};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// How long one of several addresses of a host may take.
const ADDRESS: Duration = Duration::from_secs(10);
/// Addresses of a host that are tried.
const ADDRESSES: usize = 8;
/// After this silence the system asks whether the server is still there, so often, every so many
/// seconds: a server that vanished is noticed after two minutes.
const SILENCE: Duration = Duration::from_mins(1);
const PROBES: u32 = 4;
const PROBE: Duration = Duration::from_secs(15);

/// Connects to the first address of the host that answers. The error has the remedy.
pub(super) async fn dial(target: &Target) -> Result<Arc<Line>, String> {
    let found = lookup_host((target.host.as_str(), target.port)).await;
    let addresses = found.map_err(|error| {
        format!("{target}: the host's name can't be looked up: {error}; look at `sshproxy.server`")
    })?;
    let addresses: Vec<SocketAddr> = addresses.take(ADDRESSES).collect();
    let mut failures = Vec::new();
    for address in &addresses {
        match timeout(ADDRESS, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => return Ok(line(tcp)),
            Ok(Err(error)) => failures.push(format!("{address}: {error}")),
            Err(_) => failures.push(format!("{address}: no answer within {ADDRESS:?}")),
        }
    }
    Err(format!(
        "{target} can't be reached ({}); look whether an SSH server listens there, and at \
         `sshproxy.server` and `sshproxy.port`",
        failures.join(", ")
    ))
}

fn line(tcp: TcpStream) -> Arc<Line> {
    let line = Line::new(tcp);
    let keepalive = TcpKeepalive::new()
        .with_time(SILENCE)
        .with_interval(PROBE)
        .with_retries(PROBES);
    // Without it a server that vanished is noticed later.
    let _ = SockRef::from(line.tcp()).set_tcp_keepalive(&keepalive);
    line
}
