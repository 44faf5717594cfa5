//! `auditssh verify`.

use std::path::PathBuf;
use std::process::ExitCode;

/// Check that logs are whole and unaltered
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Logs, or directories of logs; `-` reads standard input
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Args { paths } = args;
    anyhow::bail!("verify is not in this build ({paths:?})")
}
