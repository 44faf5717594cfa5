//! `auditssh man`.

mod page;

use crate::cli;
use anyhow::Context;
use std::path::PathBuf;
use std::process::ExitCode;

/// The page of the second program, which has no command line of clap's to make it from.
const DECODER: (&str, &str) = (
    "containerssh-auditlog-decoder.1",
    include_str!("man/containerssh-auditlog-decoder.1"),
);

/// Write the manual pages into a directory
///
/// One page for auditssh, one for each of its commands, and one for containerssh-auditlog-decoder.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory, made if it is missing
    directory: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let directory = &args.directory;
    let mut command = cli::command().disable_help_subcommand(true);
    command.build();
    std::fs::create_dir_all(directory)
        .and_then(|()| page::write(&command, directory))
        .and_then(|()| std::fs::write(directory.join(DECODER.0), DECODER.1))
        .with_context(|| format!("manual pages cannot be written to {}", directory.display()))?;
    Ok(ExitCode::SUCCESS)
}
