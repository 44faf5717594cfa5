use super::filter::When;
use crate::bucket::Place;
use anyhow::Context as _;
use auditssh_archive::reader::LogReader;
use auditssh_archive::verify::is_written;
use auditssh_log::codec::Decoder;
use std::io::{self, Read, StdinLock};
use std::path::{Path, PathBuf};

/// Whether it stands for standard input.
pub(in crate::cmd) fn is_standard(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Where a log is.
#[derive(Clone, Copy, Debug)]
pub(in crate::cmd) struct Source<'a> {
    pub(in crate::cmd) file: &'a Path,
    /// Says how to reach a bucket.
    pub(in crate::cmd) config: Option<&'a Path>,
}

/// What is decoded.
pub(in crate::cmd) enum Input {
    Standard(StdinLock<'static>),
    Log(Box<LogReader>, PathBuf),
    Object(Box<dyn Read>),
}

/// Why a log has no end although nothing of it is cut in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cmd) enum NoEnd {
    /// A live server writes it.
    Written,
    /// Its tails are there, its server is not.
    Left,
    /// It is ours, no one writes it, and it is not recovered: its end was cut off.
    Cut,
    /// That cannot be told of a log without members.
    Unknown,
}

impl Input {
    /// To be asked when everything was read.
    pub(in crate::cmd) fn why_no_end(&self) -> NoEnd {
        match self {
            Self::Log(reader, path) if reader.has_tails() => match is_written(path) {
                Ok(true) => NoEnd::Written,
                _ => NoEnd::Left,
            },
            Self::Log(reader, _) if reader.members() > 0 => NoEnd::Cut,
            _ => NoEnd::Unknown,
        }
    }
}

impl Read for Input {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Standard(input) => input.read(bytes),
            Self::Log(reader, _) => reader.read(bytes),
            Self::Object(download) => download.read(bytes),
        }
    }
}

/// Opens a log, with what of it stands in tails.
pub(in crate::cmd) fn open(source: &Source<'_>, follow: bool) -> anyhow::Result<Input> {
    let file = source.file;
    if let Some(place) = Place::of(file) {
        anyhow::ensure!(
            !follow,
            "--follow needs a file: what is in a bucket does not grow"
        );
        return Ok(Input::Object(place.open(source.config)?));
    }
    if is_standard(file) {
        anyhow::ensure!(
            !follow,
            "--follow needs a file: standard input is read to its end anyway"
        );
        return Ok(Input::Standard(io::stdin().lock()));
    }
    anyhow::ensure!(
        !file.is_dir(),
        "{} is a directory: name one of the logs in it",
        file.display()
    );
    let reader = LogReader::open(file, follow);
    let reader = reader.with_context(|| format!("cannot open {}", file.display()))?;
    Ok(Input::Log(Box::new(reader), file.to_owned()))
}

/// The Unix time in nanoseconds that is meant. For a duration before the end the log is read once
/// more.
pub(in crate::cmd) fn resolve(when: When, source: &Source<'_>) -> anyhow::Result<i64> {
    let before = match when {
        When::At(time) => return Ok(time),
        When::BeforeEnd(before) => before,
    };
    let file = source.file;
    let is_pipe = file.metadata().is_ok_and(|status| !status.is_file());
    anyhow::ensure!(
        !is_standard(file) && !is_pipe,
        "a duration before the end needs a file: the end of a stream is not known in advance"
    );
    let messages = Decoder::new(open(source, false)?).map_while(Result::ok);
    // Only the time is kept: two of the longest messages at once would be too many.
    let last = messages.map(|message| message.timestamp).last();
    let last = last.unwrap_or(i64::MAX);
    Ok(last.saturating_sub(before))
}
