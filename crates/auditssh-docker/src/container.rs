//! A container from its creation to its removal.

use crate::backend::{Login, Shared};
use crate::engine::{Failure, State};
use crate::{files, leftover};
use auditssh_gateway::backend::Refused;
use auditssh_gateway::backend::container::{
    CONNECTION_LABEL, INSTANCE_LABEL, IP_LABEL, RUN_LABEL, USERNAME_LABEL, environment,
};
use bollard::models::{ContainerCreateBody, HostConfigLogConfig};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long programs of a session that is gone may take to end after SIGHUP.
pub(crate) const KILL_AFTER: Duration = Duration::from_secs(2);
/// How often, and after which pauses, it is looked whether a container has ended with a program: the
/// engine hears of programs first.
const LOOKS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(50);

/// A container; the last handle that is dropped has it removed.
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) shared: Arc<Shared>,
    _wanted: DropGuard,
}

/// The running container of a connection, in which nothing but its idle command runs.
pub(crate) async fn idle(shared: &Arc<Shared>, login: &Login) -> Result<Arc<Container>, Refused> {
    let body = ContainerCreateBody {
        cmd: Some(shared.settings.idle_command.clone()),
        tty: Some(false),
        open_stdin: Some(false),
        attach_stdin: Some(false),
        ..body(shared, login, &BTreeMap::new())
    };
    let ordered = Instant::now();
    let running = async {
        let container = make(shared, login, body).await?;
        container.start().await?;
        Ok(container)
    };
    shared.counters.ready(ordered, running.await)
}

/// The container of a session, which is not started.
pub(crate) async fn of_session(
    shared: &Arc<Shared>,
    login: &Login,
    command: Vec<String>,
    variables: &BTreeMap<String, String>,
    terminal: bool,
) -> Result<Arc<Container>, Refused> {
    let mut body = ContainerCreateBody {
        cmd: Some(command),
        tty: Some(terminal),
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..body(shared, login, variables)
    };
    // Else the engine would keep all output on its disk.
    if let Some(host) = &mut body.host_config {
        host.log_config.get_or_insert_with(|| HostConfigLogConfig {
            typ: Some("none".to_owned()),
            ..HostConfigLogConfig::default()
        });
    }
    make(shared, login, body).await
}

/// What all containers have in common.
fn body(
    shared: &Shared,
    login: &Login,
    variables: &BTreeMap<String, String>,
) -> ContainerCreateBody {
    let identity = &login.identity;
    let mut body = shared.settings.launch.body.clone();
    let instance = &login.instance;
    let known_as = identity.facts.authenticated_username.as_ref();
    let address = identity.remote_address.ip().to_canonical().to_string();
    let labels = body.labels.get_or_insert_default();
    for (name, value) in [
        (USERNAME_LABEL, known_as.unwrap_or(&identity.user).as_str()),
        (CONNECTION_LABEL, &identity.connection_id),
        (IP_LABEL, &address),
        (INSTANCE_LABEL, instance.id()),
        (RUN_LABEL, instance.run()),
    ] {
        labels.insert(name.to_owned(), value.to_owned());
    }
    let mut all = environment::of_services(identity, shared.settings.expose_metadata);
    all.extend(variables.clone());
    let written = body.env.get_or_insert_default();
    written.retain(|one| {
        let name = one.split_once('=').map_or(one.as_str(), |(name, _)| name);
        !all.contains_key(name)
    });
    written.extend(pairs(&all));
    // Removed by us, when we have heard how it ended.
    if let Some(host) = &mut body.host_config {
        host.auto_remove = Some(false);
    }
    body
}

/// Variables as the engine takes them.
pub(crate) fn pairs(variables: &BTreeMap<String, String>) -> Vec<String> {
    let pairs = variables.iter();
    pairs
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

async fn make(
    shared: &Arc<Shared>,
    login: &Login,
    body: ContainerCreateBody,
) -> Result<Arc<Container>, Refused> {
    let user = body.user.clone().filter(|user| !user.is_empty());
    let user = user.unwrap_or_else(|| login.user.clone());
    // In a task of its own: who waits may give up, and a container that is made all the same must
    // not be left with nobody to remove it.
    let (sender, made) = oneshot::channel();
    let maker = Arc::clone(shared);
    shared.tasks.spawn(async move {
        let launch = &maker.settings.launch;
        let id = maker
            .engine
            .create(&launch.name, &launch.platform, body)
            .await;
        let made = id.map(|id| {
            maker.counters.created.add();
            Container::keep(&maker, id)
        });
        let _ = sender.send(made);
    });
    let made = made
        .await
        .map_err(|_| Refused::new("a container could not be made"))?;
    let container = made.map_err(|failure| not_made(shared, &failure))?;
    let files = &login.identity.facts.files;
    files::put(&shared.engine, &container.id, &user, files).await?;
    Ok(container)
}

fn not_made(shared: &Shared, failure: &Failure) -> Refused {
    let name = &shared.settings.launch.name;
    let taken = matches!(failure, Failure::Refused { code: 409, .. }) && !name.is_empty();
    let remedy = if taken {
        "; `containerName` is for one container only: leave it empty"
    } else {
        ""
    };
    Refused::new(format!("a container can't be made: {failure}{remedy}"))
}

impl Container {
    /// Takes over a container that exists, to its removal.
    fn keep(shared: &Arc<Shared>, id: String) -> Arc<Self> {
        let unwanted = CancellationToken::new();
        let container = Arc::new(Self {
            id: id.clone(),
            shared: Arc::clone(shared),
            _wanted: unwanted.clone().drop_guard(),
        });
        let keeper = Arc::clone(shared);
        shared.tasks.spawn(async move {
            tokio::select! {
                () = unwanted.cancelled() => {}
                () = keeper.kill.cancelled() => {}
            }
            leftover::remove(&keeper, &id).await;
        });
        container
    }

    pub(crate) async fn start(&self) -> Result<(), Refused> {
        let started = self.shared.engine.start(&self.id).await;
        started
            .map_err(|failure| Refused::new(format!("the container can't be started: {failure}")))
    }

    /// Whether a program can be started in it.
    pub(crate) async fn check(&self) -> Result<(), Refused> {
        match self.shared.engine.state(&self.id).await {
            Ok(Some(state)) if state.running => Ok(()),
            Ok(state) => Err(Refused::told(ended(state.as_ref()))),
            Err(failure) => Err(Refused::new(failure.to_string())),
        }
    }
}

impl Container {
    /// Why a program has ended that a signal ended, if its container has.
    pub(crate) async fn end(&self) -> Option<String> {
        for _ in 0..LOOKS {
            match self.shared.engine.state(&self.id).await {
                Ok(Some(state)) if state.running => {}
                Ok(state) => return Some(ended(state.as_ref())),
                Err(failure) => return Some(failure.to_string()),
            }
            tokio::time::sleep(PAUSE).await;
        }
        None
    }
}

/// What became of a container that does not run; `None` for one that is not there.
pub(crate) fn ended(state: Option<&State>) -> String {
    let Some(state) = state else {
        return "the container of this connection was removed".to_owned();
    };
    let code = state.exit_code;
    let memory = if state.oom_killed {
        ", out of memory"
    } else {
        ""
    };
    format!("the container of this connection has ended (exit code {code}{memory})")
}
