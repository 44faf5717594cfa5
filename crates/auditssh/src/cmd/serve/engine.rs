//! Starts the parts of the server, obeys signals, and ends the parts in order.

use super::demo::Greeting;
use super::notify::{State, notify};
use super::parts;
use super::reload::Reload;
use crate::cli;
use crate::config::Config;
use anyhow::Context;
use arc_swap::ArcSwap;
use auditssh_archive::{Archive, Observer, OpenError};
use auditssh_gateway::backend::local::{KILL_AFTER, Local};
use auditssh_gateway::{HostKey, Server};
use auditssh_s3::{Counter, Inbox, Uploader};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long logs may take to be sealed at the end; what is not is recovered at the next start.
const SEAL_PATIENCE: Duration = Duration::from_secs(10);

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
    let host_keys = parts::host_keys(&config.ssh.host_keys)?;
    let mut local = config.local;
    // Asked before the server raises it.
    local.open_files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let backend = Arc::new(Local::new(local)?);
    let bucket = config.audit.as_ref().and_then(|audit| audit.bucket.clone());
    let inbox = bucket.as_ref().map(|bucket| Inbox::new(bucket.part_size));
    let archive = match config.audit {
        None => Archive::none(),
        Some(audit) => match Archive::open(parts::archive(audit, observer(inbox.as_ref()))?) {
            Ok(archive) => archive,
            Err(error) => return refused(error),
        },
    };
    let known = host_keys.first().cloned();
    let settings = parts::gateway(config.ssh, host_keys, config.limits, config.countries);
    let users = Arc::new(ArcSwap::from_pointee(config.users));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the server's threads cannot be started")?;
    let code = runtime.block_on(async {
        let signals = Signals::new(matches!(origin, Origin::Embedded(_)))?;
        let programs = Arc::clone(&backend);
        let server = Server::bind(settings, archive.clone(), programs, Arc::clone(&users))?;
        for address in server.addresses() {
            tracing::info!(%address, "listening");
        }
        let reload = match origin {
            Origin::File { file, shown } => {
                Some(Reload::new(file.to_owned(), shown, users, server.terms()))
            }
            Origin::Embedded(greeting) => {
                greet(greeting, &server, known.as_ref())?;
                None
            }
        };
        let uploader = bucket.zip(inbox).map(|(settings, inbox)| {
            let uploader = Uploader::start(&settings, &inbox);
            (uploader, settings.shutdown)
        });
        notify(State::Ready);
        let counters = server.counters();
        serve(server, signals, reload).await;
        tracing::info!(
            connections = counters.connections.value(),
            logins = counters.logins.value(),
            auth_failures = counters.auth_failures.value(),
            recording_failures = counters.recording_failures.value(),
            "connections are closed"
        );
        end(&backend, &archive).await;
        if let Some((uploader, patience)) = uploader {
            end_uploads(&uploader, patience).await;
        }
        tracing::info!("ended");
        anyhow::Ok(ExitCode::SUCCESS)
    });
    // Blocking work that hangs (a dead network file system) does not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
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

/// Until the first signal that ends the server, and its sessions' end.
async fn serve(server: Server, mut signals: Signals, reload: Option<Reload>) {
    let shutdown = CancellationToken::new();
    let running = server.run(shutdown.clone());
    tokio::pin!(running);
    loop {
        tokio::select! {
            () = &mut running => return,
            order = signals.next() => match (order, &reload) {
                (Order::Reload, Some(reload)) => reload.run().await,
                (Order::Reload, None) => {}
                (Order::End(name), _) if shutdown.is_cancelled() => {
                    tracing::warn!("{name} a second time: ending at once; logs that are open are \
                                    recovered at the next start");
                    std::process::exit(i32::from(cli::FAILURE));
                }
                (Order::End(name), _) => {
                    tracing::info!("{name}: ending; sessions are told");
                    notify(State::Stopping);
                    shutdown.cancel();
                }
            }
        }
    }
}

/// Programs first, since their last words are recorded; then the logs.
async fn end(backend: &Local, archive: &Archive) {
    let patience = KILL_AFTER + Duration::from_secs(1);
    if tokio::time::timeout(patience, backend.drained())
        .await
        .is_err()
    {
        tracing::warn!("programs of ended sessions are still running");
    }
    let open = archive.shutdown(SEAL_PATIENCE).await;
    if open > 0 {
        tracing::warn!(
            open,
            "logs could not be closed; they are recovered at the next start"
        );
    }
}

/// What the bucket does not have stays on the disk.
async fn end_uploads(uploader: &Uploader, patience: Duration) {
    let staged = uploader.shutdown(patience).await;
    let counters = uploader.counters();
    tracing::info!(
        logs = counters.logs.value(),
        bytes = counters.bytes.value(),
        failures = counters.failures.iter().map(Counter::value).sum::<u64>(),
        quarantined = counters.quarantined.value(),
        staged,
        "uploads are ended; logs that the bucket does not have are uploaded after the next start"
    );
}

/// What the archive tells of its logs.
pub(crate) fn observer(inbox: Option<&Inbox>) -> Option<Arc<dyn Observer>> {
    inbox.map(|inbox| Arc::new(inbox.clone()) as Arc<dyn Observer>)
}

/// What a signal asks for.
enum Order {
    Reload,
    /// With the name of the signal.
    End(&'static str),
}

/// The signals that the server obeys.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Whether SIGHUP means that the terminal is gone.
    attached: bool,
}

impl Signals {
    fn new(attached: bool) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            attached,
        })
    }

    async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::End("SIGTERM"),
            _ = self.interrupt.recv() => Order::End("SIGINT"),
            _ = self.hangup.recv() => {
                if self.attached { Order::End("SIGHUP") } else { Order::Reload }
            }
        }
    }
}
