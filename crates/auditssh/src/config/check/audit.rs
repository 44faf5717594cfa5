//! `audit`.

use super::report::Report;
use super::s3;
use crate::config::at::At;
use crate::config::bounds;
use crate::config::duration::Span;
use crate::config::raw::{self, Asciinema, Format, OnFailure, S3, Stdin, Storage};
use auditssh_archive::key;
use auditssh_log::policy::{self, Intercept};
use auditssh_log::seal::SigningKey;
use auditssh_view::cast::Version;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// What one output records and where, checked.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    /// All but `None`.
    pub(crate) format: Format,
    /// Of casts.
    pub(crate) version: Version,
    pub(crate) intercept: Intercept,
    pub(crate) directory: Directory,
    /// Where logs go from there: `storage: s3`.
    pub(crate) bucket: Option<auditssh_s3::Settings>,
    pub(crate) durability: Durability,
    pub(crate) seal_interval: Duration,
    pub(crate) on_failure: OnFailure,
    /// Signs the end of each log.
    pub(crate) signing_key: Option<SigningKey>,
    /// Whether indexes are made of logs that stay in the directory.
    pub(crate) index: bool,
}

/// Where logs are kept.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    pub(crate) group: Option<String>,
    pub(crate) allow_insecure: bool,
}

/// When an event counts as recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    None,
    Interval(Duration),
    Always,
}

/// What is written of one output: the block itself, or an entry of `outputs`.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) format: &'a At<Format>,
    pub(super) storage: Option<&'a At<Storage>>,
    pub(super) storage_alias: Option<&'a At<Storage>>,
    pub(super) intercept: &'a raw::Intercept,
    pub(super) file: &'a raw::File,
    pub(super) s3: Option<&'a At<S3>>,
    pub(super) sync: raw::Sync,
    pub(super) sync_interval: &'a At<Span>,
    pub(super) seal_interval: &'a At<Span>,
    pub(super) on_failure: OnFailure,
    pub(super) index: bool,
    pub(super) signing_key: Option<&'a At<String>>,
    pub(super) asciinema: &'a Asciinema,
}

macro_rules! written {
    ($raw:expr) => {
        Written {
            format: &$raw.format,
            storage: $raw.storage.as_ref(),
            storage_alias: $raw.storage_alias.as_ref(),
            intercept: &$raw.intercept,
            file: &$raw.file,
            s3: $raw.s3.as_ref(),
            sync: $raw.sync,
            sync_interval: &$raw.sync_interval,
            seal_interval: &$raw.seal_interval,
            on_failure: $raw.on_failure,
            index: $raw.index,
            signing_key: $raw.signing_key.as_ref(),
            asciinema: &$raw.asciinema,
        }
    };
}

/// The outputs: none if nothing is kept, one that the block itself describes, or several.
pub(super) fn check(raw: &raw::Audit, report: &mut Report) -> Vec<Audit> {
    let Some(outputs) = &raw.outputs else {
        return one(written!(raw), raw.enable, report).into_iter().collect();
    };
    for key in report.keys("audit") {
        if key.value != "enable" && key.value != "outputs" {
            report.fault(
                &key,
                "stands beside `outputs`: what it is to be is said in each output; move it there",
            );
        }
    }
    if outputs.value.is_empty() && raw.enable {
        report.fault(
            outputs,
            "`outputs` is empty: name one, or leave the key out",
        );
    }
    let mut found: Vec<Audit> = Vec::new();
    for output in &outputs.value {
        let written = written!(output.value);
        let storage = storage(written, report);
        if output.value.format.value == Format::None || storage == Storage::None {
            report.fault(
                output,
                "keeps nothing: give it a `format` and a `storage`, or remove it",
            );
            continue;
        }
        let Some(audit) = one(written, raw.enable, report) else {
            continue;
        };
        if found
            .iter()
            .any(|other| other.directory.path == audit.directory.path)
        {
            report.fault(
                output,
                format!(
                    "writes to {} as an output before it does: give each a directory of its own",
                    audit.directory.path.display()
                ),
            );
        }
        if found.iter().any(|other| other.meets(&audit)) {
            report.fault(
                output,
                "brings logs to the same places of a bucket as an output before it: give each a \
                 `prefix` of its own",
            );
        }
        found.push(audit);
    }
    found
}

impl Audit {
    /// The output whose logs are shown: one that consists of messages, and best one that keeps them.
    pub(crate) fn shown(outputs: &[Self]) -> Option<&Self> {
        let logs = outputs
            .iter()
            .filter(|audit| audit.format != Format::Asciinema);
        logs.min_by_key(|audit| audit.bucket.is_some())
    }

    /// Whether the objects of two outputs would have the same keys.
    fn meets(&self, other: &Self) -> bool {
        let (Some(one), Some(two)) = (&self.bucket, &other.bucket) else {
            return false;
        };
        let casts = |audit: &Self| audit.format == Format::Asciinema;
        casts(self) == casts(other)
            && one.connection.bucket == two.connection.bucket
            && one.connection.endpoint == two.connection.endpoint
            && one.template == two.template
    }
}

/// `None` if nothing is kept.
fn one(raw: Written<'_>, enable: bool, report: &mut Report) -> Option<Audit> {
    let storage = storage(raw, report);
    let intervals = intervals(raw, report);
    if let Some(s3) = raw.s3 {
        s3::check_bounds(&s3.value, report);
    }
    let version = version(&raw.asciinema.version, report);
    if !enable || raw.format.value == Format::None || storage == Storage::None {
        let reason = match (enable, raw.format.value) {
            (false, _) => "`audit.enable` is false",
            (true, Format::None) => "`audit.format` is none",
            _ => "`audit.storage` is none",
        };
        report.warn_of_file(format!("nothing is recorded: {reason}"));
        return None;
    }
    let intercept = intercept(raw.intercept);
    check_intercept(raw, intercept, report);
    let bucket = (storage == Storage::S3).then(|| s3::check(raw, report));
    let bucket = bucket.flatten();
    let directory = match (&bucket, storage) {
        (Some(bucket), _) => Directory {
            path: bucket.local.clone(),
            group: None,
            allow_insecure: raw.s3.is_some_and(|s3| s3.value.allow_insecure_directory),
        },
        (None, Storage::S3) => return None, // what is wrong was reported
        (None, _) => directory(raw.file, report),
    };
    if let Some(key) = raw
        .signing_key
        .filter(|_| raw.format.value == Format::Asciinema)
    {
        report.fault(
            key,
            "casts have no seal that could be signed: remove `signingKey`, or sign an output of \
             format audit beside them",
        );
    }
    Some(Audit {
        format: raw.format.value,
        version,
        intercept,
        directory,
        bucket,
        durability: intervals.0,
        seal_interval: intervals.1,
        on_failure: raw.on_failure,
        index: raw.index && storage == Storage::File && raw.format.value != Format::Asciinema,
        signing_key: raw.signing_key.and_then(|file| signing_key(file, report)),
    })
}

fn version(version: &At<u16>, report: &mut Report) -> Version {
    match report.within(version, bounds::CAST_VERSION) {
        3 => Version::Three,
        _ => Version::Two,
    }
}

fn check_intercept(raw: Written<'_>, intercept: Intercept, report: &mut Report) {
    let casts = raw.format.value == Format::Asciinema;
    if casts && intercept.files {
        report.warn(
            raw.format,
            "`audit.intercept.files` is on, but casts have no place for it: set it in an output of \
             format audit beside them",
        );
    }
    if casts && !intercept.stdout && !intercept.stderr {
        report.warn(
            raw.format,
            "`audit.intercept.stdout` and `stderr` are off: casts show nothing",
        );
    } else if intercept == Intercept::default() {
        report.warn(
            raw.format,
            "every `audit.intercept` is off: of sessions only logins, requests and exit statuses \
             are recorded",
        );
    }
}

fn directory(raw: &raw::File, report: &mut Report) -> Directory {
    if raw.directory.value.is_empty() {
        report.fault(&raw.directory, "`directory` is empty: give a path");
    }
    Directory {
        path: (&raw.directory.value).into(),
        group: raw.group.as_ref().map(|group| group.value.clone()),
        allow_insecure: raw.allow_insecure_directory,
    }
}

fn signing_key(file: &At<String>, report: &mut Report) -> Option<SigningKey> {
    let path = &file.value;
    let text = match std::fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) => {
            report.fault(file, format!("{path}: {error}"));
            return None;
        }
    };
    let open = std::fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o077 != 0);
    if open {
        report.fault(
            file,
            format!("{path}: others may read the key that signs logs; `chmod 0600` it"),
        );
    }
    key::signing_key(&text)
        .map_err(|error| report.fault(file, format!("{path}: {error}")))
        .ok()
}

/// `storage`, or `type`, its other name.
fn storage(raw: Written<'_>, report: &mut Report) -> Storage {
    if let (Some(storage), Some(alias)) = (raw.storage, raw.storage_alias)
        && storage.value != alias.value
    {
        report.fault(
            alias,
            "`type` and `storage` are two names of one setting but differ; remove one of them",
        );
    }
    let Some(given) = raw.storage.or(raw.storage_alias) else {
        return Storage::None;
    };
    given.value
}

fn intervals(raw: Written<'_>, report: &mut Report) -> (Durability, Duration) {
    let sync = report.within(raw.sync_interval, bounds::SYNC_INTERVAL);
    let seal = report.within(raw.seal_interval, bounds::SEAL_INTERVAL);
    let durability = match raw.sync {
        raw::Sync::None => Durability::None,
        raw::Sync::Interval => Durability::Interval(sync.into()),
        raw::Sync::Always => Durability::Always,
    };
    (durability, seal.into())
}

fn intercept(raw: &raw::Intercept) -> Intercept {
    Intercept {
        stdin: match raw.stdin {
            Stdin::No => policy::Stdin::No,
            Stdin::Yes => policy::Stdin::Yes,
            Stdin::Echoed => policy::Stdin::Echoed,
        },
        stdout: raw.stdout,
        stderr: raw.stderr,
        passwords: raw.passwords,
        forwarding: raw.forwarding,
        files: raw.files,
    }
}
