//! `auditssh serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Run the server
///
/// Without a configuration it listens on 127.0.0.1:2222, keeps everything under ./auditssh-data,
/// makes a user `demo` with a random password, records everything but passwords, and prints what
/// to type.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration; without it the embedded default is used
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the embedded default keeps its host key and its logs
    #[arg(
        long,
        value_name = "DIR",
        default_value = "./auditssh-data",
        conflicts_with = "config"
    )]
    data_dir: PathBuf,
    /// Listen here instead; may be given several times
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<SocketAddr>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("serve is not in this build ({args:?})")
}
