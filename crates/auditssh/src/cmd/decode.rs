//! `auditssh decode`.

pub(super) mod ending;
pub(super) mod filter;
pub(super) mod input;
mod print;
#[cfg(test)]
mod tests;

use anyhow::Context as _;
use auditssh_log::codec::{DecodeError, Decoder};
use ending::Ending;
use filter::{Filter, Type, When};
use input::{Input, Source};
use print::Printer;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const AFTER_HELP: &str = "\
Times for --since and --until are RFC 3339 (2026-01-31T12:00:00Z), a date with or without a time in \
the local time zone (2026-01-31 12:00), `now`, a duration before the last message of the log (90s, \
5m, 1h30m, 1d), or Unix time: in seconds (10 digits, also with a fraction), milliseconds (13), \
microseconds (16) or nanoseconds (19).

docs/json.md describes every line of the JSON.

Exit status:
  0  the log was read to its end: it is complete, was closed by recovery, or is still open
     (standard error says so, but for a complete one)
  1  wrong usage, or the log could not be opened or read
  2  the log is cut or damaged; what precedes that was printed";

/// What helps with a damaged log.
const SALVAGE: &str = "; `auditssh salvage` writes what can be had from it into a new log";

/// Print a log as JSON lines, or as text for people
///
/// The lines have the shape of ContainerSSH's decoder, and beside it what AuditSSH adds: further
/// keys, and the bytes of texts that are not UTF-8. Bytes are base64. A log that is still being
/// written is read up to its last message. Reads logs of ContainerSSH as well.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub(crate) struct Args {
    /// The log; `-` reads standard input, s3://BUCKET/KEY a bucket
    file: PathBuf,
    /// The configuration whose `audit.s3` says how to reach the bucket; without it the usual
    /// sources of AWS programs are asked
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Text for people: one readable line per event, control characters escaped
    #[arg(long)]
    text: bool,
    /// With --text: the output exactly as it appeared, control sequences included
    ///
    /// Only for logs that you trust: they can control your terminal.
    #[arg(long, requires = "text")]
    raw: bool,
    /// Write times in JSON as RFC 3339 text: many readers round nanosecond numbers
    #[arg(long, conflicts_with = "text")]
    rfc3339: bool,
    /// Only messages of this channel: its number, as `channelId` in JSON or #0 in text; may be given
    /// several times
    #[arg(long, value_name = "N", value_parser = filter::channel)]
    channel: Vec<u64>,
    /// Only messages of this type: its name, as `typeId` in JSON, or its number; may be given
    /// several times
    #[arg(long = "type", value_name = "TYPE", long_help = types())]
    types: Vec<Type>,
    /// Only messages from this time on
    #[arg(long, value_name = "TIME", allow_negative_numbers = true)]
    since: Option<When>,
    /// Only messages up to this time
    #[arg(long, value_name = "TIME", allow_negative_numbers = true)]
    until: Option<When>,
    /// Go on until the log ends, as it is written; if no server writes it, stop where it ends now
    #[arg(long, short)]
    follow: bool,
}

fn types() -> String {
    format!(
        "Only messages of this type: its name, as `typeId` in JSON, or its number; may be given \
         several times. There are {}.",
        filter::types()
    )
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let source = Source {
        file: &args.file,
        config: args.config.as_deref(),
    };
    let filter = Filter {
        channels: args.channel.clone(),
        types: args.types.clone(),
        since: args
            .since
            .map(|when| input::resolve(when, &source))
            .transpose()?,
        until: args
            .until
            .map(|when| input::resolve(when, &source))
            .transpose()?,
    };
    let mut input = input::open(&source, args.follow)?;
    let live = args.follow || input::is_standard(&args.file);
    let printer = match (args.text, args.raw) {
        (true, true) => Printer::raw(),
        (true, false) => Printer::text(),
        (false, _) => Printer::json(args.rfc3339),
    };
    print(&mut input, printer, &filter, live, &args.file)
}

fn print(
    input: &mut Input,
    mut printer: Printer,
    filter: &Filter,
    live: bool,
    file: &Path,
) -> anyhow::Result<ExitCode> {
    let mut decoder = Decoder::new(&mut *input);
    while let Some(message) = decoder.next() {
        match message {
            Ok(message) if filter.passes(&message) => {
                printer.message(&message, decoder.offset())?;
                if live {
                    printer.flush()?;
                }
            }
            Ok(_) => {}
            Err(error @ DecodeError::Read { .. }) => {
                printer.flush()?;
                return Err(error).with_context(|| file.display().to_string());
            }
            Err(error @ DecodeError::Header(_)) => printer.error(&error.to_string(), file, "")?,
            Err(error) => printer.error(&error.to_string(), file, SALVAGE)?,
        }
    }
    let (end, offset) = (decoder.end(), decoder.offset());
    let ending = Ending::of(end, offset, input);
    if let Some(error) = &ending.error {
        printer.error(error, file, SALVAGE)?;
    }
    printer.finish()?;
    if let Some(note) = ending.note {
        writeln!(io::stderr(), "auditssh: {note}")?;
    }
    Ok(ExitCode::from(ending.code))
}
