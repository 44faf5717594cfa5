//! Brings logs into an S3 bucket, whatever happens.

mod facts;
mod key;
mod settings;

pub use key::{Template, TemplateError};
pub use settings::{
    Checksum, Connection, Credentials, Encryption, LockMode, Metadata, ObjectLock, Objects, Secret,
    Settings,
};
