//! `auditssh list`.

use std::path::PathBuf;
use std::process::ExitCode;

/// Show a table of the recorded connections
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory of the logs
    #[arg(default_value = "auditssh-data/audit")]
    directory: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Args { directory } = args;
    anyhow::bail!("list is not in this build ({})", directory.display())
}
