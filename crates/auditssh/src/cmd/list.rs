//! `auditssh list`.

mod row;

use anyhow::Context as _;
use auditssh_archive::verify::logs;
use clap::ValueHint;
use row::Row;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
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
/// read, so `auditssh list | head` looks at few.
///
/// Exits with 0, or with 1 if the directory cannot be read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory of the logs
    #[arg(default_value = "auditssh-data/audit", value_hint = ValueHint::DirPath)]
    directory: PathBuf,
    /// Print a JSON object for each log instead
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let mut table = Table::new(io::stdout().is_terminal() && !plain);
    let logs = newest_first(&args.directory)?;
    if !args.json && logs.is_empty() {
        table.page(&[], &mut out)?;
        out.flush()?;
    }
    for page in logs.chunks(PAGE) {
        let rows: Vec<Row> = page.iter().filter_map(|log| Row::of(log)).collect();
        if args.json {
            for row in &rows {
                writeln!(out, "{}", row.json())?;
            }
        } else {
            table.page(&rows, &mut out)?;
        }
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn newest_first(directory: &std::path::Path) -> anyhow::Result<Vec<PathBuf>> {
    let logs = logs(directory)
        .with_context(|| format!("cannot read the directory {}", directory.display()))?;
    let mut logs: Vec<_> = logs
        .into_iter()
        .map(|log| (row::start(&log), log))
        .collect();
    logs.sort_by(|a, b| b.cmp(a));
    Ok(logs.into_iter().map(|(_, log)| log).collect())
}

const HEAD: [&str; 10] = [
    "START", "DURATION", "USER", "ADDRESS", "CLIENT", "RAN", "EXIT", "SIZE", "STATE", "ID",
];

/// A table that is printed page by page; its columns only ever get wider.
struct Table {
    colour: bool,
    widths: [usize; 10],
    begun: bool,
}

impl Table {
    fn new(colour: bool) -> Self {
        Self {
            colour,
            widths: HEAD.map(str::len),
            begun: false,
        }
    }

    fn page(&mut self, rows: &[Row], out: &mut impl io::Write) -> io::Result<()> {
        let cells: Vec<_> = rows.iter().map(Row::cells).collect();
        for row in &cells {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        if !std::mem::replace(&mut self.begun, true) {
            self.line(&HEAD.map(str::to_owned), Some("1"), out)?;
        }
        for (row, cells) in rows.iter().zip(&cells) {
            self.line(cells, row.colour(), out)?;
        }
        Ok(())
    }

    /// The last column is not padded.
    fn line(
        &self,
        cells: &[String; 10],
        colour: Option<&str>,
        out: &mut impl io::Write,
    ) -> io::Result<()> {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(self.widths) {
            text.push_str(cell);
            let missing = width.saturating_sub(cell.chars().count());
            text.extend(std::iter::repeat_n(' ', missing + 2));
        }
        match colour.filter(|_| self.colour) {
            Some(colour) => writeln!(out, "\x1b[{colour}m{}\x1b[0m", text.trim_end()),
            None => writeln!(out, "{}", text.trim_end()),
        }
    }
}
