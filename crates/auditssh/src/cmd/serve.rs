//! `auditssh serve`.

mod backends;
mod casts;
mod choice;
mod counters;
mod demo;
pub(crate) mod engine;
mod indexer;
mod ledger;
mod memory;
mod monitor;
mod notify;
pub(crate) mod parts;
pub(crate) mod reload;
mod viewer;

use crate::config::{Address, Config};
use crate::logging;
use demo::Demo;
pub(crate) use demo::password;
use engine::Origin;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Run the server
///
/// Without a configuration it listens on 127.0.0.1:2222, keeps everything under ./auditssh-data,
/// makes a user `demo` with a random password, records everything but passwords, and prints what
/// to type. Programs run as the account that runs the server; if that is root, as `nobody`, unless
/// --allow-root is given.
///
/// SIGTERM and SIGINT end the server gracefully: sessions are told, and given
/// `limits.shutdownGrace`. A second one ends it at once, and kills what runs in sessions. With a
/// configuration, SIGHUP reads the configuration again: users, trusted authorities, webhooks, host
/// keys, banner, filters and limits of new connections are taken from it. If anything is wrong with
/// it, all stays as it was. SIGUSR1 has the server log what happened how often since its start, as it
/// does at its end: connections, logins, refusals, failures, logs, uploads; what is zero is left out.
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
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen)]
    listen: Vec<SocketAddr>,
    /// Let the embedded default run programs as root if the server is root: whoever logs in can
    /// then end the recording
    #[arg(long, conflicts_with = "config")]
    allow_root: bool,
}

fn listen(text: &str) -> Result<SocketAddr, &'static str> {
    Address::parse(text).map(|address| address.0)
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Some(file) = &args.config else {
        let Demo { config, greeting } = Demo::new(&args.data_dir, &args.listen, args.allow_root)?;
        logging::start(&config.log)?;
        return engine::run(config, Origin::Embedded(&greeting));
    };
    let loaded = Config::load(file)?;
    let mut config = loaded.config;
    if !args.listen.is_empty() {
        config.ssh.listen.clone_from(&args.listen);
    }
    logging::start(&config.log)?;
    for (file, warning) in loaded.warnings {
        tracing::warn!("{}:{warning}", file.display());
    }
    let shown = loaded.shown;
    engine::run(config, Origin::File { file, shown })
}
