//! `audit.s3`.

use super::audit::Written;
use super::report::Report;
use crate::config::at::At;
use crate::config::bounds;
use crate::config::raw::{self, Checksum, Format, LockMode, S3};
use crate::config::secret::Secret;
use auditssh_s3 as s3;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use zeroize::Zeroizing;

/// The canned lists that may be given to an object.
const ACLS: [&str; 7] = [
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
];

/// What AWS takes: this many tags of so many characters.
const TAGS: usize = 10;
const TAG_NAME: usize = 128;
const TAG_VALUE: usize = 256;

/// `None` if something is wrong, which is reported.
pub(super) fn check(raw: Written<'_>, report: &mut Report) -> Option<s3::Settings> {
    let faults = report.faults.len();
    let Some(at) = raw.s3 else {
        let storage = raw.storage.or(raw.storage_alias)?;
        report.fault(
            storage,
            "s3 needs the block `audit.s3`, at least with a `bucket`",
        );
        return None;
    };
    let s3 = &at.value;
    if s3.local.value.is_empty() {
        report.fault(&s3.local, "`local` is empty: give a path");
    }
    if s3.bucket.value.is_empty() {
        report.fault(at, "`s3`: `bucket` is missing: name a bucket that exists");
    }
    let connection = connection(at, report);
    let objects = objects(s3, raw.format.value == Format::Asciinema, report);
    let template = s3::Template::parse(&s3.prefix.value)
        .map_err(|error| report.fault(&s3.prefix, format!("`prefix`: {error}")))
        .ok();
    if report.faults.len() > faults {
        return None;
    }
    Some(s3::Settings {
        local: (&s3.local.value).into(),
        connection,
        objects,
        template: template?,
        metadata: s3::Metadata {
            username: s3.metadata.username,
            ip: s3.metadata.ip,
        },
        part_size: usize::from(s3.upload_part_size.value) as u64,
        parallel: s3.parallel_uploads.value as usize,
        shutdown: s3.shutdown_timeout.value.into(),
        synced: raw.sync != raw::Sync::None,
    })
}

/// What holds even of a block that is not used.
pub(super) fn check_bounds(s3: &S3, report: &mut Report) {
    report.within(&s3.upload_part_size, bounds::UPLOAD_PART_SIZE);
    report.within(&s3.parallel_uploads, bounds::PARALLEL_UPLOADS);
    report.within(&s3.shutdown_timeout, bounds::SHUTDOWN_TIMEOUT);
    report.within(&s3.object_lock.days, bounds::RETAINED_DAYS);
}

fn connection(at: &At<S3>, report: &mut Report) -> s3::Connection {
    let s3 = &at.value;
    let bucket = &s3.bucket.value;
    let letters = |letter: u8| letter.is_ascii_alphanumeric() || b".-_".contains(&letter);
    let fits = (3..=255).contains(&bucket.len()) && bucket.bytes().all(letters);
    if !bucket.is_empty() && !fits {
        report.fault(
            &s3.bucket,
            "`bucket` is not the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens",
        );
    }
    let endpoint = &s3.endpoint.value;
    if !endpoint.is_empty() {
        check_endpoint(&s3.endpoint, report);
    }
    let cacert = &s3.cacert.value;
    if !cacert.is_empty()
        && let Err(error) = s3::check_certificates(cacert)
    {
        report.fault(
            &s3.cacert,
            format!(
                "`cacert` holds no certificates ({error}); give the PEM text, not a file's name"
            ),
        );
    }
    s3::Connection {
        bucket: bucket.clone(),
        region: given(&s3.region),
        endpoint: given(&s3.endpoint),
        path_style: s3.path_style_access.unwrap_or(!endpoint.is_empty()),
        cacert: given(&s3.cacert),
        credentials: credentials(at, report),
    }
}

fn check_endpoint(endpoint: &At<String>, report: &mut Report) {
    let text = &endpoint.value;
    let host = (text.strip_prefix("https://")).or_else(|| text.strip_prefix("http://"));
    // What is before an @ may be a password: the text is not repeated.
    let plain = |host: &str| !host.is_empty() && !host.contains(['@', '?', '#', ' ', '\\']);
    if !host.is_some_and(plain) {
        report.fault(
            endpoint,
            "`endpoint` must be a URL such as https://s3.example.com:9000, without name and password",
        );
    } else if text.starts_with("http://") && !is_loopback(host.unwrap_or_default()) {
        report.warn(
            endpoint,
            "`endpoint` is not encrypted: logs pass the network in clear; use https",
        );
    }
}

fn is_loopback(host: &str) -> bool {
    ["localhost", "127.", "[::1]"]
        .iter()
        .any(|own| host.starts_with(own))
}

fn credentials(at: &At<S3>, report: &mut Report) -> s3::Credentials {
    let s3 = &at.value;
    let secret = one_of(
        "secretKey",
        s3.secret_key.as_ref(),
        s3.secret_key_file.as_ref(),
        report,
    );
    let token = one_of(
        "sessionToken",
        s3.session_token.as_ref(),
        s3.session_token_file.as_ref(),
        report,
    );
    let access = &s3.access_key.value;
    if access.is_empty() {
        if secret.is_some() || token.is_some() {
            report.fault(
                at,
                "`s3`: `accessKey` is missing: a secret key or a session token is given without it",
            );
        }
        return s3::Credentials::Usual;
    }
    let environment = || {
        let text = std::env::var("AWS_SECRET_ACCESS_KEY").ok()?;
        Some(s3::Secret::Text(Zeroizing::new(text)))
    };
    let Some(secret) = secret.or_else(environment) else {
        report.fault(
            &s3.access_key,
            "`accessKey` is given without its secret; set `secretKeyFile`, `secretKey`, or \
             AWS_SECRET_ACCESS_KEY in the environment",
        );
        return s3::Credentials::Usual;
    };
    s3::Credentials::Key {
        access: access.clone(),
        secret,
        token,
    }
}

/// A secret in the configuration itself, or in a file.
fn one_of(
    key: &str,
    text: Option<&Secret>,
    file: Option<&At<String>>,
    report: &mut Report,
) -> Option<s3::Secret> {
    let text = text.filter(|text| !text.expose().is_empty());
    match (text, file) {
        (Some(_), Some(file)) => {
            report.fault(
                file,
                format!("both `{key}` and `{key}File` are given; remove one of them"),
            );
            None
        }
        (Some(text), None) => Some(s3::Secret::Text(Zeroizing::new(text.expose().to_owned()))),
        (None, Some(file)) => {
            check_secret_file(file, Path::new(&file.value), report);
            Some(s3::Secret::File((&file.value).into()))
        }
        (None, None) => None,
    }
}

/// Warns of a file that others can read, or tells why it can't be.
pub(super) fn check_secret_file<T>(at: &At<T>, path: &Path, report: &mut Report) {
    match std::fs::metadata(path) {
        Err(error) => report.fault(at, format!("{}: {error}", path.display())),
        Ok(status) if status.mode() & 0o007 != 0 => report.warn(
            at,
            format!(
                "{}: the secret can be read by everyone; `chmod 0600` it",
                path.display()
            ),
        ),
        Ok(_) => {}
    }
}

fn objects(s3: &S3, casts: bool, report: &mut Report) -> s3::Objects {
    if !s3.acl.value.is_empty() && !ACLS.contains(&s3.acl.value.as_str()) {
        report.fault(&s3.acl, format!("`acl` is none of {}", ACLS.join(", ")));
    }
    let letters =
        |letter: u8| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == b'_';
    if !s3.storage_class.value.bytes().all(letters) {
        report.fault(
            &s3.storage_class,
            "`storageClass` is no storage class; they are written like STANDARD_IA",
        );
    }
    s3::Objects {
        content_type: if casts {
            "application/x-asciicast"
        } else {
            "application/vnd.containerssh.auditlog"
        },
        acl: given(&s3.acl),
        storage_class: given(&s3.storage_class),
        encryption: encryption(s3, report),
        lock: lock(s3, report),
        tags: tags(&s3.tags, report),
        checksum: match s3.checksum {
            Checksum::Sha256 => s3::Checksum::Sha256,
            Checksum::Crc64nvme => s3::Checksum::Crc64Nvme,
            Checksum::None => s3::Checksum::Md5,
        },
    }
}

fn encryption(s3: &S3, report: &mut Report) -> Option<s3::Encryption> {
    let key = given(&s3.kms_key_id);
    match s3.server_side_encryption.value.as_str() {
        "aws:kms" => return Some(s3::Encryption::Kms(key)),
        "" | "AES256" => {}
        _ => report.fault(
            &s3.server_side_encryption,
            "`serverSideEncryption` must be AES256 or aws:kms",
        ),
    }
    if key.is_some() {
        report.fault(
            &s3.kms_key_id,
            "`kmsKeyId` needs `serverSideEncryption: aws:kms`",
        );
    }
    given(&s3.server_side_encryption).map(|_| s3::Encryption::Aes256)
}

fn lock(s3: &S3, report: &mut Report) -> s3::ObjectLock {
    let lock = &s3.object_lock;
    let retention = match (&lock.mode, lock.days.value) {
        (Some(mode), 0) => {
            report.fault(
                mode,
                "`mode` needs `days`: for how long objects are retained",
            );
            None
        }
        (None, 1..) => {
            report.fault(&lock.days, "`days` needs `mode`: GOVERNANCE or COMPLIANCE");
            None
        }
        (None, 0) => None,
        (Some(mode), days) => Some(match mode.value {
            LockMode::Governance => (s3::LockMode::Governance, days),
            LockMode::Compliance => (s3::LockMode::Compliance, days),
        }),
    };
    s3::ObjectLock {
        retention,
        legal_hold: lock.legal_hold,
    }
}

fn tags(
    tags: &At<std::collections::BTreeMap<String, String>>,
    report: &mut Report,
) -> Vec<(String, String)> {
    let fits = |(name, value): (&String, &String)| {
        (1..=TAG_NAME).contains(&name.chars().count())
            && value.chars().count() <= TAG_VALUE
            && !format!("{name}{value}").contains(char::is_control)
    };
    if tags.value.len() > TAGS || !tags.value.iter().all(fits) {
        report.fault(
            tags,
            format!(
                "`tags` may be {TAGS}, with names of 1 to {TAG_NAME} characters and values of up \
                 to {TAG_VALUE}"
            ),
        );
    }
    tags.value.clone().into_iter().collect()
}

/// What is not the empty text.
fn given(text: &At<String>) -> Option<String> {
    Some(text.value.clone()).filter(|text| !text.is_empty())
}
