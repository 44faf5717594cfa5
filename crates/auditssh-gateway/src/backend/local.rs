//! Programs on the machine itself.
//!
//! A login is either the server's own account (`user: self`) or, where the server runs as root,
//! the Unix account of the login name (`user: login`). What runs is what OpenSSH's server would
//! run: the account's shell as login shell, or `shell -c COMMAND` for `exec` and subsystems.
//!
//! A session is over when its main process has ended and its output is closed: without a terminal
//! that takes until all children that hold it have closed it too, as with OpenSSH; on a terminal,
//! what they write is delivered for [`GRACE`] more and then cut off. When the session is dropped
//! before its main process has ended, the process group gets SIGHUP, and SIGKILL after
//! [`KILL_AFTER`]; jobs of a shell, which have groups of their own, get SIGHUP.
//!
//! Not done, unlike sshd: PAM, utmp and lastlog, `/etc/environment`, `~/.ssh/rc`, the message of
//! the day.

mod account;
mod descriptor;
mod environment;
mod forward;
mod listen;
mod modes;
mod output;
mod process;
mod pty;
mod remains;
mod session;
mod sftp;
mod signal;
mod socket;
mod spawn;
#[cfg(test)]
mod tests;
mod x11;

pub use account::AccountError;
pub(in crate::backend) use modes::decode as decode_modes;

use super::{Backend, Bind, Connection, Identity, Listener, Pipe, Refused, Session, Target};
use account::Account;
use async_trait::async_trait;
use forward::Forwarder;
use nix::unistd::Uid;
use session::LocalSession;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long children on a terminal that outlive the main process are still listened to.
pub const GRACE: Duration = Duration::from_millis(500);
/// How long a process group may take to end after SIGHUP.
pub const KILL_AFTER: Duration = Duration::from_secs(2);

/// Under which account programs run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RunAs {
    /// The server's own account, whatever the login name.
    #[default]
    Own,
    /// The account of the login name; the server must be root.
    Login,
    /// Always the account of this name, with `/` as its home; the server must be root. For one
    /// that nobody logs in to otherwise, such as `nobody`: neither its shell nor whether it is
    /// locked matters.
    Named(String),
}

/// `local` of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `user`: under which account.
    pub run_as: RunAs,
    /// `shell` in place of the one of the server's own account; not with [`RunAs::Login`].
    pub shell: Option<PathBuf>,
    /// `subsystems`: the command line of each, given to the shell.
    pub subsystems: BTreeMap<String, String>,
    /// `acceptEnv`: names a client may set, with `*` and `?`.
    pub accept_env: Vec<String>,
    /// `allowRoot`: whether programs may run as root.
    pub allow_root: bool,
    /// Soft limit on open files for programs: the one the server had before it raised its own.
    pub open_files: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            run_as: RunAs::Own,
            shell: None,
            subsystems: BTreeMap::from([("sftp".to_owned(), sftp::SERVER.to_owned())]),
            accept_env: vec!["LANG".to_owned(), "LC_*".to_owned()],
            allow_root: false,
            open_files: None,
        }
    }
}

/// Why the backend can't be had.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// Everybody would be root, and could end the recording.
    #[error(
        "backend local: the server runs as root, so every user would be root and could end the \
         recording; run it under an account of its own, set `local.user: login`, or \
         `local.allowRoot: true` if that is what you want"
    )]
    Root,
    /// Only root can become another account.
    #[error(
        "backend local: `local.user: login` needs a server that runs as root; \
         run it as root or set `local.user: self`"
    )]
    NotRoot,
    /// The account's own shell runs.
    #[error("backend local: `local.shell` means nothing with `local.user: login`; remove it")]
    ShellWithLogin,
    /// The shell does not exist or can't be run.
    #[error("backend local: {0}")]
    Account(#[from] AccountError),
}

/// The backend `local`.
pub struct Local {
    shared: Arc<Shared>,
}

/// What all connections and sessions of the backend share.
struct Shared {
    settings: Settings,
    tasks: TaskTracker,
    /// Room for forwarded connections.
    sockets: Arc<Semaphore>,
    /// Whatever runs is killed.
    kill: CancellationToken,
}

impl Local {
    /// Checks the settings against the account the server runs under. Reads the account
    /// database; blocks.
    pub fn new(settings: Settings) -> Result<Self, LocalError> {
        let root = Uid::effective().is_root();
        match &settings.run_as {
            RunAs::Own if root && !settings.allow_root => return Err(LocalError::Root),
            RunAs::Own => {
                Account::own(settings.shell.clone())?;
            }
            RunAs::Login | RunAs::Named(_) if !root => return Err(LocalError::NotRoot),
            RunAs::Login if settings.shell.is_some() => return Err(LocalError::ShellWithLogin),
            RunAs::Login => {}
            RunAs::Named(name) => {
                Account::named(name, settings.shell.clone())?;
            }
        }
        Ok(Self {
            shared: Arc::new(Shared {
                settings,
                tasks: TaskTracker::new(),
                sockets: forward::room(),
                kill: CancellationToken::new(),
            }),
        })
    }
}

#[async_trait]
impl Backend for Local {
    async fn connect(&self, identity: Identity) -> Result<Box<dyn Connection>, Refused> {
        let shared = self.shared.clone();
        let user = identity.user.clone();
        let account = tokio::task::spawn_blocking(move || shared.account(&user))
            .await
            .map_err(|error| Refused::new(format!("looking up the account failed: {error}")))?
            .map_err(|error| match error {
                AccountError::NoLogin(text) => Refused::told(text),
                other => Refused::new(other.to_string()),
            })?;
        Ok(Box::new(LocalConnection {
            forwarder: Forwarder::new(&self.shared.sockets),
            shared: self.shared.clone(),
            login: Arc::new(Login { identity, account }),
        }))
    }

    /// Kills process groups, and jobs of shells.
    fn kill(&self) {
        self.shared.kill.cancel();
    }

    /// Every process is collected: at most [`KILL_AFTER`] and a moment after the last session.
    async fn drained(&self) {
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

impl Shared {
    fn account(&self, user: &str) -> Result<Account, AccountError> {
        match &self.settings.run_as {
            RunAs::Own => Account::own(self.settings.shell.clone()),
            RunAs::Named(name) => Account::named(name, self.settings.shell.clone()),
            RunAs::Login => Account::of_login(user, self.settings.allow_root),
        }
    }
}

/// Who is logged in and as which account programs run.
struct Login {
    identity: Identity,
    account: Account,
}

struct LocalConnection {
    forwarder: Forwarder,
    shared: Arc<Shared>,
    login: Arc<Login>,
}

#[async_trait]
impl Connection for LocalConnection {
    async fn open_session(&self) -> Result<Box<dyn Session>, Refused> {
        Ok(Box::new(LocalSession::new(
            self.shared.clone(),
            self.login.clone(),
        )))
    }

    async fn reach(&self, target: &Target) -> Result<Pipe, Refused> {
        match target {
            Target::Tcp { host, port, .. } => self.forwarder.tcp(host, *port).await,
            Target::Socket(path) => {
                let account = &self.login.account;
                self.forwarder.socket_at(path, account).await
            }
        }
    }

    async fn listen(&self, bind: &Bind) -> Result<Box<dyn Listener>, Refused> {
        match bind {
            Bind::Tcp { interface, port } => {
                let root = self.login.account.uid.is_root();
                self.forwarder.listen(interface, *port, root)
            }
            Bind::Socket(path) => {
                let account = &self.login.account;
                self.forwarder.listen_at(path, account).await
            }
        }
    }
}
