//! `audit.s3`.

use crate::config::at::At;
use crate::config::bounds;
use crate::config::duration::Span;
use crate::config::secret::Secret;
use crate::config::size::Size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings of the storage `s3`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct S3 {
    /// The directory in which logs wait until the bucket has them; made with mode 0700 if it is
    /// missing. One server uses it at a time.
    pub(crate) local: At<String>,
    /// Use the directory even if others than its owner may enter or write it.
    pub(crate) allow_insecure_directory: bool,
    /// The access key. Without it the usual sources are asked: the environment
    /// (`AWS_ACCESS_KEY_ID`), the profile file, web identity, the metadata service of the machine.
    pub(crate) access_key: At<String>,
    /// The secret key to `accessKey`; without it and `secretKeyFile`, `AWS_SECRET_ACCESS_KEY` of the
    /// environment is taken.
    pub(crate) secret_key: Option<Secret>,
    /// A file with the secret key. It is read again when the service refuses the key.
    pub(crate) secret_key_file: Option<At<String>>,
    /// The token that belongs to a temporary key.
    pub(crate) session_token: Option<Secret>,
    /// A file with that token, read again with `secretKeyFile`.
    pub(crate) session_token_file: Option<At<String>>,
    /// The bucket, which must exist.
    pub(crate) bucket: At<String>,
    /// The region; without it that of the environment or the profile, else `us-east-1`.
    pub(crate) region: At<String>,
    /// The address of the service, if it is not AWS.
    pub(crate) endpoint: At<String>,
    /// Whether the bucket stands in the path of a request instead of in the name of the host. By
    /// default it does if there is an `endpoint`.
    pub(crate) path_style_access: Option<bool>,
    /// Certificates (PEM) of authorities that are trusted beside those of the system.
    pub(crate) cacert: At<String>,
    /// What the keys of objects are made of: text with `%Y`, `%m`, `%d`, `%H` (year, month, day and
    /// hour in UTC at which the connection began), `%u` (login name, `-` if nobody logged in) and
    /// `%i` (connection id). Without `%i` the connection id is added at the end; `%u` stands on one side
    /// of it only.
    pub(crate) prefix: At<String>,
    /// The size of the parts in which logs are uploaded while their sessions run. It doubles every
    /// 1000 parts, since there may be 10,000. A log that is not larger is uploaded at once at its
    /// end.
    #[schemars(transform = bounds::UPLOAD_PART_SIZE.told())]
    pub(crate) upload_part_size: At<Size>,
    /// How many logs are uploaded at a time.
    #[schemars(transform = bounds::PARALLEL_UPLOADS.told())]
    pub(crate) parallel_uploads: At<u32>,
    /// The canned access control list of the objects, such as `private` or
    /// `bucket-owner-full-control`. It needs a further permission (`s3:PutObjectAcl`).
    pub(crate) acl: At<String>,
    /// What is kept beside each object, in its metadata, besides the time of the connection, whether
    /// someone logged in, and the country of the address.
    pub(crate) metadata: Metadata,
    /// The storage class of the objects, such as `STANDARD_IA`.
    pub(crate) storage_class: At<String>,
    /// How the service encrypts the objects: `AES256` or `aws:kms`.
    pub(crate) server_side_encryption: At<String>,
    /// The key for `aws:kms`, by id or ARN; without it that of the account.
    pub(crate) kms_key_id: At<String>,
    /// What keeps the objects from being deleted. It needs a further permission
    /// (`s3:PutObjectRetention`) and a bucket with object lock.
    pub(crate) object_lock: ObjectLock,
    /// Tags of the objects, at most 10. They need a further permission (`s3:PutObjectTagging`).
    pub(crate) tags: At<BTreeMap<String, String>>,
    /// By which checksum the service checks what it receives.
    pub(crate) checksum: Checksum,
    /// How long complete logs may still be uploaded when the server ends; the rest is uploaded
    /// after the next start.
    #[schemars(transform = bounds::SHUTDOWN_TIMEOUT.told())]
    pub(crate) shutdown_timeout: At<Span>,
}

impl Default for S3 {
    fn default() -> Self {
        let nothing = || At::unplaced(String::new());
        Self {
            local: At::unplaced("/var/lib/audit".into()),
            allow_insecure_directory: false,
            access_key: nothing(),
            secret_key: None,
            secret_key_file: None,
            session_token: None,
            session_token_file: None,
            bucket: nothing(),
            region: nothing(),
            endpoint: nothing(),
            path_style_access: None,
            cacert: nothing(),
            prefix: nothing(),
            upload_part_size: At::unplaced(Size::mebibytes(5)),
            parallel_uploads: At::unplaced(20),
            acl: nothing(),
            metadata: Metadata::default(),
            storage_class: nothing(),
            server_side_encryption: nothing(),
            kms_key_id: nothing(),
            object_lock: ObjectLock::default(),
            tags: At::default(),
            checksum: Checksum::default(),
            shutdown_timeout: At::unplaced(Span::from_secs(30)),
        }
    }
}

/// What is kept beside each object.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Metadata {
    /// The address of the client.
    pub(crate) ip: bool,
    /// The login name, if someone logged in.
    pub(crate) username: bool,
}

/// What keeps the objects from being deleted.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ObjectLock {
    /// Who may shorten the retention.
    pub(crate) mode: Option<At<LockMode>>,
    /// For how many days from its upload on an object is retained.
    #[schemars(transform = bounds::RETAINED_DAYS.told())]
    pub(crate) days: At<u32>,
    /// Retain the objects until someone takes the hold away.
    pub(crate) legal_hold: bool,
}

/// Who may shorten the retention of an object.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum LockMode {
    /// Who has the permission to bypass it.
    Governance,
    /// Nobody.
    Compliance,
}

/// By which checksum the service checks what it receives.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Checksum {
    /// SHA-256.
    #[default]
    Sha256,
    /// CRC-64/NVME, of the object as a whole.
    Crc64nvme,
    /// MD5 only, which every service knows: for those that refuse the others.
    None,
}
