//! An SSH server that writes everything down: the command line.

mod cli;
mod cmd;
mod config;
mod logging;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
