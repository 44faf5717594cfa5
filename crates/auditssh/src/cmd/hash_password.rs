//! `auditssh hash-password`.

use std::process::ExitCode;

/// Hash a password for the configuration (argon2id)
///
/// Asks twice on a terminal, without echo; otherwise the first line of standard input is the
/// password. The hash goes to standard output.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("hash-password is not in this build")
}
