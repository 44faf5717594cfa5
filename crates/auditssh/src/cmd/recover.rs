//! `auditssh recover`.

use std::path::PathBuf;
use std::process::ExitCode;

/// Complete the logs that a crash left open
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory of the logs
    directory: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Args { directory } = args;
    anyhow::bail!("recover is not in this build ({})", directory.display())
}
