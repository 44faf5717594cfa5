//! `auditssh list`.

mod row;

use crate::bucket::{Place, id_in};
use crate::progress;
use anyhow::Context as _;
use auditssh_archive::verify;
use clap::ValueHint;
use row::Row;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How many logs are read before their lines are printed.
const PAGE: usize = 64;

/// Show a table of the recorded connections
///
/// One line for each log, the newest first. The state is what `auditssh verify` says of it:
/// `intact`, `open`, `recovered`, `cut`, `altered`, `foreign`, or `unchecked` if it cannot be read.
///
/// For that each log is hashed from end to end, which takes as long as reading it from the disk. Of
/// its messages the first 8 MiB and the last 1 MiB are read: of longer logs, what ran and which
/// bytes passed between is not counted (`≥`, and in JSON `partial`). Lines are printed as logs are
/// read, so `auditssh list | head` looks at few. `quarantined` logs were set aside since the bucket
/// does not take them; the reason is a text file beside them, and in the JSON.
///
/// Of a bucket, s3://BUCKET/PREFIX, every log is downloaded.
///
/// On a terminal long cells are shortened to fit its width, which ends them with `…`. What goes into
/// a file or a pipe is never shortened.
///
/// Exits with 0, or with 1 if the directory or the bucket cannot be read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory of the logs, or s3://BUCKET/PREFIX
    #[arg(default_value = "auditssh-data/audit", value_hint = ValueHint::DirPath)]
    directory: PathBuf,
    /// The configuration whose `audit.s3` says how to reach the bucket; without it the usual
    /// sources of AWS programs are asked
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print a JSON object for each log instead
    #[arg(long)]
    json: bool,
    /// Shorten nothing on a terminal either
    #[arg(long, conflicts_with = "json")]
    wide: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_terminal = io::stdout().is_terminal();
    let mut table = Table::new(is_terminal && !plain, columns().filter(|_| !args.wide));
    let mut print = |rows: &[Row]| -> anyhow::Result<()> {
        if args.json {
            for row in rows {
                writeln!(out, "{}", row.json())?;
            }
        } else {
            table.page(rows, &mut out)?;
        }
        out.flush()?;
        Ok(())
    };
    if let Some(place) = Place::of(&args.directory) {
        of_bucket(&place, args.config.as_deref(), &mut print)?;
    } else {
        of_directory(&args.directory, &mut print)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How many characters a line of the terminal has, if standard output is one.
fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(size.ws_col.into()).filter(|columns| *columns > 0)
}

fn of_directory(
    directory: &Path,
    print: &mut impl FnMut(&[Row]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let logs = newest_first(directory)?;
    if logs.is_empty() {
        print(&[])?;
    }
    for page in logs.chunks(PAGE) {
        let rows: Vec<Row> = page.iter().filter_map(Log::row).collect();
        print(&rows)?;
    }
    Ok(())
}

/// Where a log is, and why it was set aside, if it was.
struct Log {
    path: PathBuf,
    reason: Option<String>,
}

impl Log {
    fn row(&self) -> Option<Row> {
        let row = Row::of(&self.path)?;
        Some(match &self.reason {
            Some(reason) => row.set_aside(reason.clone()),
            None => row,
        })
    }
}

fn newest_first(directory: &Path) -> anyhow::Result<Vec<Log>> {
    let unreadable = || format!("cannot read the directory {}", directory.display());
    let mut logs = Vec::new();
    for path in verify::logs(directory).with_context(unreadable)? {
        let log = Log { path, reason: None };
        logs.push((row::start(&log.path), log));
    }
    for aside in auditssh_s3::set_aside(directory).with_context(unreadable)? {
        let log = Log {
            path: aside.path,
            reason: Some(aside.reason),
        };
        logs.push((row::start(&log.path), log));
    }
    logs.sort_by(|(a, first), (b, second)| (b, &second.path).cmp(&(a, &first.path)));
    Ok(logs.into_iter().map(|(_, log)| log).collect())
}

/// The logs of a bucket: the objects whose names hold a connection id.
fn of_bucket(
    place: &Place,
    config: Option<&Path>,
    print: &mut impl FnMut(&[Row]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let bucket = place.bucket(config)?;
    let found = place.logs(&bucket)?;
    let bar = progress::bar(found.iter().map(|object| object.size).sum());
    let mut rows = Vec::new();
    for object in found {
        let download = bucket.open(&object.key);
        let download = download.with_context(|| object.key.clone())?;
        let id = id_in(&object.key).unwrap_or_default();
        let row = Row::of_download(id, object.size, bar.wrap_read(download));
        rows.push(row.with_context(|| object.key.clone())?);
    }
    bar.finish_and_clear();
    rows.sort_by_key(|row| std::cmp::Reverse(row.begun()));
    print(&rows)
}

const HEAD: [&str; 10] = [
    "START", "DURATION", "USER", "ADDRESS", "CLIENT", "RAN", "EXIT", "SIZE", "STATE", "ID",
];

/// Columns that give way when a line is too long for the terminal, in this order, and what is left
/// of them at least.
const SHRINK: [(usize, usize); 4] = [(5, 12), (4, 10), (2, 8), (3, 15)];

/// The widest that a column gets for the sake of one cell, in characters: longer ones stand out.
const WIDEST: usize = 40;

/// A table that is printed page by page; its columns only ever get wider, as far as they may.
struct Table {
    colour: bool,
    /// How long a line may be.
    room: Option<usize>,
    widths: [usize; 10],
    begun: bool,
}

impl Table {
    fn new(colour: bool, room: Option<usize>) -> Self {
        Self {
            colour,
            room,
            widths: HEAD.map(str::len),
            begun: false,
        }
    }

    fn page(&mut self, rows: &[Row], out: &mut impl io::Write) -> io::Result<()> {
        let cells: Vec<_> = rows.iter().map(Row::cells).collect();
        for row in &cells {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count().min(WIDEST));
            }
        }
        self.shrink();
        if !std::mem::replace(&mut self.begun, true) {
            self.line(&HEAD.map(str::to_owned), Some("1"), out)?;
        }
        for (row, cells) in rows.iter().zip(&cells) {
            self.line(cells, row.colour(), out)?;
        }
        Ok(())
    }

    /// Makes lines fit into the terminal, as far as columns give way.
    fn shrink(&mut self) {
        let Some(room) = self.room else { return };
        let length = self.widths.iter().sum::<usize>() + 2 * (HEAD.len() - 1);
        let mut excess = length.saturating_sub(room);
        for (column, least) in SHRINK {
            if let Some(width) = self.widths.get_mut(column) {
                let less = excess.min(width.saturating_sub(least));
                *width -= less;
                excess -= less;
            }
        }
    }

    /// The last column is neither padded nor shortened: by it a log is found.
    fn line(
        &self,
        cells: &[String; 10],
        colour: Option<&str>,
        out: &mut impl io::Write,
    ) -> io::Result<()> {
        let mut text = String::new();
        for (column, (cell, width)) in cells.iter().zip(self.widths).enumerate() {
            let length = cell.chars().count();
            let is_last = column + 1 == HEAD.len();
            if self.room.is_some() && length > width && !is_last {
                text.extend(cell.chars().take(width.saturating_sub(1)));
                text.push('…');
            } else {
                text.push_str(cell);
            }
            let missing = width.saturating_sub(length);
            text.extend(std::iter::repeat_n(' ', missing + 2));
        }
        match colour.filter(|_| self.colour) {
            Some(colour) => writeln!(out, "\x1b[{colour}m{}\x1b[0m", text.trim_end()),
            None => writeln!(out, "{}", text.trim_end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(table: &Table, ran: &str) -> String {
        let mut cells = HEAD.map(str::to_owned);
        cells[5] = ran.to_owned();
        let mut out = Vec::new();
        table.line(&cells, None, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn long_cells_are_shortened_for_a_terminal_only() {
        let long = "ä".repeat(60);
        let mut table = Table::new(false, None);
        table.widths[5] = WIDEST;
        table.shrink();
        assert!(line(&table, &long).contains(&format!("{long}  EXIT")));
        table.room = Some(100);
        table.shrink();
        let shortened = line(&table, &long);
        assert_eq!(shortened.trim_end().chars().count(), 100);
        assert!(shortened.contains("ä…  EXIT"), "{shortened}");
        table.room = Some(20);
        table.shrink();
        assert_eq!(table.widths[5], 12);
        assert!(line(&table, "ls").contains(&format!("  {:<12}  EXIT", "ls")));
    }
}
