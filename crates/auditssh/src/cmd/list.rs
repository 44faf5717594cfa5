//! `auditssh list`.

mod row;

use anyhow::Context as _;
use auditssh_archive::is_id;
use clap::ValueHint;
use row::Row;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// Show a table of the recorded connections
///
/// One line for each log, the newest first. Logs that are still being written are read as far as
/// they go; damaged ones are listed with what can be read of them.
///
/// States: `complete`; `open`, still being written or left so by a crash; `recovered` after a
/// crash; `cut` and `damaged`, of which `auditssh verify` tells more; `unreadable`.
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
    let mut rows = rows(args)?;
    rows.sort_by(|a, b| (b.start, &b.id).cmp(&(a.start, &a.id)));
    let mut out = io::BufWriter::new(io::stdout().lock());
    if args.json {
        for row in &rows {
            writeln!(out, "{}", row.json())?;
        }
    } else {
        table(&rows, io::stdout().is_terminal(), &mut out)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn rows(args: &Args) -> anyhow::Result<Vec<Row>> {
    let directory = &args.directory;
    let entries = std::fs::read_dir(directory)
        .with_context(|| format!("cannot read the directory {}", directory.display()))?;
    let mut rows = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", directory.display()))?;
        if let Some(id) = entry.file_name().to_str().filter(|name| is_id(name)) {
            rows.push(Row::of(id, &entry.path()));
        }
    }
    Ok(rows)
}

const HEAD: [&str; 10] = [
    "START", "DURATION", "USER", "ADDRESS", "CLIENT", "RAN", "EXIT", "SIZE", "STATE", "ID",
];

fn table(rows: &[Row], colour: bool, out: &mut impl io::Write) -> io::Result<()> {
    let cells: Vec<_> = rows.iter().map(Row::cells).collect();
    let mut widths = HEAD.map(str::len);
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    line(
        &HEAD.map(str::to_owned),
        &widths,
        colour.then_some("1"),
        out,
    )?;
    for (row, cells) in rows.iter().zip(&cells) {
        line(cells, &widths, row.colour().filter(|_| colour), out)?;
    }
    Ok(())
}

/// The last column is not padded.
fn line(
    cells: &[String; 10],
    widths: &[usize; 10],
    colour: Option<&str>,
    out: &mut impl io::Write,
) -> io::Result<()> {
    let mut text = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        text.push_str(cell);
        let missing = width.saturating_sub(cell.chars().count());
        text.extend(std::iter::repeat_n(' ', missing + 2));
    }
    match colour {
        Some(colour) => writeln!(out, "\x1b[{colour}m{}\x1b[0m", text.trim_end()),
        None => writeln!(out, "{}", text.trim_end()),
    }
}
