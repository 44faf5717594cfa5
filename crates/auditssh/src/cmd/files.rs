//! `auditssh files`.

mod extract;
mod names;

use super::log;
use crate::config::Size;
use anyhow::{Context as _, ensure};
use auditssh_view::files::{Action, Direction, Entry, Ledger, Note, hex};
use auditssh_view::{Visible, visible_json};
use clap::ValueHint;
use extract::Extract;
use std::io::{self, BufWriter, StdoutLock, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

const AFTER_HELP: &str = "\
With `intercept: {files: true}` the log has what went through by SFTP (versions 3 to 6) and the old
protocol of scp (`scp -O`). Without, that is read from what was recorded of both streams: if not
`intercept: {stdin: true, stdout: true}`, little or nothing is known. A file has a SHA-256 if all of it
went through, from its beginning to its end. Of rsync the command line is shown. Whatever a program
does to files by itself is not in the log.

Exit status:
  0  the log was read to its end
  1  wrong usage, the log could not be opened or read, or not everything could be extracted
  2  the log is cut or damaged; the files before that are shown
Of several logs the worst.";

/// List the files that went through a connection
///
/// One line for each: uploads, downloads, renamings, removals, directories, links, permissions; with
/// the path as the client named it, the result, the size and the SHA-256. Of a directory the files of
/// all connections are listed, each below its connection's id (`connectionId` in JSON).
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    log: log::Which,
    /// Print a JSON object for each entry instead
    #[arg(long)]
    json: bool,
    /// Write the contents into this directory, which must be new or empty: uploads below `upload`,
    /// downloads below `download`; of several connections each has a directory of its own
    ///
    /// Names are made safe: `..`, control characters and the like are replaced, what is there twice
    /// gets a number. Files belong to whoever runs this, can be read by nobody else, and are never
    /// executable.
    #[arg(long, value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    extract: Option<PathBuf>,
    /// Most bytes that are extracted in all
    #[arg(long, value_name = "SIZE", default_value = "16GiB", value_parser = size, requires = "extract")]
    most: u64,
    /// Go on until the log ends, as it is written; if no server writes it, stop where it ends now
    #[arg(long, short)]
    follow: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let place = args.log.place()?;
    ensure!(
        place.is_none() || !args.follow,
        "--follow needs a file or the id of a connection: it is of one log"
    );
    let mut extract = match &args.extract {
        Some(directory) => {
            let new = Extract::new(directory, args.most);
            Some(new.with_context(|| directory.display().to_string())?)
        }
        None => None,
    };
    let mut printer = Printer::new(args.json);
    let code = match place {
        None => connection(args, &args.log, &mut extract, &mut printer)?,
        Some(place) => {
            let logs = args.log.each(&*place)?;
            log::all(&logs, |log| {
                let name = log.name();
                if let Some(extract) = &mut extract {
                    extract.begin(&name);
                }
                printer.begin(name);
                connection(args, log, &mut extract, &mut printer)
            })?
        }
    };
    printer.finish()?;
    if let Some(problem) = extract.and_then(|extract| extract.problem()) {
        anyhow::bail!("{problem}");
    }
    Ok(ExitCode::from(code))
}

/// The files of one connection; returns the exit status.
fn connection(
    args: &Args,
    which: &log::Which,
    extract: &mut Option<Extract>,
    printer: &mut Printer,
) -> anyhow::Result<u8> {
    let log = which.opened(args.follow)?;
    let mut ledger = Ledger::default();
    let mut failed = None;
    let read = log.read(|message| {
        ledger.push(message, |note| take(note, extract, printer, &mut failed));
        failed.take().map_or(Ok(()), Err)?;
        if args.follow {
            printer.out.flush()?;
        }
        Ok(())
    })?;
    ledger.finish(|note| take(note, extract, printer, &mut failed));
    failed.map_or(Ok(()), Err)?;
    printer.out.flush()?;
    read.tell()?;
    Ok(read.code)
}

fn size(text: &str) -> Result<u64, &'static str> {
    let size = Size::parse(text).ok_or("a size is a number of bytes, or one with a unit: 64MiB")?;
    u64::try_from(usize::from(size)).map_err(|_| "that is too large")
}

fn take(
    note: Note<'_>,
    extract: &mut Option<Extract>,
    printer: &mut Printer,
    failed: &mut Option<anyhow::Error>,
) {
    if failed.is_some() {
        return;
    }
    let done = match note {
        Note::Data(data) => match extract {
            Some(extract) => extract.data(data).context("a content cannot be extracted"),
            None => Ok(()),
        },
        Note::Entry(entry) => {
            let place = extract.as_mut().and_then(|extract| extract.end(entry));
            printer.entry(entry, place).map_err(Into::into)
        }
    };
    *failed = done.err();
}

struct Printer {
    out: BufWriter<StdoutLock<'static>>,
    json: bool,
    head: bool,
    /// Of several connections the one whose files come now, and whether that was said.
    connection: Option<(String, bool)>,
}

impl Printer {
    fn new(json: bool) -> Self {
        Self {
            out: BufWriter::new(io::stdout().lock()),
            json,
            head: false,
            connection: None,
        }
    }

    /// What follows is of this one of several connections.
    fn begin(&mut self, connection: String) {
        self.connection = Some((connection, false));
    }

    fn entry(&mut self, entry: &Entry, place: Option<PathBuf>) -> io::Result<()> {
        if self.json {
            let mut object = entry.json();
            let mut insert = |name: &str, text: String| {
                if let Some(object) = object.as_object_mut() {
                    object.insert(name.to_owned(), text.into());
                }
            };
            if let Some((connection, _)) = &self.connection {
                insert("connectionId", connection.clone());
            }
            if let Some(place) = place {
                insert("extracted", place.to_string_lossy().into_owned());
            }
            return writeln!(self.out, "{}", visible_json(&object.to_string()));
        }
        if !std::mem::replace(&mut self.head, true) {
            writeln!(
                self.out,
                "{:<20}  {:<4}  {:<8}  {:>13}  {:<7}  PATH",
                "TIME", "CHAN", "ACTION", "BYTES", "RESULT"
            )?;
        }
        if let Some((connection, said)) = &mut self.connection
            && !std::mem::replace(said, true)
        {
            writeln!(self.out, "{}", Visible(connection.as_bytes()))?;
        }
        let time = jiff::Timestamp::from_nanosecond(entry.begun.into());
        let time = time.map_or_else(|_| entry.begun.to_string(), |time| format!("{time:.0}"));
        write!(
            self.out,
            "{time:<20}  #{:<3}  {:<8}  {:>13}  {:<7}  {}",
            entry.channel,
            entry.action.word(),
            bytes(&entry.action),
            entry.outcome.word(),
            Visible(&entry.path)
        )?;
        writeln!(self.out, "{}", entry.remark())?;
        if let Action::Transfer { content, .. } = &entry.action {
            let indent = "";
            match (&content.sha256, &content.incomplete) {
                (Some(hash), _) => writeln!(self.out, "{indent:22}sha256 {}", hex(hash))?,
                (None, Some(why)) => {
                    let why = Visible(why.as_bytes());
                    writeln!(self.out, "{indent:22}no hash: {why}")?;
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        if !self.json && !self.head {
            writeln!(
                self.out,
                "No files: neither SFTP nor scp nor rsync is in the log, or what passed was not \
                 recorded"
            )?;
        }
        self.out.flush()
    }
}

fn bytes(action: &Action) -> String {
    match action {
        Action::Transfer { content, .. } => content.bytes.to_string(),
        Action::Truncate(size) => size.to_string(),
        Action::Sync {
            direction: Direction::Upload,
            bytes,
        } => bytes.0.to_string(),
        Action::Sync { bytes, .. } => bytes.1.to_string(),
        _ => String::new(),
    }
}
