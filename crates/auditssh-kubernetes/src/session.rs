//! One session channel: a program in a pod.

use crate::exec::{End, Exec, Order};
use crate::place::Login;
use crate::pod::Place;
use crate::settings::Mode;
use crate::{run, template};
use async_trait::async_trait;
use auditssh_gateway::backend::container::{
    Circumstances, Environment, GO, Helper, Opening, Step, helper,
};
use auditssh_gateway::backend::{Exit, Process, Program, Refused, Session, local};
use auditssh_log::message::{Pty, Window};
use futures::FutureExt as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A session; dropping it ends what it started.
pub(crate) struct PodSession {
    login: Login,
    place: Arc<Place>,
    environment: Environment,
    terminal: Option<Terminal>,
    program: Option<Started>,
}

struct Terminal {
    name: String,
    modes: Vec<u8>,
    size: Order,
}

struct Started {
    orders: mpsc::Sender<Order>,
    /// `None` if it can't be told.
    pid: Option<u32>,
    over: CancellationToken,
    _wanted: DropGuard,
}

/// A program whose end is waited for.
struct Watched {
    login: Login,
    place: Arc<Place>,
    pid: Option<u32>,
    end: oneshot::Receiver<End>,
    open: DropGuard,
}

impl PodSession {
    pub(crate) fn new(login: Login, place: Arc<Place>) -> Self {
        Self {
            login,
            place,
            environment: Environment::default(),
            terminal: None,
            program: None,
        }
    }

    fn helper(&self) -> &Helper {
        &self.login.shared.settings.helper
    }

    /// The command line with the variables that the container does not have.
    fn words(&mut self, program: &Program) -> Result<Vec<String>, Refused> {
        let Login {
            shared, identity, ..
        } = &self.login;
        let restrictions = &identity.restrictions;
        let line = shared.settings.programs.line(program, restrictions)?;
        let circumstances = Circumstances {
            terminal: self
                .terminal
                .as_ref()
                .map(|terminal| terminal.name.as_str()),
            original_command: line.original.as_deref(),
            expose_metadata: false,
        };
        let environment = std::mem::take(&mut self.environment);
        let mut variables = environment.complete(identity, &circumstances);
        let pod = &shared.settings.pod;
        let of_login = template::variables(pod, identity);
        if pod.mode == Mode::Persistent {
            for (name, value) in of_login {
                variables.entry(name).or_insert(value);
            }
        } else {
            // The container has them; who may read the log of the API server need not.
            variables.retain(|name, value| of_login.get(name) != Some(value));
        }
        let needed = line.original.is_some() || !restrictions.environment.is_empty();
        if self.helper() == &Helper::None {
            if needed {
                return Err(Refused::new(
                    "the login has variables or a command of its own, which can't be told without \
                     a helper in the image",
                ));
            }
            return Ok(line.words);
        }
        Ok(with(variables, line.words))
    }

    /// Runs the command line up to where the program itself begins.
    async fn run(&self, words: Vec<String>) -> Result<(Exec, Option<u32>), Refused> {
        let Login { shared, api, .. } = &self.login;
        let terminal = self.terminal.as_ref();
        let modes = terminal.map(|terminal| terminal.modes.as_slice());
        let mut wrapped = self.helper().wrap(words, modes);
        if let Some(Terminal {
            size: Order::Resize { columns, rows },
            ..
        }) = terminal
        {
            wrapped.set_size(*columns, *rows);
        }
        let name = &self.place.name;
        let exec = run::start(shared, api, name, &wrapped.words, terminal.is_some()).await;
        let mut exec = exec.map_err(|error| Refused::new(error.to_string()))?;
        if let Some(terminal) = terminal {
            // There is room: nothing was ordered before.
            let _ = exec.orders.send(terminal.size).await;
        }
        if !open(&mut exec, &mut wrapped.opening).await? {
            let end = (&mut exec.end).await;
            let said = match end {
                Ok(End::Failed(reason) | End::Lost(reason)) => reason,
                Ok(End::Code(code)) => format!("it ended at once, with {code}"),
                Err(_) => "the server is ending".to_owned(),
            };
            let errors = errors(&mut exec).await;
            return Err(Refused::new(format!(
                "no program can be run: {said}{errors}"
            )));
        }
        Ok((exec, wrapped.opening.pid()))
    }
}

/// Has the helper go on, and reads its words up to the program's own; whether it begins.
async fn open(exec: &mut Exec, opening: &mut Opening) -> Result<bool, Refused> {
    while !opening.is_over() {
        let Ok(byte) = exec.stdout.read_u8().await else {
            return Ok(false);
        };
        let step = opening.take(byte);
        let step = step.map_err(|bad| Refused::new(format!("no program can be run: {bad}")))?;
        if let Step::Waits(_) = step
            && exec.stdin.write_all(GO).await.is_err()
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a program that did not begin said.
async fn errors(exec: &mut Exec) -> String {
    let mut said = Vec::new();
    if let Some(stderr) = &mut exec.stderr {
        let _ = stderr.take(1024).read_to_end(&mut said).await;
    }
    let said = crate::api::clip(String::from_utf8_lossy(&said).trim());
    if said.is_empty() {
        said
    } else {
        format!(": {said}")
    }
}

fn with(variables: BTreeMap<String, String>, words: Vec<String>) -> Vec<String> {
    if variables.is_empty() {
        return words;
    }
    let mut all = vec!["env".to_owned()];
    all.extend(
        variables
            .into_iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    all.extend(words);
    all
}

fn size(columns: u64, rows: u64) -> Order {
    let short = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
    Order::Resize {
        columns: short(columns),
        rows: short(rows),
    }
}

#[async_trait]
impl Session for PodSession {
    async fn env(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        if self.helper() == &Helper::None {
            return Err(Refused::new(
                "variables can't be told without a helper in the image",
            ));
        }
        // What runs is `env NAME=VALUE… PROGRAM`: a name must not be taken for an option of it.
        if name.starts_with(b"-") {
            return Err(Refused::new("a variable's name begins with `-`"));
        }
        let forced = self.login.identity.restrictions.command.is_some();
        self.environment.accept(forced, name, value)
    }

    async fn pty(&mut self, pty: &Pty) -> Result<(), Refused> {
        if !self.login.identity.restrictions.pty {
            return Err(Refused::new("this login may not have a terminal"));
        }
        if self.terminal.is_some() || self.program.is_some() {
            return Err(Refused::new(
                "the channel has its terminal or program already",
            ));
        }
        self.terminal = Some(Terminal {
            name: String::from_utf8_lossy(pty.term.as_bytes()).into_owned(),
            modes: pty.modelist.clone(),
            size: size(pty.columns, pty.rows),
        });
        Ok(())
    }

    async fn window(&mut self, window: &Window) -> Result<(), Refused> {
        let size = size(window.columns, window.rows);
        match (&self.program, &mut self.terminal) {
            (_, None) => Err(Refused::new("the channel has no terminal")),
            (None, Some(terminal)) => {
                terminal.size = size;
                Ok(())
            }
            (Some(program), Some(_)) => {
                let limit = self.login.shared.settings.timeouts.window;
                match timeout(limit, program.orders.send(size)).await {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(_)) => Err(Refused::new("the program has ended")),
                    Err(_) => Err(Refused::new(
                        "the terminal did not take its size in time (kubernetes.timeouts.window)",
                    )),
                }
            }
        }
    }

    async fn signal(&mut self, name: &str) -> Result<(), Refused> {
        if !helper::is_signal(name) {
            let name = name.escape_debug();
            return Err(Refused::new(format!("signal `{name}` can't be sent")));
        }
        let Some(program) = &self.program else {
            return Err(Refused::new("no program runs"));
        };
        if program.over.is_cancelled() {
            return Err(Refused::new("the program has ended"));
        }
        let words = program.pid.and_then(|pid| self.helper().signal(name, pid));
        let words = words
            .ok_or_else(|| Refused::new("no signal can be sent without a helper in the image"))?;
        let Login { shared, api, .. } = &self.login;
        let limit = shared.settings.timeouts.signal;
        let sent = timeout(
            limit,
            run::helper(shared, api, &self.place.name, &words, b""),
        )
        .await;
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Refused::new(format!("the signal was not sent: {error}"))),
            Err(_) => Err(Refused::new(
                "the signal was not sent in time (kubernetes.timeouts.signal)",
            )),
        }
    }

    /// What a terminal elsewhere shows can't be told.
    fn echoes(&self) -> Option<bool> {
        None
    }

    async fn start(&mut self, program: Program) -> Result<Process, Refused> {
        if self.program.is_some() {
            return Err(Refused::new("the channel has a program already"));
        }
        let words = self.words(&program)?;
        let limit = self.login.shared.settings.timeouts.command_start;
        let (exec, pid) = timeout(limit, self.run(words)).await.unwrap_or_else(|_| {
            Err(Refused::new(format!(
                "no program runs within {limit:?} (kubernetes.timeouts.commandStart)"
            )))
        })?;
        let unwanted = CancellationToken::new();
        let over = CancellationToken::new();
        let (told, exit) = oneshot::channel();
        let watched = Watched {
            login: self.login.clone(),
            place: Arc::clone(&self.place),
            pid,
            end: exec.end,
            open: exec.open,
        };
        let watching = watched.watch(unwanted.clone(), over.clone(), told);
        self.login.shared.tasks.spawn(watching);
        self.program = Some(Started {
            orders: exec.orders,
            pid,
            over,
            _wanted: unwanted.drop_guard(),
        });
        let lost = || Exit::Unknown("the server is ending".to_owned());
        Ok(Process {
            stdin: Box::new(exec.stdin),
            stdout: Box::new(exec.stdout),
            stderr: exec.stderr.map(|stderr| Box::new(stderr) as _),
            exit: exit
                .map(move |exit| exit.unwrap_or_else(|_| lost()))
                .boxed(),
        })
    }
}

impl Watched {
    /// Waits for the end, or brings it about when nobody wants the program any more. The pod is
    /// there as long as this goes on.
    async fn watch(
        mut self,
        unwanted: CancellationToken,
        over: CancellationToken,
        told: oneshot::Sender<Exit>,
    ) {
        let end = tokio::select! {
            end = &mut self.end => end.ok(),
            () = unwanted.cancelled() => self.end_program().await,
        };
        over.cancel();
        let exit = match end {
            Some(End::Lost(reason)) => {
                let connection = &self.login.identity.connection_id;
                tracing::warn!(connection, reason, "a program's end is not known");
                Exit::Unknown(reason)
            }
            Some(end) => end.exit(),
            None => Exit::Unknown("it was ended".to_owned()),
        };
        let _ = told.send(exit);
        drop(self.open);
    }

    /// SIGHUP, and SIGKILL a while later; that is for pods that go on, since the others take all
    /// that runs in them along.
    async fn end_program(&mut self) -> Option<End> {
        let kill = self.login.shared.kill.clone();
        let ending = async {
            self.send("HUP").await;
            if let Ok(end) = timeout(local::KILL_AFTER, &mut self.end).await {
                return end.ok();
            }
            if self.place.passing && Arc::strong_count(&self.place) == 1 {
                return None;
            }
            self.send("KILL").await;
            timeout(local::KILL_AFTER, &mut self.end).await.ok()?.ok()
        };
        tokio::select! {
            end = ending => end,
            () = kill.cancelled() => None,
        }
    }

    async fn send(&self, signal: &str) {
        let Login { shared, api, .. } = &self.login;
        let words = self
            .pid
            .and_then(|pid| shared.settings.helper.signal(signal, pid));
        let Some(words) = words else { return };
        let limit = shared.settings.timeouts.signal.min(local::KILL_AFTER);
        let sent = timeout(
            limit,
            run::helper(shared, api, &self.place.name, &words, b""),
        )
        .await;
        if !matches!(sent, Ok(Ok(()))) {
            tracing::debug!(signal, pod = self.place.name, "a program was not signalled");
        }
    }
}
