//! `auditssh completions`.

use crate::cli;
use clap_complete::Shell;
use std::io::{self, Write};
use std::process::ExitCode;

/// Print the completions of a shell
///
/// For example `auditssh completions bash > /usr/share/bash-completion/completions/auditssh`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    // The generator panics when its output goes away; memory does not.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::command(), "auditssh", &mut script);
    let mut out = io::stdout().lock();
    out.write_all(&script)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
