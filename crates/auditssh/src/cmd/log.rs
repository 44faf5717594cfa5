//! The logs that a command is about, and what is to be said of them at the end.

use super::decode::ending::Ending;
use super::decode::input::{self, Input, Source, is_standard};
use crate::bucket::{self, InBucket};
use crate::{cli, progress};
use anyhow::Context as _;
use auditssh_archive::is_id;
use auditssh_log::Message;
use auditssh_log::codec::{DecodeError, Decoder, End, json};
use auditssh_search::{Directory, Place};
use auditssh_view::Visible;
use clap::ValueHint;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};

/// Longest line of JSON, in bytes: the longest message with its bytes as base64, and with room.
const LONGEST_LINE: u64 = 32 << 20;

/// Which logs a command is about.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Which {
    /// The log: a file, the id of a connection in the directory of the logs, s3://BUCKET/KEY, or `-`
    /// for standard input; of a directory or of s3://BUCKET/PREFIX all logs
    #[arg(value_name = "LOG", value_hint = ValueHint::AnyPath)]
    file: PathBuf,
    /// The directory of the logs, where an id is looked for
    #[arg(long, value_name = "DIRECTORY", default_value = "auditssh-data/audit", value_hint = ValueHint::DirPath)]
    directory: PathBuf,
    /// The configuration whose `audit.s3` says how to reach the bucket; without it the usual
    /// sources of AWS programs are asked
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// A log that is read.
pub(crate) struct Log {
    /// Where it is.
    pub(crate) path: PathBuf,
    input: Input,
    length: u64,
}

/// How reading a log ended.
pub(crate) struct Read {
    /// What is wrong with the log.
    pub(crate) error: Option<String>,
    /// Why it has no end, if it need not have one.
    pub(crate) note: Option<&'static str>,
    /// The exit status.
    pub(crate) code: u8,
    /// Whether it is in JSON lines.
    pub(crate) is_json: bool,
    /// Whether the log says that it is closed.
    pub(crate) closed: bool,
}

impl Which {
    /// A log by its place.
    pub(crate) fn new(file: &Path, directory: &Path, config: Option<&Path>) -> Self {
        Self {
            file: file.to_owned(),
            directory: directory.to_owned(),
            config: config.map(Path::to_owned),
        }
    }

    /// Where the log is.
    pub(crate) fn path(&self) -> PathBuf {
        let name = self.file.to_str().unwrap_or_default();
        if is_id(name) && !self.file.exists() {
            return self.directory.join(name);
        }
        self.file.clone()
    }

    /// The same, but for where the log is.
    pub(crate) fn at(&self, path: &Path) -> Self {
        Self {
            file: path.to_owned(),
            ..self.clone()
        }
    }

    /// Whether the log is a stream or in a bucket, and cannot be read twice for nothing.
    pub(crate) fn is_stream(&self) -> bool {
        let is_regular = self.path().metadata().is_ok_and(|status| status.is_file());
        is_standard(&self.file) || bucket::Place::of(&self.file).is_some() || !is_regular
    }

    /// Where the logs are, if several are meant.
    pub(crate) fn place(&self) -> anyhow::Result<Option<Box<dyn Place>>> {
        if let Some(place) = bucket::Place::of(&self.file) {
            let is_one = bucket::id_in(&place.key).is_some();
            let several = || InBucket::new(place, self.config.as_deref());
            let several = (!is_one).then(several).transpose()?;
            return Ok(several.map(|bucket| Box::new(bucket) as Box<dyn Place>));
        }
        let path = self.path();
        let is_one = is_standard(&self.file) || !path.is_dir();
        Ok((!is_one).then(|| Box::new(Directory::new(path)) as Box<dyn Place>))
    }

    /// The logs of a place, each by itself, the one that was changed last at the end.
    pub(crate) fn each(&self, place: &dyn Place) -> anyhow::Result<Vec<Self>> {
        let whole = self.path().display().to_string();
        let mut logs = place.list().with_context(|| whole.clone())?;
        anyhow::ensure!(!logs.is_empty(), "{whole}: no log is there");
        logs.sort_by(|a, b| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
        let logs = logs.iter();
        let one = |name| self.at(Path::new(&place.path(name)));
        Ok(logs.map(|log| one(&log.name)).collect())
    }

    /// What the log is called: its connection's id or, if it has none in its name, its name.
    pub(crate) fn name(&self) -> String {
        let path = self.path();
        let text = path.to_string_lossy();
        let id = bucket::Place::of(&path).and_then(|_| bucket::id_in(&text).map(str::to_owned));
        let name = || path.file_name().unwrap_or_default().to_string_lossy();
        id.unwrap_or_else(|| name().into_owned())
    }

    /// Opens the log.
    pub(crate) fn open(&self) -> anyhow::Result<Log> {
        self.opened(false)
    }

    /// Opens the log, to be read as it is written if that is wanted.
    pub(crate) fn opened(&self, follow: bool) -> anyhow::Result<Log> {
        let path = self.path();
        let source = Source {
            file: &path,
            config: self.config.as_deref(),
        };
        let input = input::open(&source, follow)?;
        let length = match &input {
            // Nobody knows how long it will be.
            _ if follow => 0,
            Input::Log(..) => path.metadata().map_or(0, |status| status.len()),
            // A download has a bar of its own, and nothing is known of a stream.
            Input::Standard(_) | Input::Object(_) => 0,
        };
        Ok(Log {
            path,
            input,
            length,
        })
    }
}

impl Log {
    /// The bytes of the log.
    pub(super) fn into_input(self) -> Input {
        self.input
    }

    /// Gives every message, in order. The log may be one of either version, or JSON lines.
    pub(crate) fn read(
        mut self,
        mut each: impl FnMut(&Message) -> anyhow::Result<()>,
    ) -> anyhow::Result<Read> {
        let bar = progress::bar(self.length);
        let mut reader = BufReader::with_capacity(64 << 10, bar.wrap_read(&mut self.input));
        let begins = reader.fill_buf().map(|bytes| bytes.first() == Some(&b'{'));
        let is_json = begins.with_context(|| self.path.display().to_string())?;
        let read = if is_json {
            lines(reader, &mut each)
        } else {
            let mut decoder = Decoder::new(reader);
            let mut error = None;
            for message in &mut decoder {
                match message {
                    Ok(message) => each(&message)?,
                    Err(DecodeError::Read { offset, source }) => {
                        let place = format!("{}: at offset {offset}", self.path.display());
                        return Err(anyhow::Error::from(source).context(place));
                    }
                    Err(wrong) => error = Some(wrong.to_string()),
                }
            }
            let (end, offset) = (decoder.end(), decoder.offset());
            drop(decoder);
            let ending = Ending::of(end, offset, &self.input);
            Ok(Read {
                error: error.or(ending.error),
                note: ending.note,
                is_json,
                code: ending.code,
                closed: matches!(end, Some(End::Complete | End::Recovered)),
            })
        };
        bar.finish_and_clear();
        read.with_context(|| self.path.display().to_string())
    }
}

impl Read {
    /// Says on standard error what is wrong with the log.
    pub(crate) fn tell(&self) -> io::Result<()> {
        for text in self.error.as_deref().into_iter().chain(self.note) {
            writeln!(io::stderr(), "auditssh: {}", Visible(text.as_bytes()))?;
        }
        Ok(())
    }
}

/// Does something with each log. One that cannot be read is told of, and the others are gone through
/// all the same; one that is gone was brought elsewhere. Returns the worst exit status.
pub(crate) fn all(
    logs: &[Which],
    mut each: impl FnMut(&Which) -> anyhow::Result<u8>,
) -> anyhow::Result<u8> {
    let mut worst = cli::OK;
    for log in logs {
        let code = match each(log) {
            Ok(code) => code,
            Err(error) if is_of_output(&error) => return Err(error),
            Err(error) if is_gone(&error) && !log.path().exists() => cli::OK,
            Err(error) => {
                let text = format!("{error:#}");
                writeln!(io::stderr(), "auditssh: {}", Visible(text.as_bytes()))?;
                cli::FAILURE
            }
        };
        worst = worst.max(code);
    }
    Ok(worst)
}

/// Whether nobody takes what is written any more, or there is no room for it.
fn is_of_output(error: &anyhow::Error) -> bool {
    let kinds = [io::ErrorKind::BrokenPipe, io::ErrorKind::StorageFull];
    causes(error).any(|cause| kinds.contains(&cause.kind()))
}

fn is_gone(error: &anyhow::Error) -> bool {
    causes(error).any(|cause| cause.kind() == io::ErrorKind::NotFound)
}

fn causes(error: &anyhow::Error) -> impl Iterator<Item = &io::Error> {
    let causes = error.chain();
    causes.filter_map(|cause| cause.downcast_ref::<io::Error>())
}

/// Reads JSON lines, as `decode` writes them.
fn lines(
    mut reader: impl BufRead,
    each: &mut impl FnMut(&Message) -> anyhow::Result<()>,
) -> anyhow::Result<Read> {
    let mut line = Vec::new();
    let mut number = 0_u64;
    let mut closed = false;
    let wrong = loop {
        line.clear();
        number += 1;
        let mut limited = io::Read::take(&mut reader, LONGEST_LINE);
        if limited.read_until(b'\n', &mut line)? == 0 {
            break None;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match json::read(&line) {
            Ok(message) => {
                closed = message.event == auditssh_log::Event::Disconnect;
                each(&message)?;
            }
            Err(error) => break Some(format!("line {number}: {error}")),
        }
    };
    Ok(Read {
        code: if wrong.is_some() {
            cli::DAMAGED
        } else {
            cli::OK
        },
        error: wrong,
        note: None,
        is_json: true,
        closed,
    })
}
