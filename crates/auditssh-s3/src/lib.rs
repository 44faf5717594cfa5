//! Brings logs into an S3 bucket, whatever happens.
//!
//! An [`Inbox`] hears from the archive which bytes of which log are safe on the disk. Workers give
//! one log after the other its turn : as far as it can, each goes on from where the
//! manifest beside the log says that its upload is. A turn is a sequence of steps, each at most one
//! request; what a request may leave behind in the bucket is written into the manifest before. So a
//! crash at any point, an answer that is lost, and a store that is gone for a day are one and the
//! same thing: the step is taken again.
//!
//! The local log is removed once the store's own answers prove that it has the same bytes.

mod aws;
mod backoff;
mod board;
mod context;
mod error;
mod facts;
mod gate;
mod key;
mod lock;
mod manifest;
mod settings;
mod stage;
mod store;
mod sums;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod turn;
mod uploader;

pub use aws::{Bucket, CertificateError, Download, Listed, check_certificates};
pub use context::{Counter, Counters};
pub use error::{Kind, StoreError};
pub use key::{Template, TemplateError};
pub use settings::{
    Checksum, Connection, Credentials, Encryption, LARGEST_PART, LEAST_PART, LockMode, Metadata,
    ObjectLock, Objects, Secret, Settings,
};
pub use stage::{Aside, bring_back, set_aside};
pub use uploader::{Inbox, Status, Uploader};
