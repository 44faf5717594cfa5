//! One session channel.

use super::account::Account;
use super::descriptor::Descriptor;
use super::environment::{Circumstances, Environment};
use super::output::{Input, Output};
use super::process::{self, Group, Running};
use super::pty::Pty;
use super::x11::{self, Cookie};
use super::{Login, Shared, sftp, signal, socket, spawn};
use crate::backend::{Exit, Listener, Process, Program, Refused, Session};
use async_trait::async_trait;
use auditssh_log::message::{self, Window, X11};
use bytes::Bytes;
use futures::FutureExt as _;
use rustix::fs::{Gid, OFlags, Uid, fchown, fcntl_setfl};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio_util::sync::DropGuard;

/// A session of the backend; dropping it ends what it started.
pub(super) struct LocalSession {
    shared: Arc<Shared>,
    login: Arc<Login>,
    environment: Environment,
    pty: Option<Pty>,
    /// The socket of the client's agent.
    agent: Option<PathBuf>,
    /// The client's display.
    display: Option<String>,
    program: Option<Started>,
}

struct Started {
    group: Group,
    _wanted: DropGuard,
}

/// What is to run, and what the client had asked for if that is something else.
struct CommandLine {
    what: What,
    original: Option<Bytes>,
}

enum What {
    LoginShell,
    /// By the account's shell.
    Command(Bytes),
    /// By none: `internal-sftp` with its arguments.
    Sftp(String),
    /// `internal-sftp` is forced, but something else was asked for.
    SftpOnly,
}

/// The streams of a program: its own ends, and ours.
struct Streams {
    theirs: [OwnedFd; 3],
    stdin: Arc<Descriptor>,
    stdout: Arc<Descriptor>,
    stderr: Option<Arc<Descriptor>>,
}

impl LocalSession {
    pub(super) fn new(shared: Arc<Shared>, login: Arc<Login>) -> Self {
        Self {
            shared,
            login,
            environment: Environment::default(),
            pty: None,
            agent: None,
            display: None,
            program: None,
        }
    }

    /// A command forced on the login takes the place of whatever is asked for.
    fn command_line(&self, program: Program) -> Result<CommandLine, Refused> {
        let subsystem = matches!(program, Program::Subsystem(_));
        let asked = match program {
            Program::Shell => None,
            Program::Exec(command) => Some(command),
            Program::Subsystem(name) => Some(self.subsystem(&name)?),
        };
        let forced = self.login.identity.restrictions.command.clone();
        let ours = subsystem || forced.is_some();
        let (command, original) = match forced {
            Some(forced) => (Some(Bytes::from(forced)), asked),
            None => (asked, None),
        };
        let parts = [&command, &original];
        if parts.into_iter().flatten().any(|part| part.contains(&0)) {
            return Err(Refused::new("the command holds a zero byte".to_owned()));
        }
        let what = match command {
            None => What::LoginShell,
            Some(command) if ours && sftp::is_internal(&command) => {
                if subsystem {
                    What::Sftp(String::from_utf8_lossy(&command).into_owned())
                } else {
                    What::SftpOnly
                }
            }
            Some(command) => What::Command(command),
        };
        Ok(CommandLine { what, original })
    }

    fn subsystem(&self, name: &str) -> Result<Bytes, Refused> {
        let command = self.shared.settings.subsystems.get(name);
        let unknown = || format!("no subsystem `{}` is configured", name.escape_debug());
        let command = command.ok_or_else(|| Refused::new(unknown()))?;
        Ok(Bytes::from(command.clone()))
    }

    fn command(&mut self, line: &CommandLine) -> Command {
        let account = &self.login.account;
        let mut command = match &line.what {
            What::LoginShell => shell(account, None),
            What::Command(text) => shell(account, Some(text)),
            What::Sftp(internal) => sftp::command(internal, &self.shared.settings.subsystems),
            What::SftpOnly => sftp::only(),
        };
        let circumstances = Circumstances {
            terminal: self.pty.as_ref().map(|pty| (&*pty.term, &*pty.device)),
            original_command: line.original.as_deref(),
            agent: self.agent.as_deref(),
            display: self.display.as_deref(),
        };
        let environment = std::mem::take(&mut self.environment);
        let environment = environment.complete(&self.login.identity, account, &circumstances);
        command.env_clear().envs(environment);
        command
    }

    /// Starts the command without blocking the worker, and watches it.
    async fn run(&self, mut command: Command, theirs: [OwnedFd; 3]) -> Result<Running, Refused> {
        let [stdin, stdout, stderr] = theirs.map(Stdio::from);
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        let (login, shared) = (self.login.clone(), self.shared.clone());
        let terminal = self.pty.is_some();
        let started = tokio::task::spawn_blocking(move || {
            let open_files = shared.settings.open_files;
            let child = spawn::spawn(command, &login.account, terminal, open_files)?;
            process::watch(child, &shared.tasks, shared.kill.clone())
        });
        started
            .await
            .map_err(|error| Refused::new(format!("starting the program failed: {error}")))?
            .map_err(|error| {
                let shell = self.login.account.shell.display();
                Refused::new(format!("{shell} can't be started: {error}"))
            })
    }
}

#[async_trait]
impl Session for LocalSession {
    async fn env(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        let patterns = &self.shared.settings.accept_env;
        self.environment.accept(patterns, name, value)
    }

    async fn pty(&mut self, request: &message::Pty) -> Result<(), Refused> {
        if self.pty.is_some() || self.program.is_some() {
            return Err(Refused::new(
                "the channel has its terminal or program already".to_owned(),
            ));
        }
        let pty = Pty::open(request, &self.login.account)
            .map_err(|error| Refused::new(format!("no terminal can be had: {error}")))?;
        self.pty = Some(pty);
        Ok(())
    }

    async fn window(&mut self, window: &Window) -> Result<(), Refused> {
        let Some(pty) = &self.pty else {
            return Err(Refused::new("the channel has no terminal".to_owned()));
        };
        pty.resize(window.columns, window.rows, window.width, window.height)
            .map_err(|error| Refused::new(format!("the terminal can't be resized: {error}")))
    }

    async fn signal(&mut self, name: &str) -> Result<(), Refused> {
        let signal = signal::from_name(name).ok_or_else(|| {
            Refused::new(format!("signal `{}` can't be sent", name.escape_debug()))
        })?;
        match &self.program {
            Some(program) if program.group.signal(signal) => Ok(()),
            Some(_) => Err(Refused::new("the program has ended".to_owned())),
            None => Err(Refused::new("no program runs".to_owned())),
        }
    }

    fn echoes(&self) -> Option<bool> {
        self.pty.as_ref()?.echoes()
    }

    async fn start(&mut self, program: Program) -> Result<Process, Refused> {
        if self.program.is_some() {
            return Err(Refused::new("the channel has a program already".to_owned()));
        }
        let line = self.command_line(program)?;
        let no_streams = |error| Refused::new(format!("no streams for a program: {error}"));
        let streams = match &mut self.pty {
            Some(pty) => Streams::terminal(pty),
            None => Streams::pipes(&self.login.account),
        }
        .map_err(no_streams)?;
        let command = self.command(&line);
        let running = self.run(command, streams.theirs).await?;
        self.program = Some(Started {
            group: running.group,
            _wanted: running.wanted,
        });
        let stdout = match &streams.stderr {
            None => Output::terminal(streams.stdout, running.ended),
            Some(_) => Output::pipe(streams.stdout),
        };
        Ok(Process {
            stdin: Box::new(Input::new(streams.stdin)),
            stdout: Box::new(stdout),
            stderr: streams
                .stderr
                .map(|stderr| Box::new(Output::pipe(stderr)) as _),
            exit: running
                .exit
                .map(|exit| exit.unwrap_or_else(|_| Exit::Unknown("it was not watched".into())))
                .boxed(),
        })
    }
    async fn agent(&mut self) -> Result<Box<dyn Listener>, Refused> {
        if self.agent.is_some() {
            return Err(Refused::new("the agent is forwarded already"));
        }
        let (path, listener) = socket::agent(&self.shared.sockets, &self.login.account).await?;
        self.agent = Some(path);
        Ok(listener)
    }

    async fn x11(&mut self, x11: &X11) -> Result<Box<dyn Listener>, Refused> {
        if self.display.is_some() {
            return Err(Refused::new("X11 is forwarded already"));
        }
        let cookie = Cookie::new(x11)?;
        let (number, listener) = x11::display(&self.shared.sockets)?;
        let screen = x11.screen;
        self.put(cookie, format!("unix:{number}.{screen}")).await?;
        self.display = Some(format!("localhost:{number}.{screen}"));
        Ok(listener)
    }
}

impl LocalSession {
    /// The client's cookie goes where the account's programs look for it.
    async fn put(&self, cookie: Cookie, display: String) -> Result<(), Refused> {
        let nothing = Circumstances {
            terminal: None,
            original_command: None,
            agent: None,
            display: None,
        };
        let (login, environment) = (self.login.clone(), Environment::default());
        let putting = tokio::task::spawn_blocking(move || {
            let environment = environment.complete(&login.identity, &login.account, &nothing);
            cookie.put(&display, &login.account, environment)
        });
        let put = putting
            .await
            .map_err(|error| Refused::new(error.to_string()))?;
        put.map_err(|error| Refused::new(format!("the cookie can't be stored: {error}")))
    }
}

/// The account's shell: as login shell under a name with `-`, or with `-c COMMAND`.
fn shell(account: &Account, text: Option<&[u8]>) -> Command {
    let name = account
        .shell
        .file_name()
        .unwrap_or(account.shell.as_os_str());
    let mut command = Command::new(&account.shell);
    if let Some(text) = text {
        command.arg0(name).arg("-c").arg(OsStr::from_bytes(text));
    } else {
        let mut login_shell = OsString::from("-");
        login_shell.push(name);
        command.arg0(login_shell);
    }
    command
}

impl Streams {
    fn terminal(pty: &mut Pty) -> io::Result<Self> {
        let slave = pty.slave.take().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Self {
            theirs: [slave.try_clone()?, slave.try_clone()?, slave],
            stdin: pty.master.clone(),
            stdout: pty.master.clone(),
            stderr: None,
        })
    }

    /// Another account owns its ends, so that it can open `/dev/stdin` and the like.
    fn pipes(account: &Account) -> io::Result<Self> {
        let ours = |end: OwnedFd| -> io::Result<_> {
            fcntl_setfl(&end, OFlags::NONBLOCK)?;
            Ok(Arc::new(Descriptor::new(end)?))
        };
        let (stdin_read, stdin_write) = io::pipe()?;
        let (stdout_read, stdout_write) = io::pipe()?;
        let (stderr_read, stderr_write) = io::pipe()?;
        let theirs = [stdin_read.into(), stdout_write.into(), stderr_write.into()];
        if account.groups.is_some() {
            for end in &theirs {
                let (uid, gid) = (account.uid.as_raw(), account.gid.as_raw());
                fchown(end, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
            }
        }
        Ok(Self {
            theirs,
            stdin: ours(stdin_write.into())?,
            stdout: ours(stdout_read.into())?,
            stderr: Some(ours(stderr_read.into())?),
        })
    }
}
