//! Connections that go over the one to the server.

use super::legs::Seat;
use super::port::{Output, Stream};
use super::registry::{Kind, Registered};
use crate::backend::{Arrival, Bind, Listener, Pipe, Refused, Target};
use crate::russh::{Failure, UpstreamChannel};
use async_trait::async_trait;
use std::any::Any;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A channel to the server, as a connection; with what is held as long.
pub(crate) fn pipe(channel: UpstreamChannel, held: impl Any + Send) -> Pipe {
    let port = Arc::clone(&channel.port);
    port.forwards();
    Pipe {
        reader: Box::new(Output::new(&port, Stream::Stdout)),
        writer: channel.stdin(),
        gone: Some(Box::pin(async move { port.shut().await })),
        held: Box::new((channel, held)),
    }
}

/// Has the server connect somewhere. In a task of its own: who waits may give up, and a channel
/// that is confirmed later must not be left with nobody to read it.
pub(super) async fn reach(seat: Seat, target: &Target) -> Result<Pipe, Refused> {
    let (sender, opened) = oneshot::channel::<Result<(UpstreamChannel, Seat), Failure>>();
    let (ports, target) = (Arc::clone(seat.ports()), target.clone());
    ports.spawn(async move {
        let _asking = seat.ports().asking();
        let opened = seat.upstream().reach(&target).await;
        let _ = sender.send(opened.map(|channel| (channel, seat)));
    });
    match opened.await {
        Ok(Ok((channel, seat))) => Ok(pipe(channel, seat)),
        Ok(Err(failure)) => Err(Refused::told(failure.to_string())),
        Err(_) => Err(ports.lost()),
    }
}

/// Has the server listen. Who gives up on the answer ends the connection: the request is recorded
/// as failed, and must not have its effect later.
pub(super) async fn listen(seat: Arc<Seat>, bind: &Bind) -> Result<Box<dyn Listener>, Refused> {
    let ports = seat.ports();
    // Before it is asked: a connection may arrive together with the answer.
    let registered = ports.registry.register(match bind {
        Bind::Tcp { interface, port } => Kind::Tcp(interface.to_string(), (*port).into()),
        Bind::Socket(path) => Kind::Socket(path.clone()),
    });
    let _asking = ports.asking();
    let unanswered = ports.end_on_drop();
    let answer = seat.upstream().listen(bind).await;
    unanswered.disarm();
    let chosen = answer.map_err(Refused::new)?;
    let port = match bind {
        Bind::Tcp { port: 0, .. } => chosen,
        Bind::Tcp { port, .. } => *port,
        Bind::Socket(_) => 0,
    };
    registered.chosen(port.into());
    Ok(Box::new(Remote {
        seat,
        registered,
        bind: bind.clone(),
        port,
    }))
}

/// What the server listens to.
struct Remote {
    seat: Arc<Seat>,
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
        self.seat.upstream().stop_listening(&bind).await;
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
