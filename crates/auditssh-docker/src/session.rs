//! One session channel.

mod opening;
mod start;
mod stdin;

use crate::backend::{Login, Shared};
use crate::container::Container;
use crate::engine::Size;
use async_trait::async_trait;
use auditssh_gateway::backend::container::{Circumstances, Environment, Wrapped, helper};
use auditssh_gateway::backend::{self as gateway, Process, Refused, Session};
use auditssh_log::message::{Pty, Window};
use start::{Running, Start};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;

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
        let (wrapped, variables) = self.prepared(&asked)?;
        let start = Start {
            shared: Arc::clone(&self.shared),
            login: Arc::clone(&self.login),
            container: self.container.clone(),
            wrapped,
            variables,
            size: self.terminal.as_ref().map(|terminal| terminal.size),
        };
        // In a task of its own: who waits may give up, and a program that runs all the same must not
        // be left with nobody to end it.
        let (sender, started) = oneshot::channel();
        self.shared.tasks.spawn(async move {
            let _ = sender.send(start.run().await);
        });
        let started = started.await;
        let started = started.map_err(|_| Refused::new("the program could not be started"))?;
        let (process, running) = started?;
        self.running = Some(running);
        Ok(process)
    }
}

fn size(columns: u64, rows: u64) -> Size {
    Size {
        columns: u16::try_from(columns).unwrap_or(u16::MAX),
        rows: u16::try_from(rows).unwrap_or(u16::MAX),
    }
}
