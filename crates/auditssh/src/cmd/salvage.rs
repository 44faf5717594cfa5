//! `auditssh salvage`.

use auditssh_archive::salvage::{Salvaged, salvage};
use auditssh_view::Visible;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write what can be had from a damaged log into a new one
///
/// The damaged log and the tails beside it are read and left as they are. The new log holds every
/// message that can be decoded, in order; where some are missing or not proven it says so in
/// messages of its own, and `verify` tells it from an intact log: it counts as recovered. Nothing
/// is overwritten.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The damaged log
    file: PathBuf,
    /// The new log [default: FILE.salvaged]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let output = args.output.clone().unwrap_or_else(|| beside(&args.file));
    let done = salvage(&args.file, &output)?;
    let name = Visible(output.as_os_str().as_encoded_bytes());
    writeln!(io::stdout(), "{name}: {}", told(&done))?;
    Ok(ExitCode::SUCCESS)
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".salvaged");
    name.into()
}

fn told(done: &Salvaged) -> String {
    let mut parts = vec![format!("{} messages proven", done.proven)];
    for (count, what) in [
        (done.framed, "from tails, by CRC only"),
        (done.unproven, "not proven"),
        (done.missing, "missing"),
        (done.others, "of other connections left out"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if !done.ended {
        parts.push("the end is missing".into());
    }
    if done.renamed {
        parts.push("of another connection than the log's name says".into());
    }
    parts.join(", ")
}
