//! `auditssh upload`.

use crate::cli;
use crate::cmd::serve::{engine, parts};
use crate::config::{Config, Span};
use crate::{logging, progress};
use anyhow::Context as _;
use auditssh_archive::{Archive, damaged_owner, is_log, tail_owner};
use auditssh_s3::{Inbox, Settings, Status, Uploader};
use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How often it is looked how far uploads are.
const PAUSE: Duration = Duration::from_millis(100);

/// Upload the logs that wait in the directory of `audit.s3.local`
///
/// For a machine that is taken down, and for logs that were set aside: it completes what a crash
/// left open, tries what is in quarantine again, and ends when the bucket has every log. What fails
/// is tried again, for ever unless --timeout is given. The server must not run: it uploads by
/// itself.
///
/// Exits with 0 if nothing is left, with 1 if logs are, with 3 if a server uses the directory.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration, with `audit.storage: s3`
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// Give up after this time, such as 10m; what is left stays in the directory
    #[arg(long, value_name = "TIME", value_parser = time)]
    timeout: Option<Duration>,
}

fn time(text: &str) -> Result<Duration, &'static str> {
    let span = Span::parse(text).ok_or("not a time: write 90s, 10m or 1h30m")?;
    Ok(span.into())
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let file = &args.config;
    let config = Config::load(file)?.config;
    let found = config.audit.into_iter().filter_map(|audit| {
        let bucket = audit.bucket.clone()?;
        Some((audit, bucket))
    });
    let found: Vec<_> = found.collect();
    anyhow::ensure!(
        !found.is_empty(),
        "{}: it has no `audit.storage: s3`",
        file.display()
    );
    logging::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("threads cannot be started")?;
    let mut worst = ExitCode::SUCCESS;
    for (audit, bucket) in found {
        let inbox = Inbox::new(bucket.part_size);
        // It holds the directory, and completes what a crash left.
        let settings = parts::archive(audit, engine::observer(Some(&inbox)))?;
        let archive = match Archive::open(settings) {
            Ok(archive) => archive,
            Err(error) => return engine::refused(error),
        };
        let aside = auditssh_s3::bring_back(&bucket.local).with_context(|| {
            format!(
                "{}: what was set aside cannot be brought back",
                bucket.local.display()
            )
        })?;
        if aside > 0 {
            tracing::info!(logs = aside, "logs that were set aside are tried again");
        }
        let left = runtime.block_on(upload(&bucket, &inbox, args.timeout))?;
        drop(archive);
        let code = report(&bucket, left)?;
        if code != ExitCode::SUCCESS {
            worst = code;
        }
    }
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(worst)
}

/// Until nothing is left, the time is over, or a signal comes.
async fn upload(
    bucket: &Settings,
    inbox: &Inbox,
    timeout: Option<Duration>,
) -> anyhow::Result<Uploader> {
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let uploader = Uploader::start(bucket, inbox);
    let over = async {
        match timeout {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = through(&uploader) => {}
        () = over => tracing::warn!("the time is over"),
        _ = interrupt.recv() => tracing::warn!("SIGINT: ending"),
        _ = terminate.recv() => tracing::warn!("SIGTERM: ending"),
    }
    uploader.shutdown(bucket.shutdown).await;
    Ok(uploader)
}

/// Shows how far it is, until all is done.
async fn through(uploader: &Uploader) {
    let bar = progress::visible(0);
    // Logs that are through are not counted any more.
    let mut all = 0;
    loop {
        let Status {
            staged,
            bytes,
            looked,
            ..
        } = uploader.status();
        let done = uploader.counters().bytes.value();
        all = bytes.max(done).max(all);
        bar.set_length(all);
        bar.set_position(done);
        if looked && staged == 0 {
            bar.finish_and_clear();
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Of how many logs something is left: they themselves, their tails, or what recovery set aside.
fn left(directory: &Path) -> io::Result<usize> {
    let mut ids = BTreeSet::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        let id = Some(name).filter(|name| is_log(name));
        let id = id.or(tail_owner(name)).or(damaged_owner(name));
        ids.extend(id.map(str::to_owned));
    }
    Ok(ids.len())
}

fn report(bucket: &Settings, uploads: Uploader) -> anyhow::Result<ExitCode> {
    let uploaded = uploads.counters().logs.value();
    drop(uploads);
    let local = bucket.local.display();
    let failed = |error: io::Error| anyhow::anyhow!("{local}: {error}");
    let left = left(&bucket.local).map_err(failed)?;
    let aside = auditssh_s3::set_aside(&bucket.local).map_err(failed)?.len();
    let mut out = io::stdout().lock();
    writeln!(out, "{uploaded} uploaded, {left} left, {aside} set aside")?;
    if left + aside == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        io::stderr(),
        "auditssh: {local}: not all logs are in the bucket; see `auditssh list {local}`"
    )?;
    Ok(ExitCode::from(cli::FAILURE))
}
