//! The loop that accepts, and what is done off it for each connection.

use super::balancer::{self, Ends, Unknown};
use super::refusal::{self, TOO_MANY, UNAVAILABLE};
use super::{Notices, Shared};
use crate::connection;
use crate::descriptors::Reserve;
use crate::notice::Notice;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long accepting pauses after it failed, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Accepts on one address.
pub(super) struct Acceptor {
    shared: Arc<Shared>,
    listener: TcpListener,
    shutdown: CancellationToken,
    reserve: Reserve,
}

impl Acceptor {
    pub(super) fn new(
        shared: Arc<Shared>,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            shared,
            listener,
            shutdown,
            reserve: Reserve::new(),
        }
    }

    pub(super) async fn run(mut self) {
        let mut pause = PAUSE.0;
        loop {
            let accepted = tokio::select! {
                () = self.shutdown.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((tcp, remote)) => {
                    pause = PAUSE.0;
                    arrived(&self.shared, tcp, remote);
                }
                Err(error) => {
                    self.failed(&error);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE.1);
                }
            }
        }
    }

    /// Accepting fails for want of descriptors or memory, or since the client has gone already:
    /// never a reason to stop. If descriptors are lacking, one client is told so.
    fn failed(&mut self, error: &io::Error) {
        let shared = &self.shared;
        shared.counters.accept_failures.add();
        warn(
            &shared.notices,
            |all| &all.accept,
            "a connection could not be accepted",
            error,
        );
        let raw = error
            .raw_os_error()
            .map(rustix::io::Errno::from_raw_os_error);
        if let Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) = raw {
            let message = refusal::message(
                &shared.terms.now().settings.server_version,
                TOO_MANY,
                "the server has no room for another connection; try again later",
            );
            let listener = &self.listener;
            self.reserve.lend(|| {
                if let Ok(socket) = rustix::net::accept(listener) {
                    let _ = rustix::net::send(&socket, &message, rustix::net::SendFlags::NOSIGNAL);
                }
            });
        }
    }
}

fn warn(
    notices: &Notices,
    of: impl Fn(&Notices) -> &Notice,
    what: &str,
    why: &dyn std::fmt::Display,
) {
    if let Some(withheld) = of(notices).due() {
        tracing::warn!(reason = %why, withheld, "{what}");
    }
}

/// A connection was accepted: the rest is done in a task of its own.
fn arrived(shared: &Arc<Shared>, tcp: TcpStream, remote: SocketAddr) {
    let accepted = Instant::now();
    shared.counters.connections.add();
    let Ok(room) = Arc::clone(&shared.connections).try_acquire_owned() else {
        shared.counters.refused_connections.add();
        let why = "as many connections as are allowed (limits.connections)";
        warn(
            &shared.notices,
            |all| &all.connections,
            "a connection was refused",
            &why,
        );
        refuse_at_once(shared, &tcp);
        return;
    };
    let shared = Arc::clone(shared);
    let tasks = shared.tasks.clone();
    tasks.spawn(async move { admitted(shared, tcp, remote, room, accepted).await });
}

/// There is no room even to wait for the client: what the socket takes is sent, no more.
fn refuse_at_once(shared: &Shared, tcp: &TcpStream) {
    let text = "too many connections; try again later";
    let message = refusal::message(&shared.terms.now().settings.server_version, TOO_MANY, text);
    let _ = rustix::net::send(tcp, &message, rustix::net::SendFlags::NOSIGNAL);
}

/// Whose connection it is; `None` if a balancer that should tell does not.
async fn introduced(shared: &Shared, tcp: &mut TcpStream, remote: SocketAddr) -> Option<Ends> {
    let local = tcp.local_addr().unwrap_or(remote);
    let terms = shared.terms.now();
    let told = terms.settings.balancers.ends(tcp, Ends { remote, local });
    let told = tokio::select! {
        told = told => told,
        // Nobody was let in yet.
        () = shared.shutdown.cancelled() => return None,
    };
    match told {
        Ok(ends) => return Some(ends),
        Err(Unknown::Nothing) => {
            tracing::debug!(balancer = %remote, "it looked whether the server is there");
        }
        Err(error) => {
            shared.counters.refused_unintroduced.add();
            let why = format!("{error} (ssh.proxyProtocol; the last from {})", remote.ip());
            warn(
                &shared.notices,
                |all| &all.balancer,
                "a balancer's connection was refused",
                &why,
            );
        }
    }
    None
}

async fn admitted(
    shared: Arc<Shared>,
    mut tcp: TcpStream,
    remote: SocketAddr,
    room: OwnedSemaphorePermit,
    accepted: Instant,
) {
    let Some(ends) = introduced(&shared, &mut tcp, remote).await else {
        return balancer::leave(tcp).await;
    };
    let remote = ends.remote;
    let pass = match shared.gate.enter(remote.ip()).await {
        Ok(pass) => pass,
        Err(full) => {
            shared.counters.refused_unauthenticated.add();
            let why = format!("{full}, the last from {}", remote.ip());
            warn(
                &shared.notices,
                |all| &all.gate,
                "a connection was refused",
                &why,
            );
            return refuse_at_once(&shared, &tcp);
        }
    };
    match shared.archive.create().await {
        Ok(recorder) => {
            let ends = (ends.remote, ends.local);
            connection::serve(shared, tcp, ends, recorder, pass, accepted).await;
        }
        Err(error) => {
            shared.counters.refused_unrecorded.add();
            warn(
                &shared.notices,
                |all| &all.log,
                "a connection was refused",
                &error,
            );
            let text = "this connection can't be recorded and is refused; \
                        tell the server's administrator";
            let terms = shared.terms.now();
            let message = refusal::message(&terms.settings.server_version, UNAVAILABLE, text);
            refusal::send(tcp, &message).await;
            drop(pass);
        }
    }
    drop(room);
}
