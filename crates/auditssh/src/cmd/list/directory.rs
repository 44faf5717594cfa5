//! The logs and casts of a directory, the newest first.

use super::row::{self, Row};
use anyhow::Context as _;
use auditssh_archive::reader::Casts;
use auditssh_archive::verify;
use auditssh_s3::Aside;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// How many logs are read before their lines are printed.
const PAGE: usize = 64;

/// Prints what is there, a page after the other.
pub(super) fn list(
    directory: &Path,
    print: &mut impl FnMut(&[Row]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let found = newest_first(directory)?;
    if found.is_empty() {
        print(&[])?;
    }
    for page in found.chunks(PAGE) {
        let rows: Vec<Row> = page.iter().filter_map(Found::row).collect();
        print(&rows)?;
    }
    Ok(())
}

/// What a line is about, and why it was set aside, if it was.
struct Found {
    what: What,
    reason: Option<String>,
}

enum What {
    Log(PathBuf),
    Casts(Casts),
    /// A cast that was set aside, by its own name.
    Cast(Casts, String),
}

impl Found {
    const fn new(what: What) -> Self {
        Self { what, reason: None }
    }

    /// What the bucket did not take.
    fn set_aside(aside: Aside) -> Self {
        let what = match Casts::only(&aside.path) {
            Some(cast) => What::Cast(cast, aside.id),
            None => What::Log(aside.path),
        };
        Self {
            what,
            reason: Some(aside.reason),
        }
    }

    fn start(&self) -> Option<i64> {
        match &self.what {
            What::Log(path) => row::start(path),
            What::Casts(casts) | What::Cast(casts, _) => row::casts::start(casts),
        }
    }

    /// The name of a file or an id.
    fn name(&self) -> &OsStr {
        match &self.what {
            What::Log(path) => path.file_name().unwrap_or_default(),
            What::Casts(casts) => casts.id.as_ref(),
            What::Cast(_, name) => name.as_ref(),
        }
    }

    fn row(&self) -> Option<Row> {
        let row = match &self.what {
            What::Log(path) => Row::of(path),
            What::Casts(casts) => Row::of_casts(&casts.id, casts),
            What::Cast(cast, name) => Row::of_casts(name, cast),
        }?;
        Some(match &self.reason {
            Some(reason) => row.set_aside(reason.clone()),
            None => row,
        })
    }
}

fn newest_first(directory: &Path) -> anyhow::Result<Vec<Found>> {
    let unreadable = || format!("cannot read the directory {}", directory.display());
    let logs = verify::logs(directory).with_context(unreadable)?;
    let mut casts = Casts::of(directory).with_context(unreadable)?;
    // A log tells all that casts do.
    let names: HashSet<&OsStr> = logs.iter().filter_map(|path| path.file_name()).collect();
    casts.retain(|casts| !names.contains(OsStr::new(&casts.id)));
    let aside = auditssh_s3::set_aside(directory).with_context(unreadable)?;
    let casts = casts.into_iter().map(What::Casts).map(Found::new);
    let found = logs.into_iter().map(What::Log).map(Found::new);
    let found = found.chain(casts);
    let found = found.chain(aside.into_iter().map(Found::set_aside));
    let mut found: Vec<_> = found.map(|found| (found.start(), found)).collect();
    found.sort_by(|(a, first), (b, second)| (b, second.name()).cmp(&(a, first.name())));
    Ok(found.into_iter().map(|(_, found)| found).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const FIRST: &str = "00000000000000000000000000000001";
    const SECOND: &str = "00000000000000000000000000000002";

    /// The lines of a directory, each as id, start and state.
    fn listed(home: &Path) -> Vec<[String; 3]> {
        let mut found = Vec::new();
        let mut print = |rows: &[Row]| {
            let cells = rows.iter().map(Row::cells);
            found.extend(cells.map(|[start, .., state, id]| [id, start, state]));
            Ok(())
        };
        list(home, &mut print).unwrap();
        found
    }

    fn write_cast(path: &Path, time: u64) {
        fs::write(path, format!("{{\"version\":2,\"timestamp\":{time}}}\n")).unwrap();
    }

    #[test]
    fn casts_are_listed_newest_first() {
        let home = tempfile::tempdir().unwrap();
        write_cast(&home.path().join(format!("{FIRST}.0.cast")), 1_700_000_001);
        write_cast(&home.path().join(format!("{FIRST}.1.cast")), 1_700_000_009);
        write_cast(&home.path().join(format!("{SECOND}.0.cast")), 1_700_000_002);
        let expected = [(SECOND, 2), (FIRST, 1)].map(|(id, second)| {
            [id, &format!("2023-11-14T22:13:2{second}Z"), "cast"].map(str::to_owned)
        });
        assert_eq!(listed(home.path()), expected);
    }

    #[test]
    fn a_log_tells_what_its_casts_do() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(FIRST), "x").unwrap();
        write_cast(&home.path().join(format!("{FIRST}.0.cast")), 1_700_000_001);
        let found = listed(home.path());
        assert_eq!(found.len(), 1);
        assert_ne!(found[0][2], "cast");
    }

    #[test]
    fn a_cast_that_was_set_aside_has_a_line_of_its_own() {
        let home = tempfile::tempdir().unwrap();
        let aside = home.path().join("quarantine");
        fs::create_dir(&aside).unwrap();
        let name = format!("{FIRST}.3.cast");
        write_cast(&aside.join(&name), 1_700_000_001);
        let expected = [name.as_str(), "2023-11-14T22:13:21Z", "quarantined"].map(str::to_owned);
        assert_eq!(listed(home.path()), [expected]);
    }
}
