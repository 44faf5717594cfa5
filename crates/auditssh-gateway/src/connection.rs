//! One connection, from the accept to its last message.

use crate::mark::Mark;
use crate::russh::{Config, Running};
use crate::server::{Agreed, Pass, Shared};
use crate::session::{Ended, Link, Login};
use crate::wire::{Line, Wire};
use auditssh_archive::{Entry, Recorder};
use auditssh_log::Event;
use auditssh_log::extension::FailedHandshake;
use auditssh_log::message::{Connect, HandshakeFailed};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::Instrument;

/// How long the client may take to hang up once it was told to.
const HANG_UP: Duration = Duration::from_secs(2);
/// How long the SSH library may take to notice that the connection is cut.
const CUT: Duration = Duration::from_secs(5);
/// Longer than any connection lasts.
const FAR: Duration = Duration::from_hours(24 * 365 * 10);

/// Serves one connection, between its remote and its local end, whose log is begun; returns when
/// the log is closed.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    tcp: TcpStream,
    ends: (SocketAddr, SocketAddr),
    recorder: Recorder,
    pass: Pass,
    accepted: Instant,
) {
    let agreed = shared.terms.now();
    let link = Link::new(
        recorder,
        Line::new(tcp),
        Arc::clone(&agreed.settings),
        Arc::clone(&shared.counters),
        ends,
    );
    link.origin.served.add();
    // In a task of its own, so that a panic leaves the log to be closed here.
    let body = run(shared, Arc::clone(&link), agreed, pass, accepted);
    let body = tokio::spawn(body.instrument(link.span.clone()));
    if body.await.is_err() {
        panicked(&link);
    }
    end(&link).instrument(link.span.clone()).await;
}

/// Closes what is open, and at last the log.
async fn end(link: &Link) {
    link.finish().await;
    if let Err(error) = link.recorder.finish().await {
        tracing::error!(
            connection = link.recorder.connection_id(),
            %error,
            "the log could not be closed"
        );
    }
    link.origin.ended.add();
}

async fn run(
    shared: Arc<Shared>,
    link: Arc<Link>,
    agreed: Arc<Agreed>,
    pass: Pass,
    accepted: Instant,
) {
    let address = link.remote.ip().to_canonical();
    let connect = Event::Connect(Connect {
        remote_addr: address.to_string().into(),
        country: link.country.as_str().into(),
    });
    if link.record(connect).await.is_err() {
        return;
    }
    let deadline = accepted + link.settings.limits.login_grace_time;
    let reason = match start(&shared, &link, &agreed.config, deadline).await {
        Ok(running) => {
            Watch {
                shared: &shared,
                link: &link,
                running,
                pass: Some(pass),
            }
            .until_the_end(deadline)
            .await
        }
        Err(reason) => Some(reason),
    };
    let reason = link.farewell().or(reason.as_deref());
    if link.logged_in.is_cancelled() {
        let connection = link.recorder.connection_id();
        let reason = reason.unwrap_or("the client left");
        tracing::info!(connection, reason, "connection ended");
    } else {
        handshake_failed(&link, reason);
    }
}

async fn start(
    shared: &Shared,
    link: &Arc<Link>,
    config: &Config,
    deadline: Instant,
) -> Result<Running, String> {
    let mark = Mark::new(link.recorder.connection_id());
    let wire = Wire::new(Arc::clone(&link.line), mark);
    let login = Login::new(Arc::clone(link), shared.door.clone());
    tokio::select! {
        started = Running::start(config, wire, link, login) => {
            started.map_err(|ended| ended.to_string())
        }
        () = sleep_until(deadline) => Err(late(link)),
        () = shared.shutdown.cancelled() => Err("the server is shutting down".to_owned()),
    }
}

/// Looks after a connection that the SSH library serves.
struct Watch<'a> {
    shared: &'a Shared,
    link: &'a Arc<Link>,
    running: Running,
    /// Counts as not logged in as long as it is held.
    pass: Option<Pass>,
}

impl Watch<'_> {
    /// Returns why the connection ended, if that is known.
    async fn until_the_end(mut self, deadline: Instant) -> Option<String> {
        let mut told = false;
        let mut hang_up = None;
        let far = || Instant::now() + FAR;
        let mut leave_at = far();
        loop {
            let logged_in = self.pass.is_none();
            tokio::select! {
                ended = self.running.ended() => return self.ended(ended),
                () = self.link.logged_in.cancelled(), if !logged_in => self.pass = None,
                () = sleep_until(deadline), if !logged_in => {
                    let reason = late(self.link);
                    return self.end(&reason).await;
                }
                error = self.link.recorder.failed() => {
                    self.link.counters.recording_failures.add();
                    let reason = "what happens here can't be recorded; the session is ended";
                    tracing::error!(
                        connection = self.link.recorder.connection_id(), %error, "{reason}"
                    );
                    self.link.announce(reason, false).await;
                    return self.end(reason).await;
                }
                () = self.shared.shutdown.cancelled(), if !told => {
                    told = true;
                    leave_at = Instant::now() + self.leave().await;
                }
                () = sleep_until(leave_at), if told => {
                    return self.end("the server is shutting down").await;
                }
                () = self.shared.hurry.cancelled() => {
                    return self.end("the server is shutting down").await;
                }
                () = self.link.line.closing(), if hang_up.is_none() => {
                    hang_up = Some(Instant::now() + HANG_UP);
                }
                () = sleep_until(hang_up.unwrap_or_else(far)), if hang_up.is_some() => {
                    self.link.line.cut();
                    hang_up = Some(far());
                }
            }
        }
    }

    /// The server ends: tells the user, and returns how long the session may go on.
    async fn leave(&self) -> Duration {
        self.link.leaving.cancel();
        if self.pass.is_some() || self.link.idle() {
            return Duration::ZERO;
        }
        // The server's own: it waits no longer.
        let grace = self.shared.terms.now().settings.limits.shutdown_grace;
        let text = format!(
            "the server is shutting down; this session ends in {} s",
            grace.as_secs()
        );
        self.link.announce(&text, true).await;
        grace
    }

    /// Says goodbye, then cuts the connection.
    async fn end(mut self, reason: &str) -> Option<String> {
        self.link.disconnect(reason).await;
        if timeout(HANG_UP / 2, self.running.ended()).await.is_err() {
            self.link.over.cancel();
            self.link.line.cut();
            if timeout(CUT, self.running.ended()).await.is_err() {
                tracing::error!(
                    connection = self.link.recorder.connection_id(),
                    "the SSH library does not let go of the connection"
                );
            }
        }
        Some(reason.to_owned())
    }

    fn ended(&self, ended: Result<(), Ended>) -> Option<String> {
        match ended {
            Ok(()) => None,
            Err(Ended::Panic) => {
                panicked(self.link);
                Some("internal error".to_owned())
            }
            Err(ended) => Some(ended.to_string()),
        }
    }
}

fn late(link: &Link) -> String {
    link.counters.login_timeouts.add();
    let limit = link.settings.limits.login_grace_time;
    format!("not logged in within {limit:?} (limits.loginGraceTime)")
}

fn panicked(link: &Link) {
    link.counters.panics.add();
    tracing::error!(
        connection = link.recorder.connection_id(),
        "a panic ended the connection; please report it with what precedes this line"
    );
}

/// 198, with what both sides said in clear.
fn handshake_failed(link: &Link, reason: Option<&str>) {
    link.origin.failed_handshakes.add();
    let hellos = link.line.hellos();
    let reason = reason.unwrap_or("the client went away before it logged in");
    let extra = FailedHandshake {
        client_version: hellos.client.version,
        server_version: hellos.server.version,
        client_offer: hellos.client.offer,
        server_offer: hellos.server.offer,
    };
    let event = Event::HandshakeFailed(HandshakeFailed {
        reason: reason.into(),
    });
    let entry = Entry::from(event).with(extra.to_extra());
    // Nothing waits for it but the end of the log, which is written in order.
    drop(link.recorder.append(entry));
}
