//! `audit`.

use super::report::Report;
use super::s3;
use crate::config::at::At;
use crate::config::bounds;
use crate::config::raw::{self, Format, OnFailure, Stdin, Storage};
use auditssh_archive::key;
use auditssh_log::policy::{self, Intercept};
use auditssh_log::seal::SigningKey;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// What is recorded and where, checked.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    /// `Audit` or `Binary`.
    pub(crate) format: Format,
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

/// `None` if nothing is kept.
pub(super) fn check(raw: &raw::Audit, report: &mut Report) -> Option<Audit> {
    let storage = storage(raw, report);
    let intervals = intervals(raw, report);
    if let Some(s3) = &raw.s3 {
        s3::check_bounds(&s3.value, report);
    }
    if !raw.enable || raw.format.value == Format::None || storage == Storage::None {
        let reason = match (raw.enable, raw.format.value) {
            (false, _) => "`audit.enable` is false",
            (true, Format::None) => "`audit.format` is none",
            _ => "`audit.storage` is none",
        };
        report.warn_of_file(format!("nothing is recorded: {reason}"));
        return None;
    }
    if raw.format.value == Format::Asciinema {
        report.fault(
            &raw.format,
            "asciinema is not in this version; use audit and convert later",
        );
    }
    let intercept = intercept(&raw.intercept);
    if intercept == Intercept::default() {
        report.warn(
            &raw.format,
            "every `audit.intercept` is off: of sessions only logins, requests and exit statuses \
             are recorded",
        );
    }
    let bucket = (storage == Storage::S3).then(|| s3::check(raw, report));
    let bucket = bucket.flatten();
    let directory = match (&bucket, storage) {
        (Some(bucket), _) => Directory {
            path: bucket.local.clone(),
            group: None,
            allow_insecure: (raw.s3.as_ref()).is_some_and(|s3| s3.value.allow_insecure_directory),
        },
        (None, Storage::S3) => return None, // what is wrong was reported
        (None, _) => directory(&raw.file, report),
    };
    Some(Audit {
        format: raw.format.value,
        intercept,
        directory,
        bucket,
        durability: intervals.0,
        seal_interval: intervals.1,
        on_failure: raw.on_failure,
        index: raw.index && storage == Storage::File,
        signing_key: raw
            .signing_key
            .as_ref()
            .and_then(|file| signing_key(file, report)),
    })
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
fn storage(raw: &raw::Audit, report: &mut Report) -> Storage {
    if let (Some(storage), Some(alias)) = (&raw.storage, &raw.storage_alias)
        && storage.value != alias.value
    {
        report.fault(
            alias,
            "`type` and `storage` are two names of one setting but differ; remove one of them",
        );
    }
    let Some(given) = raw.storage.as_ref().or(raw.storage_alias.as_ref()) else {
        return Storage::None;
    };
    given.value
}

fn intervals(raw: &raw::Audit, report: &mut Report) -> (Durability, Duration) {
    let sync = report.within(&raw.sync_interval, bounds::SYNC_INTERVAL);
    let seal = report.within(&raw.seal_interval, bounds::SEAL_INTERVAL);
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
    }
}
