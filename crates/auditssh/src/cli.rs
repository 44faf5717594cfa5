//! The command line: what may be typed, and how it ends.

use crate::cmd;
use auditssh_view::Visible;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// Ended well.
pub(crate) const OK: u8 = 0;
/// Wrong usage, wrong configuration, or the task failed.
pub(crate) const FAILURE: u8 = 1;
/// A log is cut, altered or damaged.
pub(crate) const DAMAGED: u8 = 2;
/// `verify` could not check; `serve`, `upload` or `recover` found another instance on its directory.
pub(crate) const UNABLE: u8 = 3;
/// Whoever read the output went away: what a shell reports of a program that SIGPIPE ended.
const BROKEN_PIPE: u8 = 128 + 13;

const AFTER_HELP: &str = "\
Exit status:
  0  everything went well
  1  wrong usage, wrong configuration, or the task failed;
     verify: a log is still open, was recovered after a crash, or is not AuditSSH's own;
     search: nothing was found
  2  a log is cut, altered or damaged; search: any failure
  3  verify: something could not be checked;
     serve, upload, recover, web: another instance uses the same log directory";

/// AuditSSH: an SSH server that writes everything down.
///
/// For every connection a log is kept from which the session can be read, searched and proved.
/// Start with `auditssh serve`, which needs no configuration; read a log with `auditssh decode
/// --text FILE`.
#[derive(Debug, Parser)]
#[command(
    name = "auditssh",
    version,
    max_term_width = 100,
    after_long_help = AFTER_HELP,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(cmd::serve::Args),
    Decode(cmd::decode::Args),
    Convert(cmd::convert::Args),
    Replay(cmd::replay::Args),
    Search(cmd::search::Args),
    Show(cmd::show::Args),
    Files(cmd::files::Args),
    List(cmd::list::Args),
    Verify(cmd::verify::Args),
    Recover(cmd::recover::Args),
    Index(cmd::index::Args),
    Upload(cmd::upload::Args),
    Web(cmd::web::Args),
    Salvage(cmd::salvage::Args),
    Config(cmd::config::Args),
    HashPassword(cmd::hash_password::Args),
    Completions(cmd::completions::Args),
    Man(cmd::man::Args),
}

/// The whole command line, as completions and manual pages need it.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

/// Reads the arguments, runs the command, reports its failure.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let failure = failure_of(arguments.get(1));
    match Cli::try_parse_from(arguments) {
        Ok(cli) => match run(cli.command) {
            Ok(code) => code,
            Err(error) => report(&error, failure),
        },
        Err(error) => usage(&error, failure),
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => cmd::serve::run(&args),
        Command::Decode(args) => cmd::decode::run(&args),
        Command::Convert(args) => cmd::convert::run(&args),
        Command::Replay(args) => cmd::replay::run(&args),
        Command::Search(args) => cmd::search::run(&args),
        Command::Show(args) => cmd::show::run(&args),
        Command::Files(args) => cmd::files::run(&args),
        Command::List(args) => cmd::list::run(&args),
        Command::Verify(args) => cmd::verify::run(&args),
        Command::Recover(args) => cmd::recover::run(&args),
        Command::Index(args) => cmd::index::run(&args),
        Command::Upload(args) => cmd::upload::run(&args),
        Command::Web(args) => cmd::web::run(&args),
        Command::Salvage(args) => cmd::salvage::run(&args),
        Command::Config(args) => cmd::config::run(&args),
        Command::HashPassword(args) => cmd::hash_password::run(&args),
        Command::Completions(args) => cmd::completions::run(&args),
        Command::Man(args) => cmd::man::run(&args),
    }
}

/// The exit status of a failure: `verify` uses 1 for a verdict and `search` for nothing found, so it
/// can't be that there.
fn failure_of(command: Option<&OsString>) -> u8 {
    match command.and_then(|name| name.to_str()) {
        Some("verify") => UNABLE,
        Some("search") => DAMAGED,
        _ => FAILURE,
    }
}

fn usage(error: &clap::Error, failure: u8) -> ExitCode {
    let code = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => OK,
        _ => failure,
    };
    // It repeats what was typed, or what a file is called.
    let shown = if error.use_stderr() {
        write_visibly(&error.render().to_string(), &mut io::stderr())
    } else {
        error.print()
    };
    match shown {
        Ok(()) => ExitCode::from(code),
        Err(error) => report(&error.into(), failure),
    }
}

fn report(error: &anyhow::Error, failure: u8) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::from(BROKEN_PIPE);
    }
    let what = match error.downcast_ref::<io::Error>() {
        // Whatever fails elsewhere says where.
        Some(_) if error.chain().count() == 1 => "the output cannot be written: ",
        _ => "",
    };
    // Nothing is left to tell it to when standard error is gone.
    let text = format!("auditssh: {what}{}\n", told(error));
    let _ = write_visibly(&text, &mut io::stderr());
    ExitCode::from(failure)
}

/// An error and its causes; a cause that the text before ends with is not told again.
pub(crate) fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Writes lines of which names of files may be part: they must not do anything to the terminal.
fn write_visibly(text: &str, out: &mut impl Write) -> io::Result<()> {
    let mut visible = String::new();
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        visible.push_str(&Visible(line.as_bytes()).to_string());
        visible.push_str(end);
    }
    out.write_all(visible.as_bytes())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests;
