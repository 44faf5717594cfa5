//! `auditssh web`.

use super::serve::reload::changed_for_viewer;
use crate::bucket::InBucket;
use crate::config::{Address, Audit, Config, Web};
use crate::logging;
use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use auditssh_gateway::auth;
use auditssh_web::{
    AccessSettings, Kept, Oidc, Person, Provider, Renewal, Role, Server, Settings, StartError,
    User, Users, are_built,
};
use auditssh_webhook::oauth2::{self, CodeFlow};
use serde_json::Value;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// Where accesses are written down, below the directory of the logs, or beside it.
const ACCESS: &str = "access";
/// The viewer of the embedded default.
const USER: &str = "demo";

/// Show recordings in the browser
///
/// Without a configuration it shows what `auditssh serve` records without one, at
/// http://127.0.0.1:8088, to a viewer `demo` with a random password, which it prints. With one, the
/// block `web` says where it listens, who may look, and at what; see docs/web.md. Nothing in the
/// recordings is changed. Who looked at which is written down in logs of their own, in a directory
/// `access` or where `web.accessLog` says.
///
/// A server with `web: {enable: true}` shows recordings by itself.
///
/// SIGHUP reads viewers, rules and certificate again; SIGTERM and SIGINT end it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration; without it the embedded default is used
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the embedded default of `auditssh serve` keeps its logs
    #[arg(
        long,
        value_name = "DIR",
        default_value = "./auditssh-data",
        conflicts_with = "config"
    )]
    data_dir: PathBuf,
    /// Listen here instead
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen)]
    listen: Option<SocketAddr>,
}

fn listen(text: &str) -> Result<SocketAddr, &'static str> {
    Address::parse(text).map(|address| address.0)
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    ensure!(
        are_built(),
        "this program was built without the pages of the viewer, since npm was missing: install \
         Node.js with npm, then build again"
    );
    match &args.config {
        Some(file) => configured(file, args.listen),
        None => embedded(&args.data_dir, args.listen),
    }
}

fn configured(file: &Path, listen: Option<SocketAddr>) -> anyhow::Result<ExitCode> {
    let loaded = Config::load(file)?;
    let Config {
        audit,
        mut web,
        log,
        ..
    } = loaded.config;
    logging::start(&log)?;
    for (file, warning) in loaded.warnings {
        tracing::warn!("{}:{warning}", file.display());
    }
    if let Some(listen) = listen {
        ensure!(
            listen.ip().is_loopback() || web.tls.is_some() || web.listen.ip() == listen.ip(),
            "--listen {listen}: passwords and recordings would be sent in the clear; give `web.cert` \
             and `web.key`, or set `web.listen` and `web.allowPlaintext`"
        );
        web.listen = listen;
    }
    let audit = Audit::shown(&audit).context("no logs are kept, so there is nothing to look at")?;
    if web.users.is_empty() && web.oidc.is_none() {
        tracing::warn!(
            "{}: no `web.users` are configured: nobody can look at recordings",
            file.display()
        );
    }
    let settings = settings(web, audit)?;
    serve(settings, Some((file, &loaded.shown)), |_| Ok(()))
}

/// Shows what the embedded default of `serve` records.
fn embedded(data: &Path, listen: Option<SocketAddr>) -> anyhow::Result<ExitCode> {
    let directory = data.join("audit");
    ensure!(
        directory.is_dir(),
        "{} is missing: `auditssh serve` makes it; or name a configuration with --config",
        directory.display()
    );
    let mut web = Web::default();
    if let Some(listen) = listen {
        ensure!(
            listen.ip().is_loopback(),
            "--listen {listen}: without a configuration only this machine can look"
        );
        web.listen = listen;
    }
    let password = super::serve::password();
    let user = User {
        password: auth::hash(password.as_bytes())?.parse()?,
        role: Role::Admin,
        groups: Vec::new(),
    };
    web.users.insert(USER.to_owned(), user);
    logging::start(&crate::config::raw::Log::default())?;
    web.access_log = Some(data.join(ACCESS));
    let settings = of(web, directory, None, None);
    serve(settings, None, |address| greet(address, &password))
}

/// Tells the person at the terminal what to do; what stands there is logged nowhere.
fn greet(address: SocketAddr, password: &Zeroizing<String>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "\nOpen\n\n    http://{address}/\n")?;
    writeln!(
        out,
        "in a browser, and log in as `{USER}` with the password\n"
    )?;
    writeln!(out, "    {}\n", **password)?;
    out.flush()?;
    Ok(())
}

/// What the viewer is told.
pub(crate) fn settings(web: Web, audit: &Audit) -> anyhow::Result<Settings> {
    let bucket = audit.bucket.as_ref().map(InBucket::of_output).transpose();
    let kept = bucket.context("the bucket cannot be read")?;
    let kept = kept.map(|bucket| Arc::new(bucket) as Arc<dyn Kept>);
    let key = audit.signing_key.clone();
    Ok(of(web, audit.directory.path.clone(), kept, key))
}

fn of(
    web: Web,
    directory: PathBuf,
    kept: Option<Arc<dyn Kept>>,
    signing_key: Option<auditssh_log::seal::SigningKey>,
) -> Settings {
    Settings {
        listen: web.listen,
        tls: web.tls.map(|tls| tls.acceptor()),
        urls: web.urls,
        proxies: web.proxies,
        users: Users::new(web.users),
        oidc: web.oidc.map(oidc),
        rules: web.rules,
        lifetime: web.lifetime,
        access: AccessSettings {
            directory: web.access_log.unwrap_or_else(|| directory.join(ACCESS)),
            signing_key,
        },
        directory,
        kept,
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// A provider, as the viewer asks it.
#[derive(Debug)]
struct Flow(Arc<CodeFlow>);

fn oidc(oidc: crate::config::ViewOidc) -> Oidc {
    Oidc {
        provider: Arc::new(Flow(oidc.flow)),
        url: oidc.url,
        admins: oidc.admins,
        admin_groups: oidc.admin_groups,
        auditors: oidc.auditors,
        auditor_groups: oidc.auditor_groups,
    }
}

fn of_login(asked: &auditssh_web::Asked) -> oauth2::Asked {
    oauth2::Asked {
        state: asked.state.clone(),
        nonce: asked.nonce.clone(),
        verifier: asked.verifier.clone(),
        redirect: asked.redirect.clone(),
    }
}

#[async_trait]
impl Provider for Flow {
    async fn page(&self, asked: &auditssh_web::Asked) -> Result<String, String> {
        let page = self.0.page(&of_login(asked)).await;
        page.map_err(|error| error.to_string())
    }

    async fn person(&self, asked: &auditssh_web::Asked, code: &str) -> Result<Person, String> {
        let person = self.0.person(&of_login(asked), code).await;
        let oauth2::Person { name, groups } = person.map_err(|error| error.to_string())?;
        Ok(Person { name, groups })
    }
}

/// Takes what can be replaced under way from a configuration that was read again.
pub(crate) fn renew(renewal: &Renewal, web: Web) {
    let tls = web.tls.map(|tls| tls.acceptor());
    renewal.renew(Users::new(web.users), web.rules, tls);
}

/// Reads the configuration again.
fn reload(file: &Path, shown: &Value, renewal: &Renewal) {
    match Config::load(file) {
        Ok(loaded) => {
            renew(renewal, loaded.config.web);
            for (file, warning) in loaded.warnings {
                tracing::warn!("{}:{warning}", file.display());
            }
            for key in changed_for_viewer(shown, &loaded.shown) {
                tracing::warn!("`{key}` has changed, which takes a restart");
            }
            tracing::info!(file = %file.display(), "reloaded: viewers, rules and certificate");
        }
        Err(error) => tracing::error!(
            "not reloaded, all stays as it was: {:#}",
            anyhow::Error::from(error)
        ),
    }
}

fn serve(
    settings: Settings,
    origin: Option<(&Path, &Value)>,
    greet: impl FnOnce(SocketAddr) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("threads cannot be started")?;
    let code = runtime.block_on(async {
        let (mut terminate, mut interrupt, mut hangup) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        );
        let server = match Server::bind(settings) {
            Ok(server) => server,
            Err(StartError::Access(error)) => return super::serve::engine::refused(error),
            Err(error) => return Err(error.into()),
        };
        let scheme = if server.is_secure() { "https" } else { "http" };
        tracing::info!(address = %server.address(), scheme, "showing recordings");
        greet(server.address())?;
        let end = CancellationToken::new();
        let renewal = server.renewal();
        let running = tokio::spawn(server.run(end.clone()));
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => {}
            }
            if let Some((file, shown)) = origin {
                let (file, shown, renewal) = (file.to_owned(), shown.clone(), renewal.clone());
                let _ = tokio::task::spawn_blocking(move || reload(&file, &shown, &renewal)).await;
            }
        }
        drop(renewal);
        end.cancel();
        let _ = running.await;
        tracing::info!("ended");
        Ok(ExitCode::SUCCESS)
    });
    // Blocking work that hangs (a dead network file system) does not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}
