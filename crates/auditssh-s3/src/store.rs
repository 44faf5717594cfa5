//! What is asked of an object store: six operations, and one more in a single case of doubt.

use crate::error::StoreError;
use std::future::Future;
use std::path::PathBuf;

/// A store of objects. Each call is one try, and may be given up at any moment by dropping it.
pub(crate) trait Store: Send + Sync + 'static {
    /// Makes an object of a whole file; with `guard` only if there is none of its key.
    fn put(
        &self,
        object: &Object,
        body: &Piece,
        guard: bool,
    ) -> impl Future<Output = Result<Receipt, StoreError>> + Send;

    /// Begins a multipart upload; returns its id.
    fn create(&self, object: &Object) -> impl Future<Output = Result<String, StoreError>> + Send;

    /// Uploads a part, with a number from 1 on.
    fn part(
        &self,
        upload: Upload<'_>,
        number: u32,
        body: &Piece,
    ) -> impl Future<Output = Result<Receipt, StoreError>> + Send;

    /// Makes the object of its parts; with `guard` only if there is none of its key.
    fn complete(
        &self,
        upload: Upload<'_>,
        whole: &Whole,
        guard: bool,
    ) -> impl Future<Output = Result<Receipt, StoreError>> + Send;

    /// Gives an upload up.
    fn abort(&self, upload: Upload<'_>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The ids of the uploads under way of a key.
    fn uploads(&self, key: &str) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send;

    /// Looks at an object; `None` if there is none. Not among the permissions that we ask for.
    fn head(&self, key: &str) -> impl Future<Output = Result<Option<Found>, StoreError>> + Send;
}

/// Names a multipart upload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upload<'a> {
    pub(crate) key: &'a str,
    pub(crate) id: &'a str,
}

/// What an object is to be like, but for its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) key: String,
    /// Its MIME type, if it is not that of a log.
    pub(crate) content_type: Option<&'static str>,
    /// User metadata: names and values.
    pub(crate) metadata: Vec<(&'static str, String)>,
}

/// Bytes of a file.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) path: PathBuf,
    pub(crate) offset: u64,
    pub(crate) sums: Sums,
}

/// Length and checksums of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) length: u64,
    pub(crate) md5: [u8; 16],
    pub(crate) sha256: [u8; 32],
    pub(crate) crc64: u64,
}

/// A part that the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) etag: String,
    pub(crate) sums: Sums,
}

/// All of a multipart upload.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    pub(crate) parts: Vec<Part>,
    pub(crate) length: u64,
    /// Of all bytes; known if the store is to check it.
    pub(crate) crc64: Option<u64>,
}

/// What a store says of what it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// Without quotation marks.
    pub(crate) etag: Option<String>,
    /// In base64, as S3 writes it.
    pub(crate) sha256: Option<String>,
    /// In base64, as S3 writes it.
    pub(crate) crc64: Option<String>,
    /// The ETag says nothing of the content: the object is encrypted with a key that is not the
    /// store's own.
    pub(crate) opaque: bool,
}

/// An object that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) length: u64,
    pub(crate) receipt: Receipt,
}
