//! `auditssh show`.

use super::log;
use crate::cli;
use anyhow::ensure;
use auditssh_archive::verify::check_log;
use auditssh_view::show::Connection;
use auditssh_view::{Visible, visible_json};
use serde_json::{Value, json};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;

const AFTER_HELP: &str = "\
Exit status:
  0  the log was read to its end
  1  wrong usage, or the log could not be opened or read
  2  the log is cut, altered or damaged; the page shows what could be read
Of several logs the worst.";

/// What stands between two pages.
const RULE: &str = "----------------------------------------------------------------";

/// Show a page about one connection
///
/// Who logged in, from where and how; the client and the algorithms; what ran on each channel and
/// how it ended; what was forwarded and which files went through; and whatever is odd: missing
/// stretches, refused requests, input that was not recorded, damage. Reads logs of ContainerSSH as
/// well, of which less is known. Of a directory each connection has a page, in the order of time.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    log: log::Which,
    /// Print a JSON object instead
    #[arg(long)]
    json: bool,
    /// If a server still writes the log, wait until the connection has ended
    #[arg(long, short)]
    follow: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Some(place) = args.log.place()? else {
        return page(args, &args.log).map(ExitCode::from);
    };
    ensure!(
        !args.follow,
        "--follow needs a file or the id of a connection: it is of one log"
    );
    let logs = args.log.each(&*place)?;
    let mut first = true;
    let code = log::all(&logs, |log| {
        if !args.json && !std::mem::replace(&mut first, false) {
            writeln!(io::stdout(), "\n{RULE}\n")?;
        }
        page(args, log)
    });
    code.map(ExitCode::from)
}

/// Prints the page of one connection; returns the exit status.
fn page(args: &Args, which: &log::Which) -> anyhow::Result<u8> {
    let log = which.opened(args.follow)?;
    let path = log.path.clone();
    let mut page = Connection::default();
    let read = log.read(|message| {
        page.push(message);
        Ok(())
    })?;
    let page = page.finish();
    // What is proven of it is known only of a file.
    let is_log = path.is_file() && !read.is_json;
    let verdict = is_log.then(|| verdict(&path)).flatten();
    let code = match verdict {
        Some("altered") => cli::DAMAGED,
        // Unless its server died, or still writes it.
        Some("cut") if read.note.is_none() => cli::DAMAGED,
        _ => read.code,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        let mut object = page.json();
        if let Value::Object(object) = &mut object {
            object.insert("state".to_owned(), json!(verdict));
            let problem = read.error.as_deref().or(read.note);
            object.insert("problem".to_owned(), json!(problem));
        }
        writeln!(out, "{}", visible_json(&object.to_string()))?;
        out.flush()?;
        return Ok(code);
    }
    page.write(&mut out)?;
    if let Some(verdict) = verdict {
        writeln!(out, "\nThe log is {verdict}; `auditssh verify` says more")?;
    }
    if let Some(error) = &read.error {
        writeln!(out, "\n{}", Visible(error.as_bytes()))?;
    }
    out.flush()?;
    drop(out);
    read.tell()?;
    Ok(code)
}

/// What is to be said of a log as a whole.
fn verdict(path: &Path) -> Option<&'static str> {
    let report = check_log(path).report.ok()?;
    Some(report.verdict.word())
}
