//! Logs in a bucket, as places on the command line: `s3://BUCKET/KEY`.

mod logs;

use crate::config::Config;
use crate::progress;
use anyhow::Context as _;
use auditssh_archive::{cast_owner, damaged_owner, is_id};
use auditssh_s3::{Bucket, Connection, Credentials, Listed, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

pub(crate) use logs::InBucket;

/// A place in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    name: String,
    /// The key of an object, or what keys begin with.
    pub(crate) key: String,
}

impl Place {
    /// What an argument names, if it is a place in a bucket.
    pub(crate) fn of(argument: &Path) -> Option<Self> {
        let place = argument.to_str()?.strip_prefix("s3://")?;
        let (name, key) = place.split_once('/').unwrap_or((place, ""));
        Some(Self {
            name: name.to_owned(),
            key: key.to_owned(),
        })
    }

    /// The place of an object, as it is shown.
    pub(crate) fn path(&self, key: &str) -> PathBuf {
        format!("s3://{}/{key}", self.name).into()
    }

    /// The bucket, reached as the configuration says.
    pub(crate) fn bucket(&self, config: Option<&Path>) -> anyhow::Result<Bucket> {
        let connection = match config {
            None => usual(),
            Some(file) => {
                let audit = Config::load(file)?.config.audit;
                let buckets: Vec<_> = audit.into_iter().filter_map(|audit| audit.bucket).collect();
                // Several outputs may have one each: the name tells which credentials are meant.
                let same =
                    (buckets.iter()).position(|bucket| bucket.connection.bucket == self.name);
                let bucket = buckets.into_iter().nth(same.unwrap_or_default());
                let bucket = bucket.with_context(|| {
                    format!("{}: it has no `audit.storage: s3`", file.display())
                })?;
                bucket.connection
            }
        };
        anyhow::ensure!(!self.name.is_empty(), "name a bucket: s3://BUCKET/KEY");
        Bucket::new(&connection, &self.name).context("the bucket cannot be read")
    }

    /// Where an output brings its logs.
    pub(crate) fn of_output(settings: &auditssh_s3::Settings) -> Self {
        Self {
            name: settings.connection.bucket.clone(),
            key: settings.template.fixed().to_owned(),
        }
    }

    /// The logs that the place names: the objects whose keys begin with its key and hold a
    /// connection id; and what was set aside beside logs.
    pub(crate) fn logs(&self, bucket: &Bucket) -> anyhow::Result<Found> {
        let mut found = Found::default();
        bucket.list(&self.key, |object| {
            if let Some((log, name)) = beside(&object.key) {
                let names = found.beside.entry(log.to_owned()).or_default();
                names.push(name.to_owned());
            } else if object.key.ends_with(INDEX) {
                found.indexes.insert(object.key);
            } else if let Some(id) = id_in(&object.key) {
                match cast_in(&object.key, id) {
                    Some((connection, channel)) => {
                        let casts = found.casts.entry(connection).or_default();
                        casts.insert(channel, object);
                    }
                    None => found.logs.push(object),
                }
            }
            Ok::<_, StoreError>(())
        })?;
        Ok(found)
    }

    /// Opens an object, with a progress bar if it is large.
    pub(crate) fn open(&self, config: Option<&Path>) -> anyhow::Result<Box<dyn Read>> {
        let bucket = self.bucket(config)?;
        let download = bucket.open(&self.key)?;
        let bar = progress::bar(download.length());
        Ok(Box::new(Opened {
            download: bar.wrap_read(download),
            _bucket: bucket,
        }))
    }
}

/// What a place in a bucket holds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) logs: Vec<Listed>,
    /// The casts, by their keys up to the connection id, and by channel.
    pub(crate) casts: BTreeMap<String, BTreeMap<u64, Listed>>,
    /// What recovery set aside, by the key of the log beside which it did: the ends of keys.
    pub(crate) beside: BTreeMap<String, Vec<String>>,
    /// The keys of indexes.
    pub(crate) indexes: BTreeSet<String>,
}

/// How the key of an index goes on after that of its log.
pub(crate) const INDEX: &str = ".index";

/// The key of a log and how that of an object goes on, if recovery set the object aside.
fn beside(key: &str) -> Option<(&str, &str)> {
    let (log, end) = key.rsplit_once('.')?;
    let id = id_in(log)?;
    damaged_owner(&format!(".{id}.{end}"))?;
    Some((log, end))
}

/// The connection id in the key of an object.
pub(crate) fn id_in(key: &str) -> Option<&str> {
    key.split(|letter: char| !letter.is_ascii_alphanumeric())
        .rfind(|word| is_id(word))
}

/// The key of a cast, which holds this id, up to there, and the channel.
fn cast_in(key: &str, id: &str) -> Option<(String, u64)> {
    let (before, after) = key.rsplit_once(id)?;
    let mut parts = after.split('.').skip(1);
    let channel = parts.next()?;
    (parts.next() == Some("cast")).then_some(())?;
    let name = format!("{id}.{channel}.cast");
    let (_, channel) = cast_owner(&name)?;
    Some((format!("{before}{id}"), channel))
}

/// A download holds the bucket's threads.
struct Opened<R> {
    download: R,
    _bucket: Bucket,
}

impl<R: Read> Read for Opened<R> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        self.download.read(bytes)
    }
}

/// As AWS programs reach a bucket without any settings.
fn usual() -> Connection {
    let endpoint =
        std::env::var("AWS_ENDPOINT_URL_S3").or_else(|_| std::env::var("AWS_ENDPOINT_URL"));
    Connection {
        bucket: String::new(),
        region: None,
        path_style: endpoint.is_ok(),
        endpoint: endpoint.ok(),
        cacert: None,
        credentials: Credentials::Usual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_aside_is_no_log() {
        let id = "0123456789abcdef0123456789abcdef";
        let log = format!("logs/{id}.audit");
        assert_eq!(
            beside(&format!("{log}.damaged7")),
            Some((&*log, "damaged7"))
        );
        for key in [log.as_str(), "logs/x.damaged0", &format!("{id}.damagedx")] {
            assert_eq!(beside(key), None, "{key}");
        }
    }

    #[test]
    fn casts_are_no_logs() {
        let id = "0123456789abcdef0123456789abcdef";
        for (key, expected) in [
            (format!("logs/{id}.0.cast"), Some((format!("logs/{id}"), 0))),
            (format!("{id}.12.cast.old"), Some((id.to_owned(), 12))),
            (format!("{id}.cast"), None),
            (format!("{id}.audit"), None),
            (id.to_owned(), None),
        ] {
            assert_eq!(cast_in(&key, id), expected, "{key}");
        }
    }

    #[test]
    fn a_place_has_a_bucket_and_a_key() {
        let place = |text: &str| Place::of(Path::new(text)).map(|place| (place.name, place.key));
        let wanted = |name: &str, key: &str| Some((name.to_owned(), key.to_owned()));
        assert_eq!(place("s3://logs/a/b"), wanted("logs", "a/b"));
        assert_eq!(place("s3://logs"), wanted("logs", ""));
        assert_eq!(place("logs/a"), None);
    }
}
