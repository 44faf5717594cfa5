use super::filter::When;
use crate::bucket::Place;
use anyhow::Context as _;
use auditssh_archive::reader::LogReader;
use auditssh_log::codec::Decoder;
use std::io::{self, Read};
use std::path::Path;

/// Whether it stands for standard input.
pub(super) fn is_standard(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Where a log is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) file: &'a Path,
    /// Says how to reach a bucket.
    pub(super) config: Option<&'a Path>,
}

/// Opens a log, with what of it stands in tails.
pub(super) fn open(source: &Source<'_>, follow: bool) -> anyhow::Result<Box<dyn Read>> {
    let file = source.file;
    if let Some(place) = Place::of(file) {
        anyhow::ensure!(
            !follow,
            "--follow needs a file: what is in a bucket does not grow"
        );
        return place.open(source.config);
    }
    if is_standard(file) {
        anyhow::ensure!(
            !follow,
            "--follow needs a file: standard input is read to its end anyway"
        );
        return Ok(Box::new(io::stdin().lock()));
    }
    anyhow::ensure!(
        !file.is_dir(),
        "{} is a directory: name one of the logs in it",
        file.display()
    );
    let reader = LogReader::open(file, follow);
    let reader = reader.with_context(|| format!("cannot open {}", file.display()))?;
    Ok(Box::new(reader))
}

/// The Unix time in nanoseconds that is meant. For a duration before the end the log is read once
/// more.
pub(super) fn resolve(when: When, source: &Source<'_>) -> anyhow::Result<i64> {
    let before = match when {
        When::At(time) => return Ok(time),
        When::BeforeEnd(before) => before,
    };
    anyhow::ensure!(
        !is_standard(source.file),
        "a duration before the end needs a file: the end of standard input is not known in advance"
    );
    let messages = Decoder::new(open(source, false)?).map_while(Result::ok);
    let last = messages
        .last()
        .map_or(i64::MAX, |message| message.timestamp);
    Ok(last.saturating_sub(before))
}
