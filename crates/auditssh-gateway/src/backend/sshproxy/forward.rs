//! Connections that go over the one to the server.

use super::port::{Output, Stream};
use super::ports::Ports;
use super::registry::{Kind, Registered};
use crate::backend::{Arrival, Bind, Listener, Pipe, Refused, Target};
use crate::russh::{Upstream, UpstreamChannel};
use async_trait::async_trait;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Bytes that may come after the window was made small: what was granted before.
const MORE: usize = 8 * 1024 * 1024;

/// A channel to the server, as a connection.
pub(crate) fn pipe(channel: UpstreamChannel) -> Pipe {
    let port = Arc::clone(&channel.port);
    port.forwards(MORE);
    Pipe {
        reader: Box::new(Output::new(&port, Stream::Stdout)),
        writer: channel.stdin(),
        gone: Box::pin(async move { port.shut().await }),
        held: Box::new(channel),
    }
}

/// Has the server connect somewhere. In a task of its own: who waits may give up, and a channel
/// that is confirmed later must not be left with nobody to read it.
pub(super) async fn reach(
    upstream: &Arc<Upstream>,
    ports: &Arc<Ports>,
    target: &Target,
) -> Result<Pipe, Refused> {
    let (sender, opened) = oneshot::channel();
    let (upstream, target) = (Arc::clone(upstream), target.clone());
    ports.spawn(async move {
        let _ = sender.send(upstream.reach(&target).await);
    });
    match opened.await {
        Ok(Ok(channel)) => Ok(pipe(channel)),
        Ok(Err(failure)) => Err(Refused::told(failure.to_string())),
        Err(_) => Err(ports.lost()),
    }
}

/// Has the server listen. Who gives up on the answer ends the connection: the request is recorded
/// as failed, and must not have its effect later.
pub(super) async fn listen(
    upstream: &Arc<Upstream>,
    ports: &Arc<Ports>,
    bind: &Bind,
) -> Result<Box<dyn Listener>, Refused> {
    // Before it is asked: a connection may arrive together with the answer.
    let registered = ports.registry.register(match bind {
        Bind::Tcp { interface, port } => Kind::Tcp(interface.to_string(), (*port).into()),
        Bind::Socket(path) => Kind::Socket(path.clone()),
    });
    let unanswered = ports.end_on_drop();
    let answer = upstream.listen(bind).await;
    unanswered.disarm();
    let chosen = answer.map_err(Refused::new)?;
    let port = match bind {
        Bind::Tcp { port: 0, .. } => chosen,
        Bind::Tcp { port, .. } => *port,
        Bind::Socket(_) => 0,
    };
    registered.chosen(port.into());
    Ok(Box::new(Remote {
        upstream: Arc::clone(upstream),
        registered,
        bind: bind.clone(),
        port,
    }))
}

/// What the server listens to.
struct Remote {
    upstream: Arc<Upstream>,
    registered: Registered,
    bind: Bind,
    port: u16,
}

#[async_trait]
impl Listener for Remote {
    fn port(&self) -> u16 {
        self.port
    }

    async fn accept(&mut self) -> Option<Arrival> {
        self.registered.next().await
    }

    async fn close(self: Box<Self>) {
        let bind = match &self.bind {
            Bind::Tcp { interface, .. } => Bind::Tcp {
                interface: interface.clone(),
                port: self.port,
            },
            socket @ Bind::Socket(_) => socket.clone(),
        };
        self.upstream.stop_listening(&bind).await;
    }
}

/// Channels that the server opens for a session: to the agent, or to a display.
pub(super) struct ForSession(pub(super) Registered);

#[async_trait]
impl Listener for ForSession {
    async fn accept(&mut self) -> Option<Arrival> {
        self.0.next().await
    }
}
