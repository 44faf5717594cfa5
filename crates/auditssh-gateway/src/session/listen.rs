//! Ports and sockets that are listened to for a client.

use super::backward::{Backward, deliver};
use super::{Ended, Link};
use crate::backend::{Bind, Connection, Listener, Refused};
use crate::security::Guard;
use auditssh_archive::Entry;
use auditssh_log::Event;
use auditssh_log::extension::ForwardAnswer;
use auditssh_log::message::{ReverseForward, StreamLocal};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// How long the end of a listener may take at the end of the connection.
const AT_THE_END: Duration = Duration::from_secs(1);
/// Longer than any address or path of a socket.
const LONGEST_NAME: usize = 256;

/// What a client asks to have listened to, or to have ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Asked {
    /// `tcpip-forward`: an address and a port.
    Tcp(String, u32),
    /// `streamlocal-forward@openssh.com`: a path.
    Socket(String),
}

/// What is listened to.
#[derive(Debug)]
pub(super) struct Listeners {
    requested: Mutex<HashMap<Asked, Listening>>,
    room: Arc<Semaphore>,
}

#[derive(Clone, Debug)]
struct Listening {
    stop: CancellationToken,
    stopped: CancellationToken,
}

impl Listeners {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            requested: Mutex::default(),
            room: Arc::new(Semaphore::new(limit)),
        }
    }

    fn requested(&self) -> MutexGuard<'_, HashMap<Asked, Listening>> {
        self.requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for one more.
    pub(super) fn room(&self) -> Result<OwnedSemaphorePermit, Refused> {
        let room = Arc::clone(&self.room).try_acquire_owned();
        room.map_err(|_| Refused::new("too much is listened to already (limits.listeners)"))
    }
}

impl Asked {
    fn event(&self) -> Event {
        match self {
            Self::Tcp(host, port) => Event::ForwardTcpip(address(host, *port)),
            Self::Socket(path) => Event::ForwardStreamLocal(socket(path)),
        }
    }

    fn cancelled(&self) -> Event {
        match self {
            Self::Tcp(host, port) => Event::CancelForwardTcpip(address(host, *port)),
            Self::Socket(path) => Event::CancelForwardStreamLocal(socket(path)),
        }
    }

    /// What a backend is asked for, if that is allowed.
    fn bind(&self, guard: &Guard, longest: usize) -> Result<Bind, Refused> {
        let (Self::Tcp(text, _) | Self::Socket(text)) = self;
        if text.len() > longest.max(LONGEST_NAME) {
            return Err(Refused::new("the name is too long (limits.nameBytes)"));
        }
        match self {
            Self::Tcp(host, port) => {
                let interface = guard.listen(host, *port)?;
                let port = u16::try_from(*port);
                let port = port.map_err(|_| Refused::new("there is no such port"))?;
                Ok(Bind::Tcp { interface, port })
            }
            Self::Socket(path) => {
                guard.socket_listen(path)?;
                Ok(Bind::Socket(path.clone()))
            }
        }
    }

    /// As it is called from now on: by the port that was chosen.
    fn on(self, chosen: u16) -> Self {
        match self {
            Self::Tcp(host, 0) => Self::Tcp(host, chosen.into()),
            other => other,
        }
    }

    fn channel(&self) -> Backward {
        match self {
            Self::Tcp(host, port) => Backward::Tcp(host.clone(), *port),
            Self::Socket(path) => Backward::Socket(path.clone()),
        }
    }
}

fn address(host: &str, port: u32) -> ReverseForward {
    ReverseForward {
        bind_host: host.into(),
        bind_port: port.into(),
    }
}

fn socket(path: &str) -> StreamLocal {
    StreamLocal { path: path.into() }
}

impl Link {
    /// `tcpip-forward`, `streamlocal-forward@openssh.com`: the port that is listened to; `None` if it
    /// is refused.
    pub(crate) async fn listen(self: &Arc<Self>, asked: Asked) -> Result<Option<u16>, Ended> {
        self.record(asked.event()).await?;
        let open = matches!(asked, Asked::Tcp(_, 0));
        let (answer, port) = match self.try_listen(asked).await? {
            Ok(port) => {
                let chosen = open.then_some(port.into());
                let answer = ForwardAnswer {
                    port: chosen,
                    refused: None,
                };
                (answer, Some(port))
            }
            Err(refused) => (refusal(&refused), None),
        };
        self.answer(answer).await?;
        Ok(port)
    }

    /// The cancellation of that; whether there was something to end.
    pub(crate) async fn stop_listening(&self, asked: Asked) -> Result<bool, Ended> {
        self.record(asked.cancelled()).await?;
        let listening = self.listeners.requested().remove(&asked);
        let result = match listening {
            Some(listening) => {
                listening.stop.cancel();
                let limit = self.settings.limits.backend_request;
                let stopped = tokio::time::timeout(limit, listening.stopped.cancelled());
                let stopped = self.unless_over(stopped).await?;
                stopped.map_err(|_| Refused::new(format!("not ended within {limit:?}")))
            }
            None => Err(Refused::new("nothing is listened to there")),
        };
        let answer = match &result {
            Ok(()) => ForwardAnswer::default(),
            Err(refused) => refusal(refused),
        };
        self.answer(answer).await?;
        Ok(result.is_ok())
    }

    async fn answer(&self, answer: ForwardAnswer) -> Result<(), Ended> {
        let (event, extra) = answer.record();
        self.record(Entry::from(event).with(extra)).await
    }

    async fn try_listen(self: &Arc<Self>, asked: Asked) -> Result<Result<u16, Refused>, Ended> {
        let guard = self.unless_over(self.guard()).await?;
        let (guard, bind, room) = match self.admit_listener(guard, &asked) {
            Ok(admitted) => admitted,
            Err(refused) => return Ok(Err(refused)),
        };
        let limit = self.settings.limits.backend_request;
        let listening = async {
            let connection = self.unasked_way().await?;
            let listening = tokio::time::timeout(limit, connection.listen(&bind)).await;
            listening.unwrap_or_else(|_| {
                Err(Refused::new(format!(
                    "the backend gave no answer within {limit:?}"
                )))
            })
        };
        let listener = match self.unless_over(listening).await? {
            Ok(listener) => listener,
            Err(refused) => return Ok(Err(refused)),
        };
        let port = listener.port();
        let asked = asked.on(port);
        let listening = Listening {
            stop: self.over.child_token(),
            stopped: CancellationToken::new(),
        };
        let backward = asked.channel();
        self.listeners.requested().insert(asked, listening.clone());
        let taking = Taking {
            backward,
            guard,
            stop: listening.stop,
            single: false,
            _room: room,
        };
        let (link, stopped) = (Arc::clone(self), listening.stopped);
        let taking = async move {
            taking.run(&link, listener).await;
            stopped.cancel();
        };
        self.tasks.spawn(taking.instrument(self.span.clone()));
        Ok(Ok(port))
    }

    fn admit_listener(
        &self,
        guard: Result<Arc<Guard>, Refused>,
        asked: &Asked,
    ) -> Result<(Arc<Guard>, Bind, OwnedSemaphorePermit), Refused> {
        let guard = guard?;
        if self.leaving.is_cancelled() {
            return Err(Refused::new("the server is shutting down"));
        }
        let bind = asked.bind(&guard, self.settings.limits.name_bytes)?;
        if self.listeners.requested().contains_key(asked) {
            return Err(Refused::new("it is listened to already"));
        }
        let room = self.listeners.room()?;
        Ok((guard, bind, room))
    }

    /// The user's way into the backend, unless that waits for the client itself: a request is
    /// answered before anything else that the client sends is looked at.
    async fn unasked_way(&self) -> Result<Arc<dyn Connection>, Refused> {
        let ended = || Refused::new("the connection has ended");
        let way = self.way().ok_or_else(ended)?;
        tokio::select! {
            biased;
            made = way => made.map(|access| access.connection),
            () = self.asking.cancelled() => Err(Refused::new(
                "the login to the host waits for the client's agent; ask again when it is there",
            )),
        }
    }
}

/// Takes connections and hands them to the client, until it is stopped.
pub(super) struct Taking {
    pub(super) backward: Backward,
    pub(super) guard: Arc<Guard>,
    pub(super) stop: CancellationToken,
    /// One connection is enough.
    pub(super) single: bool,
    pub(super) _room: OwnedSemaphorePermit,
}

impl Taking {
    pub(super) async fn run(self, link: &Arc<Link>, mut listener: Box<dyn Listener>) {
        loop {
            let arrival = tokio::select! {
                arrival = listener.accept() => arrival,
                () = self.stop.cancelled() => None,
            };
            let Some(arrival) = arrival else { break };
            let backward = self.backward.clone();
            if deliver(link, backward, &self.guard, arrival).await.is_err() || self.single {
                break;
            }
        }
        // At the end of the connection there is nobody to wait for long.
        let limit = if link.over.is_cancelled() {
            AT_THE_END
        } else {
            link.settings.limits.backend_request
        };
        let _ = tokio::time::timeout(limit, listener.close()).await;
    }
}

fn refusal(refused: &Refused) -> ForwardAnswer {
    ForwardAnswer {
        port: None,
        refused: Some(refused.reason().into()),
    }
}
