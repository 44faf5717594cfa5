//! The open channels of one connection to a server.

use super::port::{Asked, Asking, Port, Room};
use super::registry::Registry;
use crate::backend::{Client, Refused};
use crate::russh::Failure;
use crate::wire::Line;
use auditssh_log::Event;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the library's callbacks and the sessions of a connection share.
pub(crate) struct Ports {
    open: Mutex<HashMap<u32, Entry>>,
    ended: OnceLock<Failure>,
    line: OnceLock<Arc<Line>>,
    /// Which channels the server may open.
    pub(crate) registry: Registry,
    /// Who is told of those that it may not.
    client: Arc<dyn Client>,
    /// Cancelled at the end of the connection, whoever ends it.
    pub(super) over: CancellationToken,
    /// Bytes that may wait on a channel.
    buffer: usize,
    /// For what waits on all channels of the user.
    room: Arc<Room>,
    /// Whether an answer is waited for.
    asked: Arc<Asked>,
    tasks: TaskTracker,
    runtime: tokio::runtime::Handle,
}

/// A channel that is open on the server's side, or was and is not taken yet.
struct Entry {
    port: Arc<Port>,
    /// A session has it.
    taken: bool,
}

impl Ports {
    /// To be called within a runtime.
    pub(super) fn new(
        buffer: usize,
        room: Arc<Room>,
        tasks: TaskTracker,
        client: Arc<dyn Client>,
    ) -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::default(),
            ended: OnceLock::new(),
            line: OnceLock::new(),
            registry: Registry::default(),
            client,
            over: CancellationToken::new(),
            buffer,
            room,
            asked: Arc::default(),
            tasks,
            runtime: tokio::runtime::Handle::current(),
        })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u32, Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self) -> Entry {
        Entry {
            port: Arc::new(Port::new(
                self.buffer,
                Arc::clone(&self.room),
                Arc::clone(&self.asked),
                self.over.clone(),
            )),
            taken: false,
        }
    }

    /// A channel is confirmed. That it is confirmed twice changes nothing.
    pub(crate) fn insert(&self, number: u32) {
        self.open().entry(number).or_insert_with(|| self.entry());
    }

    pub(crate) fn get(&self, number: u32) -> Option<Arc<Port>> {
        let open = self.open();
        open.get(&number).map(|entry| Arc::clone(&entry.port))
    }

    /// A session takes a channel that it hears is confirmed: before the callback is called, or
    /// even after the server has closed it again.
    pub(crate) fn take(&self, number: u32) -> Arc<Port> {
        let mut open = self.open();
        let entry = open.entry(number).or_insert_with(|| self.entry());
        entry.taken = true;
        let port = Arc::clone(&entry.port);
        if port.is_closed() || self.ended.get().is_some() {
            open.remove(&number);
            drop(open);
            port.close("the server closed the channel");
        }
        port
    }

    /// The server has closed a channel.
    pub(crate) fn close(&self, number: u32) {
        let mut open = self.open();
        let Some(entry) = open.get(&number) else {
            return;
        };
        let port = Arc::clone(&entry.port);
        if entry.taken {
            open.remove(&number);
        }
        drop(open);
        port.close("the server closed the channel without saying how the program ended");
    }

    /// The connection has ended; the first reason counts.
    pub(crate) fn end(&self, reason: Failure) {
        let reason = self.ended.get_or_init(|| reason).to_string();
        self.over.cancel();
        let all = std::mem::take(&mut *self.open());
        for entry in all.into_values() {
            let port = entry.port;
            port.close(&format!("the connection to the server has ended: {reason}"));
        }
    }

    /// Why the connection has ended, if it has.
    pub(crate) fn ended(&self) -> Option<Failure> {
        self.ended.get().cloned()
    }

    /// An answer is waited for, until that is dropped.
    pub(crate) fn asking(&self) -> Asking {
        self.asked.ask()
    }

    /// Whether there is no channel that anybody takes anything from.
    pub(super) fn is_idle(&self) -> bool {
        self.open().values().all(|entry| entry.port.is_abandoned())
    }

    /// Whether a channel holds the server back.
    pub(super) fn is_held(&self) -> bool {
        self.open().values().any(|entry| entry.port.is_full())
    }

    /// What is said of a connection that has ended.
    pub(super) fn lost(&self) -> Refused {
        let failure = self.ended().map(|failure| failure.to_string());
        let failure = failure.unwrap_or_default();
        Refused::new(format!("the connection to the server has ended: {failure}"))
    }

    /// Records that the server wanted a channel and is refused, for a reason.
    pub(crate) async fn uninvited(&self, kind: &str, wanted: Option<Event>, reason: &str) {
        tokio::select! {
            () = self.client.uninvited(kind, wanted, reason) => {}
            () = self.over.cancelled() => {}
        }
    }

    /// What is cut when somebody gives up on an answer.
    pub(super) fn are_of(&self, line: &Arc<Line>) {
        // There is one line; a second call changes nothing.
        let _ = self.line.set(Arc::clone(line));
    }

    /// Ends the connection unless it is disarmed.
    pub(crate) fn end_on_drop(self: &Arc<Self>) -> EndOnDrop {
        EndOnDrop(Some(Arc::clone(self)))
    }

    /// Does something for the connection, but no longer than it lasts.
    pub(crate) fn spawn(&self, action: impl Future<Output = ()> + Send + 'static) {
        let over = self.over.clone();
        let action = async move {
            tokio::select! {
                () = action => {}
                () = over.cancelled() => {}
            }
        };
        self.tasks.spawn_on(action, &self.runtime);
    }
}

/// Dropped, it ends a connection.
pub(crate) struct EndOnDrop(Option<Arc<Ports>>);

impl EndOnDrop {
    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        if let Some(ports) = self.0.take() {
            // First of all: the end sets free the task that sends what is queued.
            if let Some(line) = ports.line.get() {
                line.cut();
            }
            ports.end(Failure::Ended(
                "the gateway gave up on an answer to a request".to_owned(),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Exit, NoClient};

    fn ports() -> Arc<Ports> {
        let room = Room::new(1, (Arc::default(), 1));
        Ports::new(1, room, TaskTracker::new(), Arc::new(NoClient))
    }

    #[tokio::test]
    async fn a_channel_is_taken_whenever_that_is_heard_of() {
        let ports = ports();
        // Before the callback.
        let early = ports.take(1);
        ports.insert(1);
        assert!(Arc::ptr_eq(&early, &ports.get(1).unwrap()));
        ports.close(1);
        assert!(early.is_closed() && ports.get(1).is_none());
        // After the end.
        ports.insert(2);
        ports.close(2);
        assert!(ports.take(2).is_closed() && ports.get(2).is_none());
        ports.close(3);
        ports.end(Failure::Ended("gone".to_owned()));
        assert!(ports.take(4).is_closed() && ports.get(4).is_none());
    }

    #[tokio::test]
    async fn the_end_of_the_connection_is_the_end_of_its_channels() {
        let ports = ports();
        ports.insert(3);
        let port = ports.get(3).unwrap();
        port.exit(Exit::Status(0));
        ports.insert(3);
        assert!(Arc::ptr_eq(&port, &ports.get(3).unwrap()));
        ports.insert(4);
        let other = ports.get(4).unwrap();
        ports.end(Failure::Ended("first".to_owned()));
        ports.end(Failure::Ended("second".to_owned()));
        assert_eq!(ports.ended().unwrap().to_string(), "first");
        assert!(ports.get(3).is_none());
        assert_eq!(port.outcome().unwrap().await.unwrap(), Exit::Status(0));
        let unknown = other.outcome().unwrap().await.unwrap();
        assert!(matches!(unknown, Exit::Unknown(text) if text.contains("first")));
    }

    #[tokio::test]
    async fn who_gives_up_on_an_answer_ends_the_connection() {
        let ports = ports();
        let port = ports.take(1);
        ports.end_on_drop().disarm();
        assert!(ports.ended().is_none());
        drop(ports.end_on_drop());
        assert!(ports.ended().is_some() && ports.over.is_cancelled() && port.is_closed());
    }
}
