//! Where several logs are: directories, files, buckets, standard input.

use super::decode::input::is_standard;
use super::log::Which;
use crate::bucket::{self, InBucket};
use anyhow::Context as _;
use auditssh_archive::is_id;
use auditssh_log::codec::{Format, HEADER_LENGTH};
use auditssh_search::{Directory, Place};
use clap::ValueHint;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Which logs a command is about.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Where {
    /// Where the logs are: directories, files, ids of connections in the directory of the logs,
    /// s3://BUCKET/PREFIX, or `-` for a log on standard input; left out, the directory of the logs
    #[arg(value_name = "WHERE", value_hint = ValueHint::AnyPath)]
    places: Vec<PathBuf>,
    /// The directory of the logs
    #[arg(long, value_name = "DIRECTORY", default_value = "auditssh-data/audit", value_hint = ValueHint::DirPath)]
    directory: PathBuf,
    /// The configuration whose `audit.s3` says how to reach the bucket; without it the usual
    /// sources of AWS programs are asked
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// A place that was named.
pub(crate) enum Named {
    /// Logs that may have indexes.
    Logs(Box<dyn Place>),
    /// One log that is read as it comes.
    Stream(Which),
}

impl Where {
    /// The places, in their order.
    pub(crate) fn places(&self) -> anyhow::Result<Vec<Named>> {
        if self.places.is_empty() {
            return Ok(vec![self.place(&self.directory)?]);
        }
        self.places.iter().map(|path| self.place(path)).collect()
    }

    /// Whether one log is meant.
    pub(crate) fn is_one(&self) -> bool {
        let is_one = |path: &PathBuf| bucket::Place::of(path).is_none() && !path.is_dir();
        matches!(self.places.as_slice(), [path] if is_one(path))
    }

    fn place(&self, path: &Path) -> anyhow::Result<Named> {
        let config = self.config.as_deref();
        if let Some(place) = bucket::Place::of(path) {
            return Ok(Named::Logs(Box::new(InBucket::new(place, config)?)));
        }
        if is_standard(path) {
            return Ok(Named::Stream(self.stream(path)));
        }
        let is_missing = path.symlink_metadata().is_err();
        let path = match path.to_str() {
            Some(id) if is_missing && is_id(id) => &self.directory.join(id),
            _ => path,
        };
        let status = path.metadata();
        let status = status.with_context(|| format!("cannot open {}", path.display()))?;
        if status.is_dir() {
            return Ok(Named::Logs(Box::new(Directory::new(path))));
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let is_log = |name: &&str| status.is_file() && (is_id(name) || begins_as_log(path));
        match name.filter(is_log) {
            Some(name) => {
                let directory = match path.parent() {
                    Some(parent) if parent != Path::new("") => parent,
                    _ => Path::new("."),
                };
                let only = Directory::only(directory, [name.to_owned()]);
                Ok(Named::Logs(Box::new(only)))
            }
            None => Ok(Named::Stream(self.stream(path))),
        }
    }

    fn stream(&self, path: &Path) -> Which {
        Which::new(path, &self.directory, self.config.as_deref())
    }
}

fn begins_as_log(path: &Path) -> bool {
    let mut header = [0; HEADER_LENGTH];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && Format::from_header(&header).is_ok()
}
