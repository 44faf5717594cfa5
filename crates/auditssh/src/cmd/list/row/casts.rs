//! The line of a connection that has casts and no log.

use super::Row;
use auditssh_archive::reader::Casts;
use auditssh_view::cast::Facts;
use std::io::{self, BufReader, Read};

/// The state of casts that are complete: there is nothing to check.
const COMPLETE: &str = "cast";

/// When the connection began, as the first of its casts says.
pub(in crate::cmd::list) fn start(casts: &Casts) -> Option<i64> {
    let mut start = None;
    let read = casts.each(|_, cast| {
        let facts = Facts::of_header(&mut BufReader::new(cast))?;
        start = facts.and_then(|facts| match facts.origin {
            Some(origin) => Some(origin.begun),
            None => facts.start,
        });
        Ok(false)
    });
    read.ok().and(start)
}

impl Row {
    /// Reads the casts of a connection; `None` if they are gone.
    pub(in crate::cmd::list) fn of_casts(name: &str, casts: &Casts) -> Option<Self> {
        let mut row = Self::of_no_casts(name, casts.size());
        row.damaged.clone_from(&casts.damaged);
        if casts.tails {
            row.state = match casts.is_written() {
                Ok(true) => "open",
                Ok(false) => "cut",
                Err(_) => "unchecked",
            };
        }
        let read = casts.each(|channel, cast| row.add(channel, cast).and(Ok(true)));
        if read.is_err() {
            row.state = "unchecked";
        }
        let gone = row.state == COMPLETE && row.summary.program_count == 0;
        (!gone || !row.damaged.is_empty()).then_some(row)
    }

    /// A line for casts that [`Row::add`] adds.
    pub(in crate::cmd::list) fn of_no_casts(name: &str, size: u64) -> Self {
        Self {
            is_cast: true,
            state: COMPLETE,
            ..Self::new(name.as_bytes(), size)
        }
    }

    /// Reads the cast of a channel.
    pub(in crate::cmd::list) fn add(&mut self, channel: u64, cast: impl Read) -> io::Result<()> {
        match Facts::read(&mut BufReader::new(cast))? {
            Some(facts) => self.summary.push_cast(channel, &facts),
            // Of one that is being written not even the header may be there.
            None if self.state == COMPLETE => self.state = "unchecked",
            None => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::fs;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn header(version: u8, time: u64, more: &str) -> String {
        format!("{{\"version\":{version},\"timestamp\":{time}{more}}}\n")
    }

    /// The line of what a directory holds.
    fn row(files: &[(&str, &str)]) -> Row {
        let home = tempfile::tempdir().unwrap();
        for (end, content) in files {
            fs::write(home.path().join(format!("{ID}{end}")), content).unwrap();
        }
        let mut found = Casts::of(home.path()).unwrap();
        let casts = found.remove(0);
        assert!(found.is_empty());
        Row::of_casts(&casts.id, &casts).unwrap()
    }

    #[test]
    fn all_casts_of_a_connection_are_one_line() {
        let origin =
            ",\"command\":\"make\",\"auditssh\":{\"connected\":1700000000,\"username\":\"alice\"}";
        let first = header(3, 1_700_000_010, origin) + "[2.0,\"o\",\"x\"]\n[0.5,\"x\",\"2\"]\n";
        let second = header(3, 1_700_000_001, "") + "[1.0,\"o\",\"x\"]\n";
        let row = row(&[(".0.cast", &first), (".12.cast", &second)]);
        let size = (first.len() + second.len()).to_string();
        let expected = [
            "2023-11-14T22:13:20Z",
            "12s",
            "alice",
            "-",
            "-",
            "make (+1)",
            "2",
            &size,
            "cast",
            ID,
        ];
        assert_eq!(row.cells(), expected);
    }

    #[test]
    fn what_casts_do_not_count_is_null() {
        let cast = header(2, 1_700_000_000, "") + "[1.5,\"o\",\"x\"]\n";
        let row = row(&[(".0.cast", &cast)]);
        let mut json = row.json();
        let object = json.as_object_mut().unwrap();
        object.retain(|_, value| !value.is_null());
        let expected = json!({
            "id": ID,
            "format": "asciinema",
            "start": "2023-11-14T22:13:20.000000000Z",
            "durationNanoseconds": 1_500_000_000,
            "authenticated": false,
            "ran": ["(shell)"],
            "programs": 1,
            "partial": false,
            "size": cast.len(),
            "state": "cast",
            "setAside": [],
        });
        assert_eq!(json, expected);
        assert_eq!(row.json().get("messages"), Some(&Value::Null));
    }

    #[test]
    fn what_is_named_like_a_cast_and_is_none_is_unchecked() {
        assert_eq!(row(&[(".0.cast", "x\n")]).state, "unchecked");
    }
}
