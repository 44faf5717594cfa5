//! A pod as a place for programs: created, waited for, filled, and deleted in the end. All of that
//! is one task's, so that nothing is left when somebody gives up waiting.

use crate::Shared;
use crate::api::{Api, ApiError, Seen};
use crate::files;
use crate::settings::Mode;
use crate::state::{self, State};
use crate::template::{self, Made};
use auditssh_gateway::backend::{Identity, Refused};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The first pause before something is tried again; it doubles up to [`LONGEST`].
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(5);
/// How long a pod may come to be whose creation was not answered.
const DOUBT: Duration = Duration::from_secs(10);
/// How long one watch is believed.
const REFRESH: Duration = Duration::from_secs(15);

/// A pod that can be used. Dropped, it is deleted, unless it is persistent.
pub(crate) struct Place {
    pub(crate) name: String,
    /// Whether it goes with the last that uses it.
    pub(crate) passing: bool,
    _unwanted: Option<DropGuard>,
}

impl Place {
    /// A pod of its own for a login.
    pub(crate) async fn create(
        shared: &Arc<Shared>,
        api: &Arc<Api>,
        identity: &Arc<Identity>,
    ) -> Result<Self, Refused> {
        let name = template::name(&shared.settings.pod.generate_name);
        let (ready, outcome) = oneshot::channel();
        let unwanted = CancellationToken::new();
        let keeper = Keeper {
            shared: Arc::clone(shared),
            api: Arc::clone(api),
            identity: Arc::clone(identity),
            name: name.clone(),
        };
        let guard = unwanted.clone().drop_guard();
        shared.tasks.spawn(keeper.keep(ready, unwanted));
        let ended = |_| Err(Refused::new("the server is ending"));
        outcome.await.unwrap_or_else(ended)?;
        Ok(Self {
            name,
            passing: true,
            _unwanted: Some(guard),
        })
    }

    /// The pod that is there for all.
    pub(crate) async fn persistent(
        shared: &Shared,
        api: &Api,
        identity: &Identity,
    ) -> Result<Self, Refused> {
        let pod = &shared.settings.pod;
        let name = pod.name.clone().unwrap_or_default();
        let limit = shared.settings.timeouts.pod_start;
        let until = Instant::now() + limit;
        let there = timeout_at(until, api.get(&name)).await;
        match there.unwrap_or(Err(ApiError::TimedOut(limit))) {
            Ok(_) => {}
            Err(error) if error.is(404) && pod.create_missing => {
                let never = CancellationToken::new();
                create(shared, api, identity, &name, until, &never)
                    .await
                    .map_err(|failed| failed.refused)?;
            }
            Err(error) if error.is(404) => {
                return Err(Refused::new(format!(
                    "there is no pod {}/{name}: create it, or set \
                     `kubernetes.pod.createMissingPods: true`",
                    api.namespace()
                )));
            }
            Err(error) => return Err(Refused::new(error.to_string())),
        }
        wait(shared, api, &name, until).await?;
        Ok(Self {
            name,
            passing: false,
            _unwanted: None,
        })
    }
}

struct Keeper {
    shared: Arc<Shared>,
    api: Arc<Api>,
    identity: Arc<Identity>,
    name: String,
}

impl Keeper {
    async fn keep(self, ready: oneshot::Sender<Result<(), Refused>>, unwanted: CancellationToken) {
        // An order to create a pod is not taken back half way: what comes of it is deleted.
        let (ordered, counters) = (std::time::Instant::now(), self.shared.counters());
        let until = Instant::now() + self.shared.settings.timeouts.pod_start;
        let created = self.create(until, &unwanted).await;
        let certain = created.is_ok();
        let made = match created {
            Ok(()) => self.fill(until, &unwanted).await,
            Err(NotCreated { refused, doubtful }) => {
                if !doubtful {
                    counters.failed.add();
                    let _ = ready.send(Err(refused));
                    return;
                }
                Some(Err(refused))
            }
        };
        let made = made.map(|made| counters.ready(ordered, made));
        let good = matches!(made, Some(Ok(())));
        let heard = made.is_some_and(|made| ready.send(made).is_ok());
        if good && heard {
            self.unwanted(&unwanted).await;
        }
        self.delete(certain).await;
    }

    async fn create(&self, until: Instant, unwanted: &CancellationToken) -> Result<(), NotCreated> {
        let Self {
            shared,
            api,
            identity,
            name,
        } = self;
        create(shared, api, identity, name, until, unwanted).await
    }

    async fn unwanted(&self, unwanted: &CancellationToken) {
        tokio::select! {
            () = unwanted.cancelled() => {}
            () = self.shared.kill.cancelled() => {}
        }
    }

    /// Waits until programs can run in the pod, and writes the files of the login into it; `None`
    /// if nobody wants it any more.
    async fn fill(
        &self,
        until: Instant,
        unwanted: &CancellationToken,
    ) -> Option<Result<(), Refused>> {
        let (shared, api) = (&self.shared, &self.api);
        let filling = async {
            wait(shared, api, &self.name, until).await?;
            tracing::info!(
                connection = self.identity.connection_id,
                pod = self.name,
                "a pod is ready"
            );
            let files = files::write(shared, api, &self.identity, &self.name);
            let late = |_| {
                Err(Refused::new(
                    "the files of the login were not written in time",
                ))
            };
            timeout_at(until, files).await.unwrap_or_else(late)
        };
        tokio::select! {
            filled = filling => Some(filled),
            () = self.unwanted(unwanted) => None,
        }
    }

    /// Tries as long as `podStop` allows. What is left then is deleted after the next start. That a
    /// pod is not there proves nothing if the answer to its creation was lost.
    async fn delete(&self, certain: bool) {
        let limit = self.shared.settings.timeouts.pod_stop;
        let doubtful = Instant::now() + DOUBT.min(limit / 2);
        let trying = async {
            let mut pause = PAUSE;
            loop {
                match self.api.delete(&self.name, None).await {
                    Ok(there) if there || certain || Instant::now() > doubtful => {
                        if there || certain {
                            self.shared.counters().removed.add();
                        }
                        return;
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(%error, pod = self.name, "a pod is not deleted yet");
                    }
                }
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
        };
        if timeout(limit, trying).await.is_err() {
            self.shared.counters().left.add();
            tracing::warn!(
                pod = self.name,
                namespace = self.api.namespace(),
                "a pod could not be deleted within {limit:?} (kubernetes.timeouts.podStop); the \
                 next start of this server tries again"
            );
        }
    }
}

/// Why there is no pod.
struct NotCreated {
    refused: Refused,
    /// There may be one all the same.
    doubtful: bool,
}

/// Creates a pod, however often that takes.
async fn create(
    shared: &Shared,
    api: &Api,
    identity: &Identity,
    name: &str,
    until: Instant,
    unwanted: &CancellationToken,
) -> Result<(), NotCreated> {
    let settings = &shared.settings.pod;
    let instance = shared.itself.instance().await;
    let persistent = settings.mode == Mode::Persistent;
    let manifest = template::manifest(
        settings,
        name,
        &Made {
            identity,
            instance: &instance,
            owner: shared.owner.as_ref(),
            namespace: api.namespace(),
            idle_command: &shared.settings.idle_command,
        },
    );
    let (mut pause, mut again) = (PAUSE, persistent);
    let mut doubtful = false;
    loop {
        let error = match api.create(&manifest).await {
            Ok(()) => {
                shared.counters().created.add();
                return Ok(());
            }
            // The answer to the one before was lost, or somebody else was faster.
            Err(error) if again && error.is(409) => return Ok(()),
            Err(error) => error,
        };
        let passing = error.is_passing();
        doubtful |= passing;
        let refused = Refused::new(format!("no pod can be created: {error}"));
        let failed = NotCreated { refused, doubtful };
        if !passing || Instant::now() + pause >= until {
            return Err(failed);
        }
        again = true;
        tokio::select! {
            () = sleep(pause) => {}
            () = unwanted.cancelled() => return Err(failed),
        }
        pause = (pause * 2).min(LONGEST);
    }
}

/// Waits until programs can run in a pod.
async fn wait(shared: &Shared, api: &Api, name: &str, until: Instant) -> Result<(), Refused> {
    let console = template::console(&shared.settings.pod);
    let mut known = String::new();
    let outcome = tokio::select! {
        outcome = follow(api, name, console, &mut known) => Some(outcome),
        () = sleep_until(until) => None,
    };
    let namespace = api.namespace();
    match outcome {
        Some(Ok(())) => Ok(()),
        Some(Err(reason)) => {
            let before = if known.is_empty() || reason.contains(&known) {
                String::new()
            } else {
                format!(" (before: {known})")
            };
            Err(Refused::new(format!(
                "pod {namespace}/{name}: {reason}{before}"
            )))
        }
        None => {
            let limit = shared.settings.timeouts.pod_start;
            let why = if known.is_empty() {
                "nothing is known of it"
            } else {
                &known
            };
            Err(Refused::new(format!(
                "pod {namespace}/{name} is not ready within {limit:?} \
                 (kubernetes.timeouts.podStart): {why}"
            )))
        }
    }
}

/// Follows a pod until its state is final. What is known of its waiting is kept in `known`.
async fn follow(api: &Api, name: &str, console: &str, known: &mut String) -> Result<(), String> {
    let mut pause = PAUSE;
    loop {
        match look(api, name, console, known).await {
            Ok(Some(done)) => return done,
            // The watch has ended, as watches do.
            Ok(None) => {}
            Err(error) if error.is_passing() => *known = error.to_string(),
            Err(error) if error.is(404) => return Err("somebody has deleted it".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

async fn look(
    api: &Api,
    name: &str,
    console: &str,
    known: &mut String,
) -> Result<Option<Result<(), String>>, ApiError> {
    let mut judge = |pod: &k8s_openapi::api::core::v1::Pod| match state::judge(pod, console) {
        State::Ready => Some(Ok(())),
        State::Hopeless(reason) => Some(Err(reason)),
        State::Waiting(reason) => {
            if !reason.is_empty() {
                *known = reason;
            }
            None
        }
    };
    let pod = api.get(name).await?;
    if let Some(done) = judge(&pod) {
        return Ok(Some(done));
    }
    let version = pod.metadata.resource_version.unwrap_or_default();
    let mut watch = api.watch(name, &version).await?;
    // A watch may be dead without a word.
    let until = Instant::now() + REFRESH;
    loop {
        match timeout_at(until, watch.next()).await {
            Ok(event) => match event? {
                Some(Seen::There(pod)) => {
                    if let Some(done) = judge(&pod) {
                        return Ok(Some(done));
                    }
                }
                Some(Seen::Gone) => return Ok(Some(Err("somebody has deleted it".to_owned()))),
                None => return Ok(None),
            },
            Err(_) => return Ok(None),
        }
    }
}
