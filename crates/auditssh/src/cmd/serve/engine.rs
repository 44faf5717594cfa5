//! Starts the parts of the server, obeys signals, and ends the parts in order.

use super::backends::Backends;
use super::choice;
use super::counters;
use super::demo::Greeting;
use super::indexer::Indexer;
use super::memory;
use super::monitor::Monitoring;
use super::notify::{State, notify};
use super::parts;
use super::reload::Reload;
use super::viewer::{Plan, Viewer};
use crate::cli;
use crate::config::{Backend, Config};
use anyhow::Context;
use arc_swap::ArcSwap;
use auditssh_archive::{Archive, Observer, OpenError};
use auditssh_gateway::backend::container::Itself;
use auditssh_gateway::{self as gateway, HostKey, Server};
use auditssh_monitor::Counts;
use auditssh_s3::{Inbox, Uploader};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long logs may take to be sealed at the end; what is not is recovered at the next start.
const SEAL_PATIENCE: Duration = Duration::from_secs(10);
/// How long everything together may take when the end is asked for a second time.
const HURRY: Duration = Duration::from_secs(1);

/// Where a configuration comes from.
pub(super) enum Origin<'a> {
    /// The embedded default, and what the person at the terminal is told.
    Embedded(&'a Greeting),
    /// A file, which SIGHUP reads again.
    File {
        file: &'a Path,
        /// What was in force at the start, as `config check` shows it.
        shown: serde_json::Value,
    },
}

/// Serves until a signal ends it.
pub(super) fn run(config: Config, origin: Origin<'_>) -> anyhow::Result<ExitCode> {
    // Passwords and keys pass through this memory: no core file, and no debugger of a program that
    // runs under the same account, shows them.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let host_keys = parts::host_keys(&config.ssh.host_keys)?;
    // Asked before the server raises it.
    let open_files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    // One directory of those that are locked is enough.
    let first = config.audit.first();
    let itself = Itself::new(first.map(|audit| audit.directory.path.clone()));
    let counted = Arc::clone(itself.counters());
    let make = move |mut backend| {
        if let Backend::Local(local) = &mut backend {
            local.open_files = open_files;
        }
        parts::backend(backend, &itself)
    };
    let backends = Backends::new(make(config.backend)?, Box::new(make));
    let start = choice::Start::new(Arc::clone(&backends), config.per_connection.base.clone());
    let security = Arc::new(config.security);
    let chooser = start.chooser(config.per_connection, &security)?;
    let plan = Plan::new(config.web, &config.audit)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the server's threads cannot be started")?;
    outgrow(&runtime)?;
    let (mut outputs, mut buckets) = (Vec::new(), Vec::new());
    for audit in config.audit {
        let bucket = audit.bucket.clone();
        let inbox = bucket.as_ref().map(|bucket| Inbox::new(bucket.part_size));
        let indexer = (audit.index).then(|| Indexer::start(&audit.directory.path));
        let observer = observer(inbox.as_ref()).or(indexer.transpose()?);
        match Archive::open(parts::archive(audit, observer)?) {
            Ok(archive) => outputs.push(archive),
            Err(error) => return refused(error),
        }
        buckets.push(bucket.zip(inbox));
    }
    let archive = Archive::of(outputs);
    let known = host_keys.first().cloned();
    let settings = parts::gateway(
        config.ssh,
        host_keys,
        config.limits,
        security,
        config.countries,
        config.place_separator,
        parts::Asked {
            webhooks: config.webhooks,
            elsewhere: config.elsewhere,
            chooser,
        },
    );
    let users = Arc::new(ArcSwap::from_pointee(config.users));
    let code = runtime.block_on(async {
        let signals = Signals::new(matches!(origin, Origin::Embedded(_)))?;
        let programs = backends.common();
        // Before clients are let in: whoever sees the server listen may look.
        let viewer = plan.start()?;
        let server = Server::bind(settings, archive.clone(), programs, Arc::clone(&users))?;
        let uploaders: Vec<_> = buckets.into_iter().map(upload).collect();
        let uploads = uploaders.iter().map(Upload::uploader).collect();
        let counts = Counts {
            gateway: server.counters(),
            backends: counted,
        };
        let monitoring = Monitoring::start(config.monitor, counts, &archive, uploads)?;
        for address in server.addresses() {
            tracing::info!(%address, "listening");
        }
        let reload = match origin {
            Origin::File { file, shown } => {
                let renewals = monitoring.renewals();
                Some(Reload::new(
                    file.to_owned(),
                    shown,
                    users,
                    server.terms(),
                    start,
                    (renewals, viewer.renewal()),
                ))
            }
            Origin::Embedded(greeting) => {
                greet(greeting, &server, known.as_ref())?;
                None
            }
        };
        backends.common().begin().await;
        notify(State::Ready);
        let running = Running {
            gateway: server.counters(),
            hurry: server.hurry(),
            backends,
            archive: archive.clone(),
            uploaders,
            monitoring,
            viewer,
        };
        running.serve(server, signals, reload).await;
        tracing::info!("ended");
        anyhow::Ok(ExitCode::SUCCESS)
    });
    // Blocking work that hangs (a dead network file system) does not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

/// Has a file that grows beyond `ulimit -f` be an error of its log, and not the server's end. The
/// signal stays caught, and programs that are started have it as it was.
fn outgrow(runtime: &Runtime) -> io::Result<()> {
    let _inside = runtime.enter();
    signal(SignalKind::from_raw(nix::libc::SIGXFSZ)).map(drop)
}

/// What brings the logs of an output to its bucket, if it has one, with how long uploads under way
/// may take at the end.
struct Upload(Option<(Arc<Uploader>, Duration)>);

impl Upload {
    fn uploader(&self) -> Option<Arc<Uploader>> {
        self.0.as_ref().map(|(uploader, _)| Arc::clone(uploader))
    }
}

fn upload(bucket: Option<(auditssh_s3::Settings, Inbox)>) -> Upload {
    Upload(bucket.map(|(settings, inbox)| {
        let uploader = Uploader::start(&settings, &inbox);
        (Arc::new(uploader), settings.shutdown)
    }))
}

/// A second instance has an exit status of its own.
pub(crate) fn refused(error: OpenError) -> anyhow::Result<ExitCode> {
    if error.is_second_instance() {
        let _ = writeln!(io::stderr(), "auditssh: {:#}", anyhow::Error::from(error));
        return Ok(ExitCode::from(cli::UNABLE));
    }
    Err(anyhow::Error::from(error).context("the directory of the logs cannot be used"))
}

/// Tells the person at the terminal what to type; what stands there is logged nowhere.
fn greet(greeting: &Greeting, server: &Server, key: Option<&HostKey>) -> anyhow::Result<()> {
    let (Some(address), Some(key)) = (server.addresses().first(), key) else {
        return Ok(());
    };
    let text = greeting.text(*address, key)?;
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// The parts of a server that runs.
struct Running {
    gateway: Arc<gateway::Counters>,
    hurry: CancellationToken,
    backends: Arc<Backends>,
    archive: Archive,
    /// Of each output of the archive.
    uploaders: Vec<Upload>,
    monitoring: Monitoring,
    viewer: Viewer,
}

impl Running {
    /// Until a signal ends the server, and all its parts have ended in order.
    async fn serve(&self, server: Server, mut signals: Signals, reload: Option<Reload>) {
        let shutdown = CancellationToken::new();
        let ended = async {
            server.run(shutdown.clone()).await;
            tracing::info!("connections are closed");
            self.end().await;
        };
        tokio::pin!(ended);
        let memory = memory::look_after(&self.gateway);
        tokio::pin!(memory);
        loop {
            tokio::select! {
                () = &mut ended => {
                    self.count();
                    return;
                }
                () = &mut memory => {}
                order = signals.next() => match (order, &reload) {
                    (Order::Reload, Some(reload)) => reload.run().await,
                    (Order::Reload, None) => {}
                    (Order::Count, _) => self.count(),
                    (Order::End(name), _) if shutdown.is_cancelled() => {
                        tracing::warn!("{name} a second time: ending at once; programs are killed");
                        self.end_at_once(ended.as_mut()).await;
                    }
                    (Order::End(name), _) => {
                        tracing::info!("{name}: ending; sessions are told");
                        self.monitoring.drain();
                        notify(State::Stopping);
                        shutdown.cancel();
                    }
                }
            }
        }
    }

    /// Viewers first, then programs, since their last words are recorded; then the logs, then their
    /// uploads.
    async fn end(&self) {
        self.viewer.end().await;
        let patience = self.backends.patience();
        if tokio::time::timeout(patience, self.backends.drained())
            .await
            .is_err()
        {
            tracing::warn!("programs of ended sessions are still running");
        }
        let open = self.archive.shutdown(SEAL_PATIENCE).await;
        if open > 0 {
            tracing::warn!(
                open,
                "logs could not be closed; they are recovered at the next start"
            );
        }
        let mut ends = JoinSet::new();
        for (uploader, patience) in self.uploaders.iter().filter_map(|one| one.0.as_ref()) {
            let (uploader, patience) = (Arc::clone(uploader), *patience);
            ends.spawn(async move { uploader.shutdown(patience).await });
        }
        while let Some(staged) = ends.join_next().await {
            tracing::info!(
                staged = staged.ok(),
                "uploads are ended; logs that the bucket does not have are uploaded after the next \
                 start"
            );
        }
    }

    /// Kills what runs for sessions, and gives the logs a moment to be closed with that.
    async fn end_at_once(&self, ended: impl Future<Output = ()>) -> ! {
        self.backends.kill();
        self.hurry.cancel();
        // Nothing is left of this wait if the disk or the bucket does not answer.
        let _ = tokio::time::timeout(HURRY, ended).await;
        self.count();
        let open = self.archive.status().map_or(0, |status| status.open);
        if open > 0 {
            tracing::warn!(open, "logs are open; they are recovered at the next start");
        }
        std::process::exit(i32::from(cli::FAILURE));
    }

    fn count(&self) {
        counters::of_gateway(&self.gateway);
        for output in self.archive.outputs() {
            output.counters().into_iter().for_each(counters::of_archive);
        }
        for uploader in self.uploaders.iter().filter_map(Upload::uploader) {
            counters::of_uploads(uploader.counters());
        }
    }
}

/// What the archive tells of its logs.
pub(crate) fn observer(inbox: Option<&Inbox>) -> Option<Arc<dyn Observer>> {
    inbox.map(|inbox| Arc::new(inbox.clone()) as Arc<dyn Observer>)
}

/// What a signal asks for.
enum Order {
    Reload,
    /// What happened how often.
    Count,
    /// With the name of the signal.
    End(&'static str),
}

/// The signals that the server obeys.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user1: Signal,
    /// Whether SIGHUP means that the terminal is gone.
    attached: bool,
}

impl Signals {
    fn new(attached: bool) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            attached,
        })
    }

    async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::End("SIGTERM"),
            _ = self.interrupt.recv() => Order::End("SIGINT"),
            _ = self.user1.recv() => Order::Count,
            _ = self.hangup.recv() => {
                if self.attached { Order::End("SIGHUP") } else { Order::Reload }
            }
        }
    }
}
