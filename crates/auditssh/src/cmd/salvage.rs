//! `auditssh salvage`.

use std::path::PathBuf;
use std::process::ExitCode;

/// Write what can be had from a damaged log into a new one
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The damaged log
    file: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Args { file } = args;
    anyhow::bail!("salvage is not in this build ({})", file.display())
}
