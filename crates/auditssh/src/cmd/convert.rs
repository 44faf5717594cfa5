//! `auditssh convert`.

mod gzip;
mod output;
mod programs;
mod whole;

use super::decode::filter;
use super::log;
use super::replay::time;
use crate::progress;
use anyhow::{Context as _, bail, ensure};
use auditssh_log::codec::Format as Binary;
use auditssh_view::cast::{Style, Version};
use output::Target;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const AFTER_HELP: &str = "\
Formats of one program, that is of one channel:
  asciicast-v2  for `asciinema play` and asciinema-player; .cast
  asciicast-v3  the same, with the exit status; asciinema from 3.0 on
  text          what stood on the screen, with what scrolled off it; .txt
  html          the same with colours, as a page without scripts; .html
  svg           the screen as a picture that moves, for web pages and documents; .svg
Formats of a whole log:
  json          JSON lines, as `auditssh decode` prints them (docs/json.md); .json, .jsonl
  audit         the log as a stock ContainerSSH writes it (`format: audit`), without a seal; .audit
  binary        the same in format version 2 (`format: binary`); .binary

A log in JSON lines is read as well as one of either version.

Exit status:
  0  everything was converted
  1  wrong usage, nothing was found to convert, or a file could not be read or written
  2  the log is cut or damaged; what precedes that was converted
Of several logs the worst.";

/// Convert a log into a cast, text, a web page, JSON or another version of the format
///
/// Of a log in which one program ran, that one is taken; of several name one with --channel, or a
/// directory with --output, which gets a file for each: CONNECTION.CHANNEL.cast, for example. SFTP
/// and forwarded connections are not for a terminal: see `auditssh files` and `auditssh decode`. Of a
/// directory of logs all are converted, into files of a directory that --output names.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    log: log::Which,
    /// The format; left out, it is told from the name of the output
    #[arg(long, value_name = "FORMAT")]
    to: Option<Format>,
    /// Only this channel: its number, as `channelId` in JSON or #0 in text; may be given several
    /// times
    #[arg(long, value_name = "N", value_parser = filter::channel)]
    channel: Vec<u64>,
    /// Write to this file rather than to standard output, or into this directory
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace files that are there already
    #[arg(long)]
    force: bool,
    /// Of text, html and svg: only the screen as it stood at this time of the program (12:34, or 90)
    #[arg(long, value_name = "TIME", value_parser = time::position, conflicts_with_all = ["from", "until"])]
    at: Option<u64>,
    /// Of an svg: begin at this time of the program
    #[arg(long, value_name = "TIME", value_parser = time::position)]
    from: Option<u64>,
    /// Of an svg: end at this time of the program
    #[arg(long, value_name = "TIME", value_parser = time::position)]
    until: Option<u64>,
    /// Leave out of casts what was typed
    #[arg(long)]
    no_input: bool,
    /// Go on until the log ends, as it is written; if no server writes it, stop where it ends now
    ///
    /// On standard output everything is there as soon as it is known. Text and pages have a line when
    /// it leaves the screen.
    #[arg(long, short)]
    follow: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "kebab-case")]
enum Format {
    #[value(name = "asciicast-v2", alias = "asciicast", alias = "cast")]
    Cast2,
    #[value(name = "asciicast-v3")]
    Cast3,
    #[value(alias = "txt", alias = "plain")]
    Text,
    Html,
    Svg,
    #[value(alias = "jsonl")]
    Json,
    Audit,
    Binary,
}

impl Format {
    /// The format that the name of a file asks for.
    fn of(path: &Path) -> Option<Self> {
        Some(match path.extension()?.to_str()? {
            "cast" => Self::Cast2,
            "txt" => Self::Text,
            "html" | "htm" => Self::Html,
            "svg" => Self::Svg,
            "json" | "jsonl" => Self::Json,
            "audit" => Self::Audit,
            "binary" => Self::Binary,
            _ => return None,
        })
    }

    /// How the name of a file ends.
    const fn extension(self) -> &'static str {
        match self {
            Self::Cast2 | Self::Cast3 => "cast",
            Self::Text => "txt",
            Self::Html => "html",
            Self::Svg => "svg",
            Self::Json => "jsonl",
            Self::Audit => "audit",
            Self::Binary => "binary",
        }
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let format = args.to.or_else(|| Format::of(args.output.as_deref()?));
    let format = format.context("name a format: --to asciicast-v2, say; --help lists them")?;
    ensure!(
        format == Format::Svg || args.from.or(args.until).is_none(),
        "only pictures (--to svg) are of a stretch of time; leave out --from and --until"
    );
    let shows = matches!(format, Format::Text | Format::Html | Format::Svg);
    ensure!(
        shows || args.at.is_none(),
        "only text, html and svg are of a moment; leave out --at"
    );
    let from = args.at.or(args.from).unwrap_or(0);
    let until = args.at.or(args.until).unwrap_or(u64::MAX);
    ensure!(from <= until, "--until is before --from");
    let Some(place) = args.log.place()? else {
        let target = Target::of(args.output.as_deref(), args.force, &args.log.path())?;
        return convert(args, &args.log, format, &target, false).map(ExitCode::from);
    };
    ensure!(
        !args.follow,
        "--follow needs a file or the id of a connection: it is of one log"
    );
    let target = Target::for_several(args.output.as_deref(), args.force)?;
    let logs = args.log.each(&*place)?;
    let bar = progress::count(logs.len() as u64);
    let code = log::all(&logs, |log| {
        bar.inc(1);
        bar.suspend(|| convert(args, log, format, &target, true))
    });
    bar.finish_and_clear();
    code.map(ExitCode::from)
}

/// Converts one log, or one of several; returns the exit status.
fn convert(
    args: &Args,
    log: &log::Which,
    format: Format,
    target: &Target,
    several: bool,
) -> anyhow::Result<u8> {
    let view = |version| {
        programs::View::Cast(Style {
            version,
            input: !args.no_input,
        })
    };
    let from = args.at.or(args.from).unwrap_or(0);
    let until = args.at.or(args.until).unwrap_or(u64::MAX);
    let whole = || {
        if several {
            target.file(&format!("{}.{}", log.name(), format.extension()))
        } else {
            target.clone()
        }
    };
    let view = match format {
        Format::Cast2 => view(Version::Two),
        Format::Cast3 => view(Version::Three),
        Format::Text => programs::View::Text(args.at),
        Format::Html => programs::View::Html(args.at),
        Format::Svg => programs::View::Svg(from, until),
        Format::Json => return whole::json(args, log, &whole()),
        Format::Audit => return whole::binary(args, log, &whole(), Binary::Audit),
        Format::Binary => return whole::binary(args, log, &whole(), Binary::Binary),
    };
    ensure!(
        args.channel.len() < 2 || matches!(target, Target::Directory { .. }),
        "for several channels name a directory with --output: each gets a file of its own"
    );
    let extension = format.extension();
    let mut programs = programs::Programs::new(view, target.clone(), &args.channel, extension);
    let read = log.opened(args.follow)?.read(|message| {
        programs.push(message)?;
        if args.follow {
            programs.flush()?;
        }
        Ok(())
    })?;
    let found = programs.finish()?;
    read.tell()?;
    // Of several logs not each need have a program.
    if found.written == 0 && read.error.is_none() && !several {
        bail!("{}: {}", log.path().display(), found.nothing(&args.channel));
    }
    if let Some(left_out) = found.left_out() {
        bail!("{}: {left_out}", log.path().display());
    }
    Ok(read.code)
}
