use super::backward::Backward;
use super::channel::State;
use super::listen::Taking;
use super::pump;
use super::{Channel, Ended, Link};
use crate::backend::{Listener, Process, Program, Refused, Session};
use auditssh_log::Event;
use auditssh_log::extension::Forced;
use auditssh_log::message::{
    ChannelRequestUnknown, Exec, Pty, RequestFailed, SetEnv, Shell, Signal, Subsystem, Window, X11,
};
use futures::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

/// The largest size of a terminal, in characters or pixels, that a backend is told.
const TERMINAL_MAX: u64 = u16::MAX as u64;

/// Each request is recorded, carried out, and if that failed, recorded once more as refused; the
/// result is the answer to the client.
impl Channel {
    /// `env`.
    pub(crate) async fn env(&self, link: &Link, name: &str, value: &str) -> Result<bool, Ended> {
        let mut state = self.state.lock().await;
        let request_id = state.number();
        let event = Event::SetEnv(SetEnv {
            request_id,
            name: name.into(),
            value: value.into(),
        });
        link.record(self.entry(event)).await?;
        let admitted = self.guard.env(name.as_bytes(), value.as_bytes());
        let result = match admitted.and_then(|()| state.admit_variable(link, name, value)) {
            Ok(session) => timely(link, session.env(name.as_bytes(), value.as_bytes())).await?,
            Err(refused) => Err(refused),
        };
        self.answer(link, request_id, result).await
    }

    /// `pty-req`.
    pub(crate) async fn pty(&self, link: &Link, mut pty: Pty) -> Result<bool, Ended> {
        let mut state = self.state.lock().await;
        pty.request_id = state.number();
        let request_id = pty.request_id;
        link.record(self.entry(Event::Pty(pty.clone()))).await?;
        let limit = link.settings.limits.name_bytes;
        let result = if state.terminal {
            refused("there is a terminal already")
        } else if pty.term.as_bytes().len() > limit {
            link.counters.refused_requests.add();
            refused("the terminal's name is too long (limits.nameBytes)")
        } else {
            pty.columns = pty.columns.min(TERMINAL_MAX);
            pty.rows = pty.rows.min(TERMINAL_MAX);
            pty.width = pty.width.min(TERMINAL_MAX);
            pty.height = pty.height.min(TERMINAL_MAX);
            match self.guard.pty().and_then(|()| state.before_start()) {
                Ok(session) => timely(link, session.pty(&pty)).await?,
                Err(refused) => Err(refused),
            }
        };
        state.terminal |= result.is_ok();
        self.answer(link, request_id, result).await
    }

    /// `window-change`.
    pub(crate) async fn window(&self, link: &Link, mut window: Window) -> Result<bool, Ended> {
        let mut state = self.state.lock().await;
        window.request_id = state.number();
        let request_id = window.request_id;
        link.record(self.entry(Event::Window(window.clone())))
            .await?;
        let result = if state.terminal {
            window.columns = window.columns.min(TERMINAL_MAX);
            window.rows = window.rows.min(TERMINAL_MAX);
            window.width = window.width.min(TERMINAL_MAX);
            window.height = window.height.min(TERMINAL_MAX);
            match state.open() {
                Ok(session) => timely(link, session.window(&window)).await?,
                Err(refused) => Err(refused),
            }
        } else {
            refused("there is no terminal")
        };
        self.answer(link, request_id, result).await
    }

    /// `signal`; its name without `SIG`.
    pub(crate) async fn signal(&self, link: &Link, name: &str) -> Result<bool, Ended> {
        let mut state = self.state.lock().await;
        let request_id = state.number();
        let event = Event::Signal(Signal {
            request_id,
            signal: name.into(),
        });
        link.record(self.entry(event)).await?;
        let result = if !state.started {
            refused("nothing is running")
        } else if name.len() > link.settings.limits.name_bytes {
            link.counters.refused_requests.add();
            refused("the signal's name is too long (limits.nameBytes)")
        } else {
            match self.guard.signal(name).and_then(|()| state.open()) {
                Ok(session) => timely(link, session.signal(name)).await?,
                Err(refused) => Err(refused),
            }
        };
        self.answer(link, request_id, result).await
    }

    /// `shell`, `exec` and `subsystem`.
    pub(crate) async fn start(
        self: &Arc<Self>,
        link: &Arc<Link>,
        program: Program,
    ) -> Result<bool, Ended> {
        let mut state = self.state.lock().await;
        let request_id = state.number();
        let admitted = self.admit(link, &mut state, &program);
        let mut entry = self.entry(named(&program, request_id));
        if let Ok(Some(forced)) = &admitted {
            entry = entry.with(forced.to_extra());
        }
        link.record(entry).await?;
        let result = match admitted.and_then(|_| state.before_start()) {
            Ok(session) => match started(link, session, program).await {
                Ok(result) => result,
                Err(ended) => {
                    self.record_unknown(link, request_id);
                    return Err(ended);
                }
            },
            Err(refused) => Err(refused),
        };
        let result = match result {
            Ok(process) => {
                state.started = true;
                drop(state);
                pump::spawn(Arc::clone(self), Arc::clone(link), process, request_id);
                Ok(())
            }
            Err(refused) => Err(refused),
        };
        self.answer(link, request_id, result).await
    }

    /// The connection has ended before it was known what became of a program; nobody waits for the record.
    fn record_unknown(&self, link: &Link, request_id: u64) {
        let event = Event::RequestFailed(RequestFailed {
            request_id,
            reason: "the connection ended before it was known whether the program runs".into(),
        });
        drop(link.recorder.append(self.entry(event)));
    }

    /// Whether the program may be started, and what runs in its place if that is forced.
    fn admit(
        &self,
        link: &Link,
        state: &mut State,
        program: &Program,
    ) -> Result<Option<Forced>, Refused> {
        if let Some(refused) = too_long(link, program) {
            return Err(refused);
        }
        state.before_start()?;
        self.guard.program(program)
    }

    /// `x11-req`.
    pub(crate) async fn x11(&self, link: &Arc<Link>, mut x11: X11) -> Result<bool, Ended> {
        let mut state = self.state.lock().await;
        let request_id = state.number();
        x11.request_id = request_id;
        link.record(self.entry(Event::X11(x11.clone()))).await?;
        let single = x11.single_connection;
        let result = match self
            .guard
            .x11()
            .and_then(|()| link.admit_taking(&mut state))
        {
            Ok((session, room)) => {
                let listening = timely(link, session.x11(&x11)).await?;
                listening.map(|listener| self.take(link, listener, Backward::X11, single, room))
            }
            Err(refused) => Err(refused),
        };
        self.answer(link, request_id, result).await
    }

    /// `auth-agent-req@openssh.com`, which has no message of its own.
    pub(crate) async fn agent(&self, link: &Arc<Link>) -> Result<bool, Ended> {
        let mut state = self.state.lock().await;
        let request_id = state.number();
        let event = Event::ChannelRequestUnknown(ChannelRequestUnknown {
            request_id,
            request_type: "auth-agent-req@openssh.com".into(),
            payload: Some(Vec::new()),
        });
        link.record(self.entry(event)).await?;
        let result = match self
            .guard
            .agent()
            .and_then(|()| link.admit_taking(&mut state))
        {
            Ok((session, room)) => {
                let listening = timely(link, session.agent()).await?;
                listening.map(|listener| self.take(link, listener, Backward::Agent, false, room))
            }
            Err(refused) => Err(refused),
        };
        self.answer(link, request_id, result).await
    }

    /// Takes connections for the client as long as the session lasts.
    fn take(
        &self,
        link: &Arc<Link>,
        listener: Box<dyn Listener>,
        backward: Backward,
        single: bool,
        room: OwnedSemaphorePermit,
    ) {
        let taking = Taking {
            backward,
            guard: Arc::clone(&self.guard),
            stop: self.gone.child_token(),
            single,
            _room: room,
        };
        let (own, span) = (Arc::clone(link), link.span.clone());
        let taking = async move { taking.run(&own, listener).await };
        link.tasks.spawn(taking.instrument(span));
    }

    async fn answer(
        &self,
        link: &Link,
        request_id: u64,
        result: Result<(), Refused>,
    ) -> Result<bool, Ended> {
        let Err(refused) = result else {
            return Ok(true);
        };
        let event = Event::RequestFailed(RequestFailed {
            request_id,
            reason: refused.reason().into(),
        });
        link.record(self.entry(event)).await?;
        Ok(false)
    }
}

impl Link {
    /// Whether a session that runs nothing yet may take connections for the client.
    fn admit_taking<'a>(
        &self,
        state: &'a mut State,
    ) -> Result<(&'a mut Box<dyn Session>, OwnedSemaphorePermit), Refused> {
        let session = state.before_start()?;
        Ok((session, self.listeners.room()?))
    }
}

impl State {
    /// The number of the request that is being read.
    fn number(&mut self) -> u64 {
        self.requests += 1;
        self.requests - 1
    }

    fn open(&mut self) -> Result<&mut Box<dyn Session>, Refused> {
        self.session
            .as_mut()
            .ok_or_else(|| Refused::new("the channel is closed".to_owned()))
    }

    fn before_start(&mut self) -> Result<&mut Box<dyn Session>, Refused> {
        if self.started {
            return Err(Refused::new("a program was already started".to_owned()));
        }
        self.open()
    }

    fn admit_variable(
        &mut self,
        link: &Link,
        name: &str,
        value: &str,
    ) -> Result<&mut Box<dyn Session>, Refused> {
        let limits = &link.settings.limits;
        let bytes = self.variable_bytes + name.len() + value.len();
        let reason = if name.len() > limits.name_bytes {
            "the variable's name is too long (limits.nameBytes)"
        } else if self.variables >= limits.environment_variables {
            "too many variables (limits.environmentVariables)"
        } else if bytes > limits.environment_bytes {
            "the environment is too large (limits.environmentBytes)"
        } else {
            self.variables += 1;
            self.variable_bytes = bytes;
            return self.before_start();
        };
        link.counters.refused_requests.add();
        Err(Refused::new(reason.to_owned()))
    }
}

fn refused<T>(reason: &str) -> Result<T, Refused> {
    Err(Refused::new(reason.to_owned()))
}

fn named(program: &Program, request_id: u64) -> Event {
    match program {
        Program::Shell => Event::Shell(Shell { request_id }),
        Program::Exec(command) => Event::Exec(Exec {
            request_id,
            program: command.as_ref().into(),
        }),
        Program::Subsystem(name) => Event::Subsystem(Subsystem {
            request_id,
            subsystem: name.as_str().into(),
        }),
    }
}

fn too_long(link: &Link, program: &Program) -> Option<Refused> {
    let limits = &link.settings.limits;
    let reason = match program {
        Program::Exec(command) if command.len() > limits.command_bytes => {
            "the command is too long (limits.commandBytes)"
        }
        Program::Subsystem(name) if name.len() > limits.name_bytes => {
            "the subsystem's name is too long (limits.nameBytes)"
        }
        _ => return None,
    };
    link.counters.refused_requests.add();
    Some(Refused::new(reason.to_owned()))
}

async fn started(
    link: &Link,
    session: &mut Box<dyn Session>,
    program: Program,
) -> Result<Result<Process, Refused>, Ended> {
    timely(link, session.start(program)).await
}

/// What a backend is given time for, as long as there is a client to answer.
async fn timely<T>(
    link: &Link,
    call: BoxFuture<'_, Result<T, Refused>>,
) -> Result<Result<T, Refused>, Ended> {
    let limit = link.settings.limits.backend_request;
    let result = link.unless_over(tokio::time::timeout(limit, call)).await?;
    Ok(result.unwrap_or_else(|_| {
        Err(Refused::new(format!(
            "the backend gave no answer within {limit:?}"
        )))
    }))
}
