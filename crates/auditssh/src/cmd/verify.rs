//! `auditssh verify`.

mod print;

use crate::bucket::{Found, Place, id_in};
use crate::{cli, cmd, progress};
use anyhow::Context as _;
use auditssh_archive::key::public_key;
use auditssh_archive::verify::{Checked, Demand, Level, check, verify, verify_as};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Check that logs are whole and unaltered
///
/// Of each log one line tells its verdict:
///
///   intact     every byte is as it was written, up to the end
///   open       a server is writing it; what is there is as it was written
///   recovered  intact, but completed after a crash
///   foreign    ContainerSSH's own, without a hash chain: nothing can be proven
///   cut        what is there is as it was written, but the end is missing
///   altered    it is not as it was written, or is the log of another connection than its name says
///
/// and how many messages and bytes of which time are proven. All logs are checked, whatever is
/// found. The exit status is 0 if all are intact, 1 if some are open, recovered or foreign, 2 if
/// one is cut, altered or less than is required, or its recovery set something aside
/// (`.ID.damaged0`) that nothing vouches for, 3 if one could not be checked (but 2 if another
/// was found altered), or if there is none although something is required.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Logs, directories of logs, or s3://BUCKET/PREFIX; `-` reads a log from standard input
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// The configuration whose `audit.s3` says how to reach a bucket; without it the usual sources
    /// of AWS programs are asked
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A file with the Ed25519 public key that must have signed each finished log (PEM, or a line
    /// as OpenSSH writes it); may be given several times, then any of the keys will do
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// What each log must have: less is exit status 2
    #[arg(long, value_enum)]
    require: Option<Require>,
    /// One JSON object a line instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Require {
    /// A hash chain
    Chain,
    /// An end that is signed
    Signature,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let demand = demand(args)?;
    let mut tally = Tally::default();
    let mut out = io::stdout().lock();
    for path in &args.paths {
        let each = |log: Checked| {
            tally.add(&log, &demand);
            if args.json {
                print::json(&mut out, &log, &demand)
            } else {
                print::text(&mut out, &log, &demand)
            }
        };
        if path == Path::new("-") {
            standard_input(each)?;
        } else if let Some(place) = Place::of(path) {
            of_bucket(&place, args.config.as_deref(), each)?;
        } else {
            check(path, each)?;
        }
    }
    if !args.json && tally.logs != 1 {
        writeln!(out, "{} logs, {} of them intact", tally.logs, tally.intact)?;
    }
    out.flush()?;
    anyhow::ensure!(
        tally.logs > 0 || args.require.is_none() && args.key.is_empty(),
        "there is no log, but something is required of logs"
    );
    Ok(tally.exit_code())
}

fn demand(args: &Args) -> anyhow::Result<Demand> {
    let keys = args.key.iter().map(|path| {
        let text = cmd::read_key(path)
            .with_context(|| format!("{}: the key cannot be read", path.display()))?;
        let key = public_key(&text).with_context(|| path.display().to_string())?;
        Ok(key.to_bytes())
    });
    Ok(Demand {
        level: match args.require {
            None => Level::Any,
            Some(Require::Chain) => Level::Chain,
            Some(Require::Signature) => Level::Signature,
        },
        keys: keys.collect::<anyhow::Result<_>>()?,
    })
}

/// Checks the logs of a bucket.
fn of_bucket(
    place: &Place,
    config: Option<&Path>,
    mut each: impl FnMut(Checked) -> io::Result<()>,
) -> anyhow::Result<()> {
    let bucket = place.bucket(config)?;
    let Found {
        logs, mut beside, ..
    } = place.logs(&bucket)?;
    anyhow::ensure!(!logs.is_empty() || !beside.is_empty(), "no log is there");
    let bar = progress::bar(logs.iter().map(|object| object.size).sum());
    for object in logs {
        let id = id_in(&object.key).unwrap_or_default();
        let report = bucket
            .open(&object.key)
            .map_err(io::Error::other)
            .and_then(|download| verify_as(bar.wrap_read(download), id));
        each(Checked {
            damaged: beside.remove(&object.key).unwrap_or_default(),
            ..Checked::alone(place.path(&object.key), report)
        })?;
    }
    for (key, damaged) in beside {
        // As of a log of which only this is left in a directory.
        let nothing = verify(io::empty());
        each(Checked {
            damaged,
            ..Checked::alone(place.path(&key), nothing)
        })?;
    }
    bar.finish_and_clear();
    Ok(())
}

fn standard_input(mut each: impl FnMut(Checked) -> io::Result<()>) -> io::Result<()> {
    each(Checked::alone(
        PathBuf::from("-"),
        verify(io::stdin().lock()),
    ))
}

/// What was found so far.
#[derive(Debug, Default)]
struct Tally {
    logs: u64,
    intact: u64,
    unchecked: bool,
    worst: u8,
}

impl Tally {
    fn add(&mut self, log: &Checked, demand: &Demand) {
        self.logs += 1;
        match &log.report {
            Ok(_) => {
                let code = log.exit_code(demand);
                self.intact += u64::from(code == 0);
                self.worst = self.worst.max(code);
            }
            Err(_) => self.unchecked = true,
        }
    }

    fn exit_code(&self) -> ExitCode {
        match self.worst {
            cli::DAMAGED => cli::DAMAGED.into(),
            _ if self.unchecked => cli::UNABLE.into(),
            code => code.into(),
        }
    }
}
