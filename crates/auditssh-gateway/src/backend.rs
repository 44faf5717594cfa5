//! What stands behind the gateway: one trait for all.

pub mod container;
mod forward;
pub mod local;
pub mod sshproxy;

pub use forward::{Arrival, Bind, Client, Listener, NoClient, Originator, Pipe, Target};

use crate::auth::{Facts, Restrictions};
use async_trait::async_trait;
use auditssh_log::message::{ExitSignal, Pty, Window, X11};
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// How long it takes to end by force what runs on the machine itself.
pub(crate) const TO_KILL: Duration = local::KILL_AFTER.saturating_add(Duration::from_secs(1));

/// Who is logged in, as proven.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The user: the login name, without the place.
    pub user: String,
    /// The place behind the gateway that the login name asks for.
    pub place: Option<String>,
    /// Connection id, 32 hexadecimal digits.
    pub connection_id: String,
    /// Where the client connects from.
    pub remote_address: SocketAddr,
    /// Where it connected to.
    pub local_address: SocketAddr,
    /// What the login may do. A backend honours the command, which runs in place of whatever is asked
    /// for and finds that in `SSH_ORIGINAL_COMMAND`, and the environment; all else is the gateway's.
    pub restrictions: Restrictions,
    /// What services said of the user; empty for a login that none was asked about. A backend
    /// honours as much of it as it has a place for.
    pub facts: Arc<Facts>,
    /// What may be asked of the client's side.
    pub client: Arc<dyn Client>,
}

/// Why a backend can't serve. The text is for logs: it may tell an administrator what to change,
/// which is no user's business.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    reason: String,
    public: bool,
}

impl Refused {
    /// What a user is told in place of the reason.
    const NEUTRAL: &str =
        "no session can be had here; ask the server's administrator, whose log has the reason";

    /// For a reason that users are not told.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            public: false,
        }
    }

    /// For a reason that users are told.
    pub fn told(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            public: true,
        }
    }

    /// The reason.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What the user is told of something that can't be reached.
    pub(crate) fn for_forwarding(&self) -> &str {
        if self.public {
            &self.reason
        } else {
            "the connection can't be had"
        }
    }

    /// What the user is told.
    pub fn for_user(&self) -> &str {
        if self.public {
            &self.reason
        } else {
            Self::NEUTRAL
        }
    }
}

/// A place where programs run.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Called once for each connection, when the user is logged in.
    async fn connect(&self, identity: Identity) -> Result<Box<dyn Connection>, Refused>;

    /// Called once, before the first connection, when nothing else can be the same server: what a
    /// former run has left behind may be ended. It does not wait for that.
    async fn begin(&self) {}

    /// Ends at once whatever runs for sessions.
    fn kill(&self) {}

    /// Waits until everything that was begun for sessions that are gone has been ended.
    async fn drained(&self) {}

    /// How long the server waits for [`drained`](Self::drained) at its end.
    fn patience(&self) -> Duration {
        TO_KILL
    }
}

/// One logged-in user's way in; dropped when the connection ends.
#[async_trait]
pub trait Connection: Send + Sync {
    /// A session channel is opened; may take its time.
    async fn open_session(&self) -> Result<Box<dyn Session>, Refused>;

    /// Connects to where the client wants; may take its time.
    async fn reach(&self, _: &Target) -> Result<Pipe, Refused> {
        Err(Refused::new(NO_FORWARDING))
    }

    /// Begins to take connections for the client.
    async fn listen(&self, _: &Bind) -> Result<Box<dyn Listener>, Refused> {
        Err(Refused::new(NO_FORWARDING))
    }
}

/// What a backend says that forwards nothing.
const NO_FORWARDING: &str = "this backend forwards nothing";

/// What a channel asks to have started (RFC 4254, 6.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// `shell`.
    Shell,
    /// `exec`: the command line as received.
    Exec(Bytes),
    /// `subsystem`: its name.
    Subsystem(String),
}

/// One session channel. Calls come in the order of the wire; dropping it ends what it started
/// (SIGHUP to the process group, SIGKILL a moment later).
#[async_trait]
pub trait Session: Send {
    /// `env`; refused where the backend does not allow the name.
    async fn env(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused>;
    /// `pty-req`; before [`start`](Self::start).
    async fn pty(&mut self, pty: &Pty) -> Result<(), Refused>;
    /// `window-change`.
    async fn window(&mut self, window: &Window) -> Result<(), Refused>;
    /// `signal`: its name without `SIG`.
    async fn signal(&mut self, name: &str) -> Result<(), Refused>;
    /// Whether the terminal shows at this moment what is typed; `None` where that can't be told
    /// or there is no terminal.
    fn echoes(&self) -> Option<bool>;
    /// `shell`, `exec` or `subsystem`; once.
    async fn start(&mut self, program: Program) -> Result<Process, Refused>;

    /// `auth-agent-req@openssh.com`, before [`start`](Self::start): connections to the agent of the
    /// client's user.
    async fn agent(&mut self) -> Result<Box<dyn Listener>, Refused> {
        Err(Refused::new(NO_FORWARDING))
    }

    /// `x11-req`, before [`start`](Self::start): connections to the client's display.
    async fn x11(&mut self, _: &X11) -> Result<Box<dyn Listener>, Refused> {
        Err(Refused::new(NO_FORWARDING))
    }
}

/// A program that runs.
pub struct Process {
    /// Its input; shutting it down is the end of file. With a terminal that does nothing to the
    /// program, as with OpenSSH.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its output.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Its errors; `None` where they can't be told apart, as under a terminal of this machine.
    pub stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// How it ends.
    pub exit: futures::future::BoxFuture<'static, Exit>,
}

/// How a program ended (RFC 4254, 6.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With a status.
    Status(u32),
    /// By a signal.
    Signal(ExitSignal),
    /// It can't be told; the text says why.
    Unknown(String),
}
