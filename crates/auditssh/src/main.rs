//! An SSH server that writes everything down: the command line.

mod bucket;
mod cli;
mod cmd;
mod config;
mod logging;
mod progress;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
