//! `audit`.

use crate::config::at::At;
use crate::config::bounds;
use crate::config::duration::Span;
use crate::config::raw::S3;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// What is recorded, in which form, and where it is kept.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Audit {
    /// `false` switches recording off whatever `format` and `storage` say.
    pub(crate) enable: bool,
    /// The form of the logs. With `none` nothing is kept.
    pub(crate) format: At<Format>,
    /// Where logs are kept. With `none` nothing is kept.
    pub(crate) storage: Option<At<Storage>>,
    /// Another name for `storage`. If both are given they must be equal.
    #[serde(rename = "type")]
    pub(crate) storage_alias: Option<At<Storage>>,
    /// What of a session's content is recorded. Logins, requests, programs and exit statuses
    /// always are.
    pub(crate) intercept: Intercept,
    /// Settings of the storage `file`.
    pub(crate) file: File,
    /// Settings of the storage `s3`.
    pub(crate) s3: Option<At<S3>>,
    /// When an event counts as recorded, so that its effect may pass.
    pub(crate) sync: Sync,
    /// With `sync: interval`, how often what was written is forced to the disk: what a power cut
    /// may cost at most.
    #[schemars(transform = bounds::SYNC_INTERVAL.told())]
    pub(crate) sync_interval: At<Span>,
    /// After which time a chunk of a log is sealed into the hash chain even if it is not full.
    #[schemars(transform = bounds::SEAL_INTERVAL.told())]
    pub(crate) seal_interval: At<Span>,
    /// What becomes of a session that can't be recorded any more.
    pub(crate) on_failure: OnFailure,
    /// A file with the Ed25519 private key (PKCS#8 PEM, as `openssl genpkey -algorithm ed25519`
    /// writes it) that signs the end of every log. Without it logs are hash-chained only.
    pub(crate) signing_key: Option<At<String>>,
    /// With `storage: file`, make the index of each log when it is complete, with which `auditssh
    /// search` is quick: a further file beside it, `.ID.index`, which has what was typed and shown,
    /// and is to be removed with its log. `auditssh index` makes them as well.
    pub(crate) index: bool,
    /// Settings of the format `asciinema`.
    pub(crate) asciinema: Asciinema,
    /// Several outputs in place of the one that the keys above describe: each is a map with those
    /// keys (but for `enable`), and is written, kept, signed and uploaded by itself, in a directory
    /// of its own. What a session does waits until every output with `onFailure: terminate` has
    /// recorded it; one with `continue` may fail alone. Beside `outputs`, only `enable` may stand.
    pub(crate) outputs: Option<At<Vec<At<Output>>>>,
}

/// One of several outputs.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Output {
    /// The form of the logs.
    pub(crate) format: At<Format>,
    /// Where they are kept.
    pub(crate) storage: Option<At<Storage>>,
    /// Another name for `storage`. If both are given they must be equal.
    #[serde(rename = "type")]
    pub(crate) storage_alias: Option<At<Storage>>,
    /// What of a session's content this output records.
    pub(crate) intercept: Intercept,
    /// Settings of the storage `file`.
    pub(crate) file: File,
    /// Settings of the storage `s3`.
    pub(crate) s3: Option<At<S3>>,
    /// When an event counts as recorded.
    pub(crate) sync: Sync,
    /// With `sync: interval`, how often what was written is forced to the disk.
    #[schemars(transform = bounds::SYNC_INTERVAL.told())]
    pub(crate) sync_interval: At<Span>,
    /// After which time a chunk is sealed even if it is not full.
    #[schemars(transform = bounds::SEAL_INTERVAL.told())]
    pub(crate) seal_interval: At<Span>,
    /// What becomes of a session that this output can't record any more: with `continue`, the other
    /// outputs go on with it.
    pub(crate) on_failure: OnFailure,
    /// With `storage: file`, make the index of each log of this output when it is complete.
    pub(crate) index: bool,
    /// Signs the end of every log of this output.
    pub(crate) signing_key: Option<At<String>>,
    /// Settings of the format `asciinema`.
    pub(crate) asciinema: Asciinema,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            format: At::default(),
            storage: None,
            storage_alias: None,
            intercept: Intercept::default(),
            file: File::default(),
            s3: None,
            sync: Sync::default(),
            sync_interval: At::unplaced(Span::from_secs(1)),
            seal_interval: At::unplaced(Span::from_secs(60)),
            on_failure: OnFailure::default(),
            index: false,
            signing_key: None,
            asciinema: Asciinema::default(),
        }
    }
}

/// Settings of the format `asciinema`.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Asciinema {
    /// The version of asciicast: 2, which every player shows, or 3, which keeps the exit status, too.
    #[schemars(transform = bounds::CAST_VERSION.told())]
    pub(crate) version: At<u16>,
}

impl Default for Asciinema {
    fn default() -> Self {
        Self {
            version: At::unplaced(2),
        }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            enable: true,
            format: At::default(),
            storage: None,
            storage_alias: None,
            intercept: Intercept::default(),
            file: File::default(),
            s3: None,
            sync: Sync::default(),
            sync_interval: At::unplaced(Span::from_secs(1)),
            seal_interval: At::unplaced(Span::from_secs(60)),
            on_failure: OnFailure::default(),
            signing_key: None,
            index: false,
            asciinema: Asciinema::default(),
            outputs: None,
        }
    }
}

/// The form of the logs.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// Nothing is kept.
    #[default]
    None,
    /// The documented ContainerSSH format, version 1, which stock decoders read.
    Audit,
    /// Version 2, which ContainerSSH writes since 0.5.
    Binary,
    /// Terminal recordings (asciicast), one for each channel that runs a program. They hold what
    /// was shown and nothing else, and prove nothing: see [asciinema.md](asciinema.md).
    Asciinema,
}

/// Where logs are kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Storage {
    /// Nowhere: nothing is kept.
    #[default]
    None,
    /// In a directory of this machine; see `file`.
    File,
    /// In an S3 bucket, staged in a directory of this machine until the bucket has them; see `s3`.
    S3,
}

/// What of a session's content is recorded.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the format")]
pub(crate) struct Intercept {
    /// What the client sends: `true`, `false`, or `echoed`, which records only what is typed
    /// while the terminal shows it and a count in place of the rest (passwords typed at a prompt).
    pub(crate) stdin: Stdin,
    /// What programs print on standard output, and everything that a terminal shows.
    pub(crate) stdout: bool,
    /// What programs print on standard error.
    pub(crate) stderr: bool,
    /// Passwords and answers to keyboard-interactive questions, in clear.
    pub(crate) passwords: bool,
    /// What passes through forwarded connections.
    pub(crate) forwarding: bool,
    /// What happens to files by SFTP, scp and rsync, without their contents: path, direction, size,
    /// time, result and SHA-256 of each, renamings, removals, directories, links, permissions. Also
    /// where `stdin` and `stdout` are not recorded.
    pub(crate) files: bool,
}

/// What is recorded of the client's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stdin {
    #[default]
    No,
    Yes,
    Echoed,
}

impl<'de> Deserialize<'de> for Stdin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl Visitor<'_> for Words {
            type Value = Stdin;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or echoed")
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Stdin, E> {
                Ok(if value { Stdin::Yes } else { Stdin::No })
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<Stdin, E> {
                match value {
                    "echoed" => Ok(Stdin::Echoed),
                    _ => Err(E::unknown_variant(value, &["false", "true", "echoed"])),
                }
            }
        }
        deserializer.deserialize_any(Words)
    }
}

impl Serialize for Stdin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::No => serializer.serialize_bool(false),
            Self::Yes => serializer.serialize_bool(true),
            Self::Echoed => serializer.serialize_str("echoed"),
        }
    }
}

impl JsonSchema for Stdin {
    fn schema_name() -> Cow<'static, str> {
        "Stdin".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": [false, true, "echoed"]})
    }
}

/// Settings of the storage `file`.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct File {
    /// The directory of the logs; made with mode 0700 if it is missing. One server uses it at a
    /// time.
    pub(crate) directory: At<String>,
    /// A group whose members may read the logs, by name or number: files are then 0640 in a
    /// directory 0750.
    pub(crate) group: Option<At<String>>,
    /// Use the directory even if others than its owner (and `group`) may enter or write it.
    pub(crate) allow_insecure_directory: bool,
}

impl Default for File {
    fn default() -> Self {
        Self {
            directory: At::unplaced("/var/log/audit".into()),
            group: None,
            allow_insecure_directory: false,
        }
    }
}

/// When an event counts as recorded.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sync {
    /// When the operating system has it: nothing is lost when the server is killed.
    None,
    /// The same, and it is forced to the disk every `syncInterval`: a power cut costs no more.
    #[default]
    Interval,
    /// When it is on the disk: a power cut loses nothing whose effect was seen.
    Always,
}

/// What becomes of a session that can't be recorded any more.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnFailure {
    /// It ends, with a message to the user.
    #[default]
    Terminate,
    /// It goes on; the gap is recorded as soon as writing works again, and reported.
    Continue,
}
