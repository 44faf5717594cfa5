//! `auditssh search`.

mod follow;
mod print;

use super::decode::filter::{self, When};
use super::log::Which;
use super::places::{Named, Where};
use crate::{cli, progress};
use anyhow::{Context as _, ensure};
use auditssh_search::index::State;
use auditssh_search::pattern::{Case, Syntax};
use auditssh_search::search::{Found, Options, Outcome, Stream, search_in};
use auditssh_search::{Filter, Kind, Network, Pattern, Place, Query};
use auditssh_view::Visible;
use auditssh_view::survey::Exit;
use print::Printer;
pub(super) use print::ran;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::process::ExitCode;

const AFTER_HELP: &str = "\
A line is a command that was asked for, something that was typed, something that stood on the screen,
or what happened to a file. What stood on the screen is searched as it was shown: a word that was
typed with corrections is found as it was in the end, one of which letters came one by one as a whole,
and a line that was too long for the screen as one line. What was typed is searched with corrections
and as it was before them. What the server was told not to record is nowhere to be found.

Without QUERY, or with an empty one, the connections themselves are found: by user, address, time,
command, exit or file.

Times are as for `auditssh decode`; a duration (1d, 2h30m) is one before now.

Each line begins with when, who and which connection; then the channel and the time since the
program began, for `auditssh replay ID --channel N --at TIME`.

Exit status:
  0  something was found
  1  nothing was found
  2  wrong usage, or a log could not be read to its end";

/// Search logs for what was typed, shown and done
///
/// Looks through all logs of a directory or a bucket, the newest first. `auditssh index` makes that
/// quick; without indexes each log is read, with the same result.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub(crate) struct Args {
    /// The text that lines have; small letters stand for capital ones as well, unless there is a
    /// capital one in it
    query: Option<String>,
    #[command(flatten)]
    places: Where,
    /// The text is a regular expression: https://docs.rs/regex/latest/regex/#syntax
    #[arg(long, short = 'E')]
    regex: bool,
    /// Capital and small letters are the same
    #[arg(long, short, conflicts_with = "case_sensitive")]
    ignore_case: bool,
    /// Capital and small letters are different
    #[arg(long, short = 's')]
    case_sensitive: bool,
    /// Only what was typed; together with --shown, both
    #[arg(long)]
    typed: bool,
    /// Only what stood on a screen; together with --typed, both
    #[arg(long)]
    shown: bool,
    /// Only connections of this user; `*` stands for any characters, `?` for one
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only connections from this address or network: 192.0.2.7, 2001:db8::/32
    #[arg(long, value_name = "ADDRESS")]
    address: Option<Network>,
    /// Only what was from this time on
    #[arg(long, value_name = "TIME", allow_negative_numbers = true)]
    since: Option<When>,
    /// Only what was up to this time
    #[arg(long, value_name = "TIME", allow_negative_numbers = true)]
    until: Option<When>,
    /// Only connections in which a command ran that has this text
    #[arg(long, value_name = "TEXT")]
    command: Option<String>,
    /// Only connections in which a program ended with this status, or by this signal: 0, 137, KILL
    #[arg(long, value_name = "STATUS", value_parser = exit)]
    exit: Option<Exit>,
    /// Only connections in which something happened to a file whose path has this text
    #[arg(long, value_name = "TEXT")]
    file: Option<String>,
    /// Only this channel: its number, as `channelId` in JSON or #0 in text; may be given several
    /// times
    #[arg(long, value_name = "N", value_parser = filter::channel)]
    channel: Vec<u64>,
    /// Only connections in which a login, a request or a channel was refused
    #[arg(long)]
    failed: bool,
    /// Stop after so many hits
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Print a JSON object for each hit instead
    #[arg(long)]
    json: bool,
    /// Read the logs themselves even where there are indexes
    #[arg(long)]
    no_index: bool,
    /// Go on searching what is written, and what connections begin
    ///
    /// A line of a screen is found within a second or so of its being there, and again if it changes. Of
    /// several places only one can be followed. Ctrl-C ends it.
    #[arg(long, short)]
    follow: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let query = args.query()?;
    let options = Options {
        indexes: !args.no_index,
        ..Options::default()
    };
    let mut search = Search {
        query: &query,
        options,
        limit: args.limit.unwrap_or(u64::MAX),
        printer: Printer::new(args.json),
        total: Outcome::default(),
        failed: false,
    };
    let places = args.places.places()?;
    ensure!(
        !args.follow || matches!(places.as_slice(), [Named::Logs(_)]),
        "--follow is of one directory, one log or one bucket"
    );
    for place in places {
        if search.is_over() {
            break;
        }
        match place {
            Named::Logs(place) if args.follow => {
                follow::follow(&mut search, &*place, args.places.is_one())?;
            }
            Named::Logs(place) => search.place(&*place)?,
            Named::Stream(log) => search.stream(&log)?,
        }
    }
    search.finish()
}

impl Args {
    fn query(&self) -> anyhow::Result<Query> {
        let case = match (self.ignore_case, self.case_sensitive) {
            (true, _) => Case::Insensitive,
            (_, true) => Case::Sensitive,
            _ => Case::Smart,
        };
        let pattern = |text: &String| {
            let syntax = Syntax {
                regex: self.regex,
                case,
            };
            Pattern::new(text, syntax).with_context(|| format!("`{text}` cannot be searched"))
        };
        let plain = |text: &String| Pattern::new(text, Syntax::default());
        let query = self.query.as_ref().filter(|text| !text.is_empty());
        let mut kinds = Vec::new();
        kinds.extend(self.typed.then_some(Kind::Typed));
        kinds.extend(self.shown.then_some(Kind::Shown));
        let (from, to) = (
            self.since.map(time).transpose()?,
            self.until.map(time).transpose()?,
        );
        Ok(Query {
            pattern: query.map(pattern).transpose()?,
            kinds,
            channels: self.channel.clone(),
            from,
            to,
            file: self.file.as_ref().map(plain).transpose()?,
            filter: Filter {
                user: self.user.clone(),
                address: self.address,
                from,
                to,
                command: self.command.as_ref().map(plain).transpose()?,
                exit: self.exit.clone(),
                failed: self.failed,
                ..Filter::default()
            },
        })
    }
}

/// The Unix time in nanoseconds that is meant; a duration is one before now.
fn time(when: When) -> anyhow::Result<i64> {
    match when {
        When::At(time) => Ok(time),
        When::BeforeEnd(before) => {
            let now = i64::try_from(jiff::Timestamp::now().as_nanosecond())?;
            Ok(now.saturating_sub(before))
        }
    }
}

fn exit(text: &str) -> Result<Exit, &'static str> {
    if let Ok(status) = text.parse() {
        return Ok(Exit::Status(status));
    }
    let name = text.strip_prefix("SIG").unwrap_or(text);
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_name {
        Ok(Exit::Signal(name.to_owned()))
    } else {
        Err("a status (0, 137) or the name of a signal (KILL) is wanted")
    }
}

/// A search under way.
struct Search<'a> {
    query: &'a Query,
    options: Options,
    limit: u64,
    printer: Printer,
    total: Outcome,
    failed: bool,
}

impl Search<'_> {
    fn is_over(&self) -> bool {
        self.total.hits >= self.limit
    }

    fn place(&mut self, place: &dyn Place) -> anyhow::Result<()> {
        let whole = place.path("");
        let mut logs = place.list().with_context(|| whole.clone())?;
        logs.sort_by(|a, b| (b.modified, &b.name).cmp(&(a.modified, &a.name)));
        let options = Options {
            threads: place.at_once().max(self.options.threads),
            ..self.options.clone()
        };
        let bar = progress::bar(logs.iter().map(|log| log.size).sum());
        let (printer, mut left) = (&mut self.printer, self.limit - self.total.hits);
        let mut wrong = Ok(());
        let mut failed = false;
        let outcome = search_in(place, &logs, self.query, &options, &mut |found| {
            match found {
                Found::Hit(hit) => {
                    left = left.saturating_sub(1);
                    wrong = bar.suspend(|| printer.hit(hit));
                }
                Found::Problem(log, error) => {
                    failed = true;
                    bar.suspend(|| tell(&format!("{}: {error}", place.path(&log.name))));
                }
                Found::Done(log) => bar.inc(log.size),
            }
            if wrong.is_err() || left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        bar.finish_and_clear();
        wrong?;
        self.failed |= failed;
        self.add(outcome, left == 0);
        Ok(())
    }

    fn stream(&mut self, which: &Which) -> anyhow::Result<()> {
        let log = which.open()?;
        let name = log.path.display().to_string();
        let mut stream = Stream::new(self.query, &self.options);
        let read = log.read(|message| {
            stream.push(message);
            Ok(())
        })?;
        read.tell()?;
        let state = match (read.code, read.closed) {
            (cli::OK, true) => State::Complete,
            (cli::OK, false) => State::Unfinished,
            _ => State::Damaged,
        };
        let searched = stream.finish(&name, state);
        let left = usize::try_from(self.limit - self.total.hits).unwrap_or(usize::MAX);
        for hit in searched.hits.iter().take(left) {
            self.printer.hit(hit)?;
        }
        let is_over = searched.hits.len() >= left;
        let outcome = Outcome {
            hits: searched.hits.len().min(left) as u64,
            logs: 1,
            read: 1,
            damaged: u64::from(searched.damaged),
            complete: !searched.more,
            ..Outcome::default()
        };
        self.add(outcome, is_over);
        Ok(())
    }

    fn add(&mut self, outcome: Outcome, is_over: bool) {
        self.total.hits += outcome.hits;
        self.total.logs += outcome.logs;
        self.total.damaged += outcome.damaged;
        if !outcome.complete && !is_over && outcome.problems == 0 && outcome.damaged == 0 {
            tell(&format!(
                "not everything is shown: of one log at most {} hits are, and of what changed on a \
                 screen faster than it could be seen not all is searched",
                self.options.most
            ));
        }
    }

    fn finish(mut self) -> anyhow::Result<ExitCode> {
        self.printer.finish()?;
        if self.total.damaged > 0 {
            tell(&format!(
                "{} of the logs are damaged: what precedes the damage was searched; `auditssh list` \
                 shows which",
                self.total.damaged
            ));
        }
        Ok(ExitCode::from(match self.total.hits {
            _ if self.failed || self.total.damaged > 0 => cli::DAMAGED,
            0 => cli::FAILURE,
            _ => cli::OK,
        }))
    }
}

fn tell(text: &str) {
    // Nothing is left to tell it to when standard error is gone.
    let _ = writeln!(io::stderr(), "auditssh: {}", Visible(text.as_bytes()));
}
