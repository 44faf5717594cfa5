//! `auditssh replay`.

mod choose;
mod frame;
mod keys;
mod overview;
mod player;
mod raw;
mod recording;
mod terminal;
pub(super) mod time;

use super::decode::filter;
use super::log;
use anyhow::{Context as _, ensure};
use overview::Overview;
use player::{Pace, Player};
use recording::Recording;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;
use terminal::Terminal;

/// How often it is looked whether a program runs.
const PAUSE: Duration = Duration::from_millis(200);

const AFTER_HELP: &str = "\
Keys:
  space            pause, and go on
  .                the next output, while paused
  ← →  or  h l     back and forth by 5 seconds
  PgUp PgDn        back and forth by a minute
  Home, 0 to 9     to the beginning; to so many tenths of it
  n p              to the next command, to the one before
  + -              twice as fast, half as fast
  q                end

A command is where the return key was pressed or, if input is not in the log, where the shell marks
one (OSC 133).

Exit status:
  0  the replay was ended
  1  wrong usage, the log could not be opened or read, or there is no terminal
  2  the log is cut or damaged; what precedes that was shown";

/// Play a recorded program in the terminal
///
/// The recording is shown through a terminal of its own, so that nothing in it reaches yours: no
/// title, no clipboard, no link, no question that your terminal would answer. Of several programs
/// one is chosen from a list, or with --channel; so is a connection, of a directory of logs.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    log: log::Which,
    /// The channel: its number, as `channelId` in JSON or #0 in text
    #[arg(long, value_name = "N", value_parser = filter::channel)]
    channel: Option<u64>,
    /// How many times as fast as it was
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = time::speed)]
    speed: f64,
    /// The longest pause between two outputs: 2, 1.5s, 1m
    #[arg(long, value_name = "TIME", value_parser = time::duration)]
    idle_limit: Option<u64>,
    /// Where to begin: 12:34, 1:02:03, 90, 90s
    #[arg(long, value_name = "TIME", value_parser = time::position)]
    at: Option<u64>,
    /// Write the output to your terminal exactly as it was, control sequences included
    ///
    /// Only for recordings that you trust: they can control your terminal. Keys are space, `.`, `+`,
    /// `-` and q.
    #[arg(long)]
    raw: bool,
    /// Watch a session while it goes on, from where it is now; with --at, from there
    #[arg(long, short)]
    follow: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    ensure!(
        io::stdout().is_terminal(),
        "a replay needs a terminal; `auditssh convert --to text` writes what stood on the screen"
    );
    let log = match args.log.place()? {
        Some(place) => choose::connection(&args.log, &*place)?,
        None => args.log.clone(),
    };
    let recording = Recording::new(&log, args.follow)?;
    let mut overview = Overview::of(&recording)?;
    // A session that was just begun has nothing to show yet.
    while args.follow && overview.has_none(args.channel) && recording.is_written() {
        std::thread::sleep(PAUSE);
        overview = Overview::of(&recording)?;
    }
    let program = match args.channel {
        Some(channel) => overview.on(channel).with_context(|| {
            format!("no program ran on channel #{channel}; without --channel they are listed")
        })?,
        None => choose::program(&overview.programs)?,
    };
    let pace = Pace {
        speed: args.speed,
        idle_limit: args.idle_limit,
    };
    // Signals are held back before there is another thread, and the terminal is given back last.
    let mut terminal = Terminal::open(!args.raw)?;
    let ended = if args.raw {
        let now = if args.follow { raw::NOW } else { 0 };
        let at = args.at.unwrap_or(now);
        raw::play(&recording, program, pace, at, &mut terminal)
    } else {
        Player::new(&recording, program, pace)?.play(args.at, &mut terminal)
    };
    terminal.restore();
    if let Some(signal) = ended? {
        return Ok(ExitCode::from(128_u8.saturating_add(signal)));
    }
    if !args.follow {
        overview.read.tell()?;
    }
    Ok(ExitCode::from(overview.read.code))
}
