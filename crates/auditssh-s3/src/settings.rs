//! What the uploader is told, already checked: the binary makes it of the configuration.

use crate::key::Template;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// Least size of a part that is not the last, in bytes: what S3 demands.
pub const LEAST_PART: u64 = 5 << 20;

/// Largest size of a part, and of an object that is put at once, in bytes.
pub const LARGEST_PART: u64 = 5 << 30;

/// How logs are brought into a bucket.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where logs are staged: the directory of the archive.
    pub local: PathBuf,
    /// The bucket and how to reach it.
    pub connection: Connection,
    /// What objects are like.
    pub objects: Objects,
    /// What their keys are made of.
    pub template: Template,
    /// What is kept beside an object.
    pub metadata: Metadata,
    /// Size of the first parts in bytes, from [`LEAST_PART`] to [`LARGEST_PART`].
    pub part_size: u64,
    /// How many logs are uploaded at a time.
    pub parallel: usize,
    /// How long uploads under way may take at the end.
    pub shutdown: Duration,
    /// Whether the archive forces logs to the disk itself; if not, that is done before a part of
    /// them is uploaded.
    pub synced: bool,
}

/// The bucket and how to reach it.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its name.
    pub bucket: String,
    /// Its region; `None` for that of the environment or the profile, else `us-east-1`.
    pub region: Option<String>,
    /// The address of a service that is not AWS.
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path of requests.
    pub path_style: bool,
    /// Authorities (PEM) that are trusted beside those of the system.
    pub cacert: Option<String>,
    /// As whom.
    pub credentials: Credentials,
}

/// Where the credentials come from.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// The usual sources of AWS programs.
    Usual,
    /// A key of its own.
    Key {
        /// The access key.
        access: String,
        /// The secret key.
        secret: Secret,
        /// The token that belongs to a temporary key.
        token: Option<Secret>,
    },
}

/// Text that is never shown, or the file in which it stands.
#[derive(Clone)]
pub enum Secret {
    /// The text itself.
    Text(Zeroizing<String>),
    /// A file, whose first line it is.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("(hidden)"),
            Self::File(path) => write!(f, "(in {})", path.display()),
        }
    }
}

/// What objects are like. What is `None` is left to the bucket.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// The MIME type.
    pub content_type: &'static str,
    /// A canned access control list.
    pub acl: Option<String>,
    /// The storage class.
    pub storage_class: Option<String>,
    /// How the service encrypts them.
    pub encryption: Option<Encryption>,
    /// What keeps them from being deleted.
    pub lock: ObjectLock,
    /// Tags, as names and values.
    pub tags: Vec<(String, String)>,
    /// How the service checks what it receives.
    pub checksum: Checksum,
}

/// How the service encrypts objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// With keys of the service's own.
    Aes256,
    /// With a key of the key management service; `None` for that of the account.
    Kms(Option<String>),
}

/// What keeps objects from being deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectLock {
    /// For how many days from the upload on, and who may shorten that.
    pub retention: Option<(LockMode, u32)>,
    /// Until someone takes the hold away.
    pub legal_hold: bool,
}

/// Who may shorten the retention of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Who has the permission to bypass it.
    Governance,
    /// Nobody.
    Compliance,
}

/// How the service checks what it receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// By SHA-256, of each part.
    #[default]
    Sha256,
    /// By CRC-64/NVME, of the object as a whole.
    Crc64Nvme,
    /// By MD5 only, which every service knows.
    Md5,
}

/// What is kept beside an object, besides what always is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The login name.
    pub username: bool,
    /// The address of the client.
    pub ip: bool,
}
