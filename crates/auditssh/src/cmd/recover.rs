//! `auditssh recover`.

use crate::{cli, cmd};
use anyhow::{Context as _, ensure};
use auditssh_archive::key::signing_key;
use auditssh_archive::{Recovered, RecoveryError, Settings, recover};
use auditssh_view::Visible;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Complete the logs that a crash left open
///
/// The server does the same at its start. Each log with a tail beside it is completed up to the
/// last message whose effect anyone can have seen, and marked as recovered; others are not looked
/// at: `auditssh verify` tells what is wrong with those. A log that no crash leaves so is not
/// touched: see `auditssh salvage`. The exit status is 2 if there was such a log or a damaged
/// tail, else 1 if a log could not be recovered, and 3 if a server uses the directory, which it
/// recovers by itself.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory of the logs
    directory: PathBuf,
    /// A file with the Ed25519 private key (`audit.signingKey`) that signs what is completed
    #[arg(long, value_name = "FILE")]
    signing_key: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let directory = &args.directory;
    ensure!(directory.is_dir(), "{}: no directory", directory.display());
    let mut settings = Settings::new(directory);
    // It was fit for the server; nothing is opened to anyone here.
    settings.allow_insecure = true;
    if let Some(path) = &args.signing_key {
        let text = cmd::read_key(path)
            .with_context(|| format!("{}: the key cannot be read", path.display()))?;
        settings.signing_key =
            Some(signing_key(&text).with_context(|| path.display().to_string())?);
    }
    let mut out = io::stdout().lock();
    let mut worst = cli::OK;
    let recovered = recover(&settings, |id, result| {
        let (code, text) = told(&result);
        worst = worst.max(code);
        writeln!(out, "{id}  {text}")
    });
    match recovered {
        Err(error) if error.is_second_instance() => {
            writeln!(
                io::stderr(),
                "auditssh: {}: a server uses this directory; it has recovered what an earlier one \
                 left, so there is nothing to do here",
                Visible(directory.as_os_str().as_encoded_bytes())
            )?;
            Ok(ExitCode::from(cli::UNABLE))
        }
        recovered => {
            recovered??;
            Ok(ExitCode::from(worst))
        }
    }
}

fn told(result: &Result<Recovered, RecoveryError>) -> (u8, String) {
    match result {
        Ok(Recovered::Closed { damaged: false }) => {
            (cli::OK, "was complete; its tails are removed".into())
        }
        Ok(Recovered::Closed { .. }) => (
            cli::DAMAGED,
            "was complete, but a tail holds what is not in it; it is kept for `auditssh salvage`"
                .into(),
        ),
        Ok(Recovered::Log {
            messages,
            damaged: false,
        }) => (
            cli::OK,
            format!("recovered, {messages} messages from its tails"),
        ),
        Ok(Recovered::Log { messages, .. }) => (
            cli::DAMAGED,
            format!(
                "recovered, {messages} messages from its tails, but a tail is damaged; it is kept \
                 for `auditssh salvage`"
            ),
        ),
        Ok(Recovered::Refused(reason)) => (
            cli::DAMAGED,
            format!("not touched: {reason}; see `auditssh salvage`"),
        ),
        Err(error) => (
            cli::FAILURE,
            format!("not recovered: {}: {}", error.doing, error.source),
        ),
    }
}
