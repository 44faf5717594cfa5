//! `auditssh list`.

mod directory;
mod row;

use crate::bucket::{Place, id_in};
use crate::progress;
use anyhow::Context as _;
use clap::ValueHint;
use row::Row;
use std::collections::HashSet;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Show a table of the recorded connections
///
/// One line for each log, the newest first. The state is what `auditssh verify` says of it:
/// `intact`, `open`, `recovered`, `cut`, `altered`, `foreign`, or `unchecked` if it cannot be read.
/// `(+1 aside)` says that recovery set a file aside beside the log, which `verify` names.
///
/// For that each log is hashed from end to end, which takes as long as reading it from the disk. Of
/// its messages the first 8 MiB and the last 1 MiB are read: of longer logs, what ran and which
/// bytes passed between is not counted (`≥`, and in JSON `partial`). Lines are printed as logs are
/// read, so `auditssh list | head` looks at few. `quarantined` logs were set aside since the bucket
/// does not take them; the reason is a text file beside them, and in the JSON.
///
/// A connection of which there are casts and no log (`audit.format: asciinema`) has a line, too, whose
/// state is `cast`: nothing proves what is in it. While casts are written it is `open`; `cut` are those
/// that a server left, until `auditssh recover` or the next start. Of the exit, only casts of version 3
/// know. Each cast is read to its end. In JSON, `format` is `asciinema`, and what casts do not
/// count is null.
///
/// Of a bucket, s3://BUCKET/PREFIX, every log or cast is downloaded.
///
/// On a terminal long cells are shortened to fit its width, which ends them with `…`. On a narrow one
/// columns are left out as well: CLIENT first, then ADDRESS, SIZE, DURATION, EXIT, USER and RAN. All
/// is shown with `--wide`, and in a file or a pipe.
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
    /// Shorten nothing and leave no column out, on a terminal either
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
        directory::list(&args.directory, &mut print)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How many characters a line of the terminal has, if standard output is one.
fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(size.ws_col.into()).filter(|columns| *columns > 0)
}

/// The logs of a bucket: the objects whose names hold a connection id. And the casts of connections
/// that have no log there.
fn of_bucket(
    place: &Place,
    config: Option<&Path>,
    print: &mut impl FnMut(&[Row]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let bucket = place.bucket(config)?;
    let mut found = place.logs(&bucket)?;
    let casts = std::mem::take(&mut found.casts);
    let ids: HashSet<&str> = (found.logs.iter())
        .filter_map(|log| id_in(&log.key))
        .collect();
    let casts: Vec<_> = casts
        .into_iter()
        .filter(|(key, _)| id_in(key).is_some_and(|id| !ids.contains(id)))
        .collect();
    let in_casts = casts.iter().flat_map(|(_, casts)| casts.values());
    let sizes = found.logs.iter().chain(in_casts).map(|object| object.size);
    let bar = progress::bar(sizes.sum());
    let open = |key: &str| -> anyhow::Result<_> {
        let download = bucket.open(key).with_context(|| key.to_owned())?;
        Ok(bar.wrap_read(download))
    };
    let mut rows = Vec::new();
    for object in found.logs {
        let id = id_in(&object.key).unwrap_or_default();
        let row = Row::of_download(id, object.size, open(&object.key)?);
        let aside = found.beside.remove(&object.key).unwrap_or_default();
        rows.push(row.with_context(|| object.key.clone())?.beside(aside));
    }
    for (key, casts) in casts {
        let size = casts.values().map(|object| object.size).sum();
        let mut row = Row::of_no_casts(id_in(&key).unwrap_or_default(), size);
        let mut aside = Vec::new();
        for (channel, object) in casts {
            let read = row.add(channel, open(&object.key)?);
            read.with_context(|| object.key.clone())?;
            aside.extend(found.beside.remove(&object.key).unwrap_or_default());
        }
        rows.push(row.beside(aside));
    }
    for (key, aside) in found.beside {
        // Nothing but that is there of it.
        let row = Row::of_download(id_in(&key).unwrap_or_default(), 0, io::empty())?;
        rows.push(row.beside(aside));
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

/// Columns that are left out if that is not enough, in this order.
const LEAVE: [usize; 9] = [4, 3, 7, 1, 6, 2, 5, 0, 8];

/// When at most so many of those are left beside the ID, other columns give way.
const LAST: usize = 2;

/// These, in this order: of names that are no ids something may be missing.
const SHRINK_LAST: [(usize, usize); 2] = [(9, 32), (8, 6)];

/// The widest that a column gets for the sake of one cell, in characters: longer ones stand out.
const WIDEST: usize = 40;

/// Blanks between two columns.
const GAP: usize = 2;

/// The cells of a line, and its colour if it has one.
type Line = ([String; 10], Option<&'static str>);

/// How wide each column is; `None` if it is left out.
type Widths = [Option<usize>; 10];

/// A table that is printed page by page; what its columns want only ever grows, as far as it may.
struct Table {
    colour: bool,
    /// How long a line may be.
    room: Option<usize>,
    /// How wide the columns would be if there were room.
    wanted: [usize; 10],
    widths: Widths,
    /// The columns that the last head named, if there was one.
    head: Option<[bool; 10]>,
}

impl Table {
    fn new(colour: bool, room: Option<usize>) -> Self {
        let wanted = HEAD.map(str::len);
        Self {
            colour,
            room,
            wanted,
            widths: wanted.map(Some),
            head: None,
        }
    }

    fn page(&mut self, rows: &[Row], out: &mut impl io::Write) -> io::Result<()> {
        let lines = rows.iter().map(|row| (row.cells(), row.colour()));
        self.lines(&lines.collect::<Vec<Line>>(), out)
    }

    /// Prints lines, below a new head if other columns are left out than before.
    fn lines(&mut self, lines: &[Line], out: &mut impl io::Write) -> io::Result<()> {
        for (cells, _) in lines {
            for (width, cell) in self.wanted.iter_mut().zip(cells) {
                *width = (*width).max(cell.chars().count().min(WIDEST));
            }
        }
        self.fit();
        let shown = self.widths.map(|width| width.is_some());
        if self.head.replace(shown) != Some(shown) {
            self.line(&HEAD.map(str::to_owned), Some("1"), out)?;
        }
        for (cells, colour) in lines {
            self.line(cells, *colour, out)?;
        }
        Ok(())
    }

    /// Makes lines fit into the terminal: columns give way, then are left out, as few as will do.
    fn fit(&mut self) {
        let mut widths = self.wanted.map(Some);
        self.widths = widths;
        let Some(room) = self.room else { return };
        let mut leave = LEAVE.iter();
        loop {
            let give_way: &[(usize, usize)] = if leave.len() > LAST {
                &SHRINK
            } else {
                &SHRINK_LAST
            };
            self.widths = shrunk(widths, room, give_way);
            if length(&self.widths) <= room {
                return;
            }
            let Some(column) = leave.next() else { return };
            if let Some(width) = widths.get_mut(*column) {
                *width = None;
            }
        }
    }

    /// The last column is not padded, and gets what room there is: by it a log is found.
    fn line(
        &self,
        cells: &[String; 10],
        colour: Option<&str>,
        out: &mut impl io::Write,
    ) -> io::Result<()> {
        let mut text = String::new();
        let mut used = 0;
        for (column, (cell, width)) in cells.iter().zip(self.widths).enumerate() {
            let Some(width) = width else { continue };
            let length = cell.chars().count();
            let is_last = column + 1 == HEAD.len();
            let most = self.room.map(|room| {
                if is_last {
                    room.saturating_sub(used).max(width)
                } else {
                    width
                }
            });
            if let Some(most) = most.filter(|most| length > *most) {
                text.extend(cell.chars().take(most.saturating_sub(1)));
                text.push('…');
            } else {
                text.push_str(cell);
            }
            let missing = width.saturating_sub(length);
            text.extend(std::iter::repeat_n(' ', missing + GAP));
            used += width + GAP;
        }
        match colour.filter(|_| self.colour) {
            Some(colour) => writeln!(out, "\x1b[{colour}m{}\x1b[0m", text.trim_end()),
            None => writeln!(out, "{}", text.trim_end()),
        }
    }
}

/// Widths with which a line fits, as far as some columns give way.
fn shrunk(mut widths: Widths, room: usize, give_way: &[(usize, usize)]) -> Widths {
    let mut excess = length(&widths).saturating_sub(room);
    for (column, least) in give_way {
        if let Some(Some(width)) = widths.get_mut(*column) {
            let less = excess.min(width.saturating_sub(*least));
            *width -= less;
            excess -= less;
        }
    }
    widths
}

/// How long lines of these widths are.
fn length(widths: &Widths) -> usize {
    let columns = widths.iter().flatten().map(|width| width + GAP);
    columns.sum::<usize>().saturating_sub(GAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn line(table: &Table, ran: &str) -> String {
        let mut cells = HEAD.map(str::to_owned);
        cells[5] = ran.to_owned();
        let mut out = Vec::new();
        table.line(&cells, None, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Prints a page of one log whose cells are long.
    fn page(table: &mut Table, state: &str, id: &str) -> String {
        let long = "ä".repeat(60);
        let cells = [
            "2026-01-31T12:00:00Z",
            "100h00m",
            "[somebody]",
            "2001:db8:1234:5678:9abc:def0:1234:5678",
            "OpenSSH_9.6p1 Ubuntu-3ubuntu13.5",
            &long,
            "0",
            "10000K",
            state,
            id,
        ];
        let mut out = Vec::new();
        let lines = [(cells.map(str::to_owned), None)];
        table.lines(&lines, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn long_cells_are_shortened_for_a_terminal_only() {
        let long = "ä".repeat(60);
        let mut table = Table::new(false, None);
        table.wanted[5] = WIDEST;
        table.fit();
        assert!(line(&table, &long).contains(&format!("{long}  EXIT")));
        table.room = Some(100);
        table.fit();
        let shortened = line(&table, &long);
        assert_eq!(shortened.trim_end().chars().count(), 100);
        assert!(shortened.contains("ä…  EXIT"), "{shortened}");
        table.room = Some(75);
        table.fit();
        assert_eq!(table.widths[5], Some(12));
        assert!(line(&table, "ls").contains(&format!("  {:<12}  EXIT", "ls")));
    }

    #[test]
    fn no_line_is_longer_than_the_terminal() {
        let long = "ö".repeat(250);
        let long = long.as_str();
        for room in 40..=200 {
            for (state, id) in [
                ("intact", ID),
                ("quarantined", ID),
                ("intact", long),
                ("quarantined", long),
                ("recovered (+1 aside)", ID),
                ("cut", "short"),
            ] {
                let text = page(&mut Table::new(false, Some(room)), state, id);
                assert_eq!(text.lines().count(), 2, "{room}: {text}");
                for line in text.lines() {
                    assert!(line.chars().count() <= room, "{room}: {text}");
                }
                let end = if id == long { "ö…" } else { id };
                assert!(text.trim_end().ends_with(end), "{room}: {text}");
            }
        }
    }

    #[test]
    fn the_least_important_columns_are_left_out_first() {
        for (room, expected) in [
            (40, "STATE ID"),
            (80, "START RAN STATE ID"),
            (100, "START USER RAN EXIT STATE ID"),
            (
                200,
                "START DURATION USER ADDRESS CLIENT RAN EXIT SIZE STATE ID",
            ),
        ] {
            let text = page(&mut Table::new(false, Some(room)), "intact", ID);
            let head: Vec<&str> = text.lines().next().unwrap().split_whitespace().collect();
            assert_eq!(head.join(" "), expected, "{room}");
        }
        let all = page(&mut Table::new(false, None), "intact", ID);
        assert!(all.contains("CLIENT") && !all.contains('…'), "{all}");
    }

    #[test]
    fn a_head_stands_above_the_columns_that_it_names() {
        let mut table = Table::new(false, Some(80));
        let heads = ["intact", "intact", "quarantined", "intact"]
            .map(|state| page(&mut table, state, ID).lines().count() - 1);
        assert_eq!(heads, [1, 0, 1, 0]);
    }
}
