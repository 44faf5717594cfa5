//! `auditssh config`.

use crate::cli;
use crate::cmd::serve::parts;
use crate::config::{self, Config};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Check a configuration, or print the schema of configurations
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Read a configuration, say what is in force and what is doubtful
    ///
    /// Errors and warnings go to standard error, one a line, each with file, line and column. The
    /// configuration in force, with all defaults and without secrets, goes to standard output.
    /// What only this machine or this account would refuse (host keys, the directory of logs, the
    /// account that programs run under) is a warning. Nothing is started and nothing is changed.
    Check {
        /// The configuration
        file: PathBuf,
        /// Print errors and warnings only, not what is in force
        #[arg(long, short)]
        quiet: bool,
    },
    /// Print the JSON Schema of the configuration
    Schema {
        /// Print the page docs/configuration.md instead
        #[arg(long, hide = true)]
        markdown: bool,
    },
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Check { file, quiet } => check(file, *quiet),
        Command::Schema { markdown: true } => print(&config::schema::page()),
        Command::Schema { markdown: false } => {
            let mut text = serde_json::to_string_pretty(&config::schema::schema())?;
            text.push('\n');
            print(&text)
        }
    }
}

/// What is in force to standard output unless that is not wanted, what is doubtful to standard
/// error.
fn check(file: &Path, quiet: bool) -> anyhow::Result<ExitCode> {
    let loaded = Config::load(file)?;
    let mut err = io::stderr().lock();
    for (file, warning) in &loaded.warnings {
        writeln!(err, "auditssh: warning: {}:{warning}", file.display())?;
    }
    for doubt in parts::doubts(loaded.config) {
        let doubt = cli::told(&doubt);
        writeln!(
            err,
            "auditssh: warning: `serve` would refuse this here: {doubt}"
        )?;
    }
    if quiet {
        return Ok(ExitCode::SUCCESS);
    }
    print(&serde_saphyr::to_string(&loaded.shown)?)
}

fn print(text: &str) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
