//! One session channel.

mod opening;
mod stdin;

use crate::backend::{Login, Shared};
use crate::container::{self, Container, pairs};
use crate::engine::{Failure, Hijacked, Size};
use crate::frames::Frames;
use crate::process::{self, Program, Ways};
use async_trait::async_trait;
use auditssh_gateway::backend::container::{Circumstances, Environment, Wrapped, helper};
use auditssh_gateway::backend::{self as gateway, Exit, Process, Refused, Session};
use auditssh_log::message::{Pty, Window};
use bollard::exec::CreateExecOptions;
use futures::FutureExt as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Bytes of each output of a program that may wait to be taken.
const BUFFER: usize = 64 * 1024;

/// A session; dropping it ends what it started.
pub(crate) struct DockerSession {
    shared: Arc<Shared>,
    login: Arc<Login>,
    /// The connection's; `None` if the session gets its own.
    container: Option<Arc<Container>>,
    environment: Environment,
    terminal: Option<Terminal>,
    running: Option<Running>,
}

struct Terminal {
    term: String,
    modes: Vec<u8>,
    size: Size,
}

struct Running {
    program: Arc<Program>,
    _wanted: DropGuard,
}

impl DockerSession {
    pub(crate) fn new(
        shared: Arc<Shared>,
        login: Arc<Login>,
        container: Option<Arc<Container>>,
    ) -> Self {
        Self {
            shared,
            login,
            container,
            environment: Environment::default(),
            terminal: None,
            running: None,
        }
    }

    /// What is to run, and its variables.
    fn prepared(
        &mut self,
        asked: &gateway::Program,
    ) -> Result<(Wrapped, BTreeMap<String, String>), Refused> {
        let settings = &self.shared.settings;
        let identity = &self.login.identity;
        let line = settings.programs.line(asked, &identity.restrictions)?;
        let circumstances = Circumstances {
            terminal: self.terminal.as_ref().map(|one| one.term.as_str()),
            original_command: line.original.as_deref(),
            expose_metadata: settings.expose_metadata,
        };
        let environment = std::mem::take(&mut self.environment);
        let variables = environment.complete(identity, &circumstances);
        let modes = self.terminal.as_ref().map(|one| one.modes.as_slice());
        let wrapped = settings.helper.wrap(line.words, modes);
        Ok((wrapped, variables))
    }

    /// Starts a program in the container of the connection.
    async fn execute(
        &self,
        container: &Arc<Container>,
        words: Vec<String>,
        variables: &BTreeMap<String, String>,
    ) -> Result<(Program, Hijacked), Refused> {
        let terminal = self.terminal.is_some();
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(terminal),
            env: Some(pairs(variables)),
            cmd: Some(words),
            ..CreateExecOptions::default()
        };
        let engine = &self.shared.engine;
        let exec = engine.prepare(&container.id, options).await;
        let exec = exec.map_err(|failure| not_started(&failure))?;
        let streams = engine.execute(&exec, terminal).await;
        let streams = streams.map_err(|failure| not_started(&failure))?;
        Ok((self.program(container, Some(exec)), streams))
    }

    /// Starts a program as the main process of a container of its own.
    async fn launch(
        &self,
        words: Vec<String>,
        variables: &BTreeMap<String, String>,
    ) -> Result<(Program, Hijacked), Refused> {
        let terminal = self.terminal.is_some();
        let (shared, login) = (&self.shared, &self.login);
        let made = container::of_session(shared, login, words, variables, terminal);
        let container = made.await?;
        let streams = shared.engine.attach(&container.id).await;
        let streams = streams.map_err(|failure| not_started(&failure))?;
        container.start().await?;
        Ok((self.program(&container, None), streams))
    }

    fn program(&self, container: &Arc<Container>, exec: Option<String>) -> Program {
        Program {
            container: Arc::clone(container),
            exec,
            pid: None,
            helper: self.shared.settings.helper.clone(),
        }
    }
}

#[async_trait]
impl Session for DockerSession {
    async fn env(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        let forced = self.login.identity.restrictions.command.is_some();
        self.environment.accept(forced, name, value)
    }

    async fn pty(&mut self, request: &Pty) -> Result<(), Refused> {
        if !self.login.identity.restrictions.pty {
            return Err(Refused::new("this login may not have a terminal"));
        }
        self.terminal = Some(Terminal {
            term: request.term.to_str_lossy().into_owned(),
            modes: request.modelist.clone(),
            size: size(request.columns, request.rows),
        });
        Ok(())
    }

    async fn window(&mut self, window: &Window) -> Result<(), Refused> {
        let Some(terminal) = &mut self.terminal else {
            return Err(Refused::new("the channel has no terminal"));
        };
        terminal.size = size(window.columns, window.rows);
        let Some(running) = &self.running else {
            return Ok(());
        };
        let resized = running.program.resize(terminal.size).await;
        resized.map_err(|failure| Refused::new(failure.to_string()))
    }

    async fn signal(&mut self, name: &str) -> Result<(), Refused> {
        if !helper::is_signal(name) {
            let name = name.escape_debug();
            return Err(Refused::new(format!("signal `{name}` can't be sent")));
        }
        match &self.running {
            Some(running) => running.program.signal(name).await,
            None => Err(Refused::new("no program runs")),
        }
    }

    /// What a terminal in a container shows can't be told.
    fn echoes(&self) -> Option<bool> {
        None
    }

    async fn start(&mut self, asked: gateway::Program) -> Result<Process, Refused> {
        if self.running.is_some() {
            return Err(Refused::new("the channel has a program already"));
        }
        let (Wrapped { words, opening }, variables) = self.prepared(&asked)?;
        let (mut program, streams) = match &self.container {
            Some(container) => self.execute(container, words, &variables).await?,
            None => self.launch(words, &variables).await?,
        };
        let plain = self.terminal.is_none();
        let (reader, mut writer) = tokio::io::split(streams);
        let mut frames = Frames::new(reader, plain);
        let limit = self.shared.settings.timeouts.command_start;
        let size = self.terminal.as_ref().map(|terminal| terminal.size);
        let opened = opening::open(&program, &mut frames, &mut writer, opening, size);
        let opened = tokio::time::timeout(limit, opened).await;
        let (pid, early) = opened.map_err(|_| {
            Refused::new(format!(
                "the program was not started within {limit:?} (docker.timeouts.commandStart)"
            ))
        })??;
        program.pid = pid;
        let program = Arc::new(program);
        let unwanted = CancellationToken::new();
        let (stdout, out) = tokio::io::duplex(BUFFER);
        let (mut stderr, err) = tokio::io::duplex(BUFFER);
        // There is room for it.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stderr, &early).await;
        let (exit, ended) = oneshot::channel();
        let ways = Ways {
            stdout,
            stderr,
            exit,
            unwanted: unwanted.clone(),
        };
        let watching = process::watch(Arc::clone(&program), frames, ways);
        self.shared.tasks.spawn(watching);
        self.running = Some(Running {
            program,
            _wanted: unwanted.drop_guard(),
        });
        Ok(Process {
            stdin: Box::new(stdin::Stdin::new(writer, plain)),
            stdout: Box::new(out),
            stderr: Some(Box::new(err)),
            exit: ended
                .map(|exit| exit.unwrap_or_else(|_| Exit::Unknown("it was not watched".into())))
                .boxed(),
        })
    }
}

fn size(columns: u64, rows: u64) -> Size {
    Size {
        columns: u16::try_from(columns).unwrap_or(u16::MAX),
        rows: u16::try_from(rows).unwrap_or(u16::MAX),
    }
}

fn not_started(failure: &Failure) -> Refused {
    Refused::new(format!("the program can't be started: {failure}"))
}
