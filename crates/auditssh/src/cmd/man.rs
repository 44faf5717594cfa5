//! `auditssh man`.

use crate::cli;
use anyhow::Context;
use std::path::PathBuf;
use std::process::ExitCode;

/// Write the manual pages into a directory
///
/// One page for auditssh and one for each of its commands.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory, made if it is missing
    directory: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let directory = &args.directory;
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(cli::command(), directory))
        .with_context(|| format!("manual pages cannot be written to {}", directory.display()))?;
    Ok(ExitCode::SUCCESS)
}
