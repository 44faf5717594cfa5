//! Asks which connection, and which program of it, is meant.

use super::overview::Program;
use super::time;
use crate::cmd::log::Which;
use crate::cmd::search::ran;
use anyhow::{Context as _, bail, ensure};
use auditssh_search::index::{Head, Index};
use auditssh_search::{Listed, Place};
use auditssh_view::Visible;
use auditssh_view::survey::Facts;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;

/// How many connections are offered: those that went on last.
const OFFERED: usize = 20;

/// Asks which connection of a place is meant.
pub(super) fn connection(log: &Which, place: &dyn Place) -> anyhow::Result<Which> {
    let whole = log.path().display().to_string();
    let mut logs = place.list().with_context(|| whole.clone())?;
    logs.sort_by(|a, b| (b.modified, &b.name).cmp(&(a.modified, &a.name)));
    let all = logs.len();
    logs.truncate(OFFERED);
    let mut out = io::stdout().lock();
    if all > OFFERED {
        writeln!(
            out,
            "The latest of {all} connections; `auditssh search` and `auditssh list` find others:"
        )?;
    }
    for (number, log) in (1..).zip(&logs) {
        let line = match facts(place, log) {
            Ok(head) => line(&head.facts),
            Err(error) => format!("cannot be read: {error}"),
        };
        let name = id(&log.name);
        writeln!(out, "{number:>4}  {name}  {}", Visible(line.as_bytes()))?;
    }
    let chosen = match logs.as_slice() {
        [] => bail!("{whole}: no log is there"),
        [one] => one,
        several => ask(&mut out, several)?,
    };
    Ok(log.at(Path::new(&place.path(&chosen.name))))
}

/// Asks which program is meant, if there are several.
pub(super) fn program(programs: &[Program]) -> anyhow::Result<&Program> {
    match programs {
        [] => bail!("no program ran that has a screen; `auditssh show` tells what happened"),
        [one] => return Ok(one),
        _ => {}
    }
    let mut out = io::stdout().lock();
    for (number, program) in (1..).zip(programs) {
        let what = program.what.to_string();
        let line = Visible(what.as_bytes()).to_string();
        let length = time::shown(program.length);
        writeln!(
            out,
            "{number:>4}  #{:<4} {length:>9}  {line}",
            program.channel
        )?;
    }
    ask(&mut out, programs)
}

/// Asks for a number.
fn ask<'a, T>(out: &mut impl io::Write, choices: &'a [T]) -> anyhow::Result<&'a T> {
    let tty = std::fs::File::open("/dev/tty").context("there is no terminal to ask")?;
    let mut lines = BufReader::new(tty);
    loop {
        write!(out, "Which one? [1-{}] ", choices.len())?;
        out.flush()?;
        let mut line = String::new();
        let length = io::Read::take(&mut lines, 64).read_line(&mut line)?;
        ensure!(length > 0, "none was chosen");
        let number = line.trim().parse::<usize>().ok();
        if let Some(choice) = number.and_then(|number| choices.get(number.checked_sub(1)?)) {
            return Ok(choice);
        }
    }
}

/// What is known of a log, from its index if there is one that can be believed.
fn facts(place: &dyn Place, log: &Listed) -> io::Result<Head> {
    let index = Index::of(place, log).ok().flatten();
    index.map_or_else(|| place.facts(log), |index| Ok(index.into_head()))
}

/// A connection in a line.
fn line(facts: &Facts) -> String {
    let start = facts
        .start
        .and_then(|start| jiff::Timestamp::from_nanosecond(start.into()).ok());
    let start = start.map_or_else(|| "-".to_owned(), |start| format!("{start:.0}"));
    let user = facts.user.as_deref().unwrap_or("-");
    let ran = ran(facts);
    format!("{start}  {user}  {ran}")
}

/// The connection id in the name of a log, or the name.
fn id(name: &str) -> &str {
    crate::bucket::id_in(name).unwrap_or(name)
}
