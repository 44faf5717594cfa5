//! The start of a program.

use super::{opening, stdin};
use crate::backend::{Login, Shared};
use crate::container::{self, Container, pairs};
use crate::engine::{Failure, Hijacked, Size};
use crate::frames::Frames;
use crate::process::{self, Program, Ways};
use auditssh_gateway::backend::container::Wrapped;
use auditssh_gateway::backend::{Exit, Process, Refused};
use bollard::exec::CreateExecOptions;
use futures::FutureExt as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Bytes of each output of a program that may wait to be taken.
const BUFFER: usize = 64 * 1024;

/// What is to be started, and where.
pub(super) struct Start {
    pub(super) shared: Arc<Shared>,
    pub(super) login: Arc<Login>,
    /// The connection's; `None` if the session gets its own.
    pub(super) container: Option<Arc<Container>>,
    pub(super) wrapped: Wrapped,
    pub(super) variables: BTreeMap<String, String>,
    /// Of its terminal, if it has one.
    pub(super) size: Option<Size>,
}

/// A program that was started; dropping it ends it.
pub(super) struct Running {
    pub(super) program: Arc<Program>,
    _wanted: DropGuard,
}

impl Start {
    /// Starts it, and watches it from the moment on when it is known to run.
    pub(super) async fn run(self) -> Result<(Process, Running), Refused> {
        let words = self.wrapped.words.clone();
        let (mut program, streams) = match &self.container {
            Some(container) => self.execute(container, words).await?,
            None => self.launch(words).await?,
        };
        let plain = self.size.is_none();
        let (reader, mut writer) = tokio::io::split(streams);
        let mut frames = Frames::new(reader, plain);
        let limit = self.shared.settings.timeouts.command_start;
        let opening = self.wrapped.opening.clone();
        let opened = opening::open(&program, &mut frames, &mut writer, opening, self.size);
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
        let _ = stderr.write_all(&early).await;
        let (exit, ended) = oneshot::channel();
        let ways = Ways {
            stdout,
            stderr,
            exit,
            unwanted: unwanted.clone(),
        };
        let watching = process::watch(Arc::clone(&program), frames, ways);
        self.shared.tasks.spawn(watching);
        let running = Running {
            program,
            _wanted: unwanted.drop_guard(),
        };
        let process = Process {
            stdin: Box::new(stdin::Stdin::new(writer, plain)),
            stdout: Box::new(out),
            stderr: Some(Box::new(err)),
            exit: ended
                .map(|exit| exit.unwrap_or_else(|_| Exit::Unknown("it was not watched".into())))
                .boxed(),
        };
        Ok((process, running))
    }

    /// Starts a program in the container of the connection.
    async fn execute(
        &self,
        container: &Arc<Container>,
        words: Vec<String>,
    ) -> Result<(Program, Hijacked), Refused> {
        let terminal = self.size.is_some();
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(terminal),
            env: Some(pairs(&self.variables)),
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
    async fn launch(&self, words: Vec<String>) -> Result<(Program, Hijacked), Refused> {
        let (shared, login) = (&self.shared, &self.login);
        let terminal = self.size.is_some();
        let ordered = Instant::now();
        let running = async {
            let made = container::of_session(shared, login, words, &self.variables, terminal);
            let container = made.await?;
            let streams = shared.engine.attach(&container.id).await;
            let streams = streams.map_err(|failure| not_started(&failure))?;
            container.start().await?;
            Ok((self.program(&container, None), streams))
        };
        shared.counters.ready(ordered, running.await)
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

fn not_started(failure: &Failure) -> Refused {
    Refused::new(format!("the program can't be started: {failure}"))
}
