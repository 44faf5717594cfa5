//! The store as the service's own client knows it. The only module that names that client.

mod answer;
mod client;
mod credentials;
mod read;
mod tls;

use crate::error::{Kind, StoreError};
use crate::settings::{Checksum, Encryption, LockMode, Objects, Settings};
use crate::store::{Found, Object, Piece, Receipt, Store, Upload, Whole};
use crate::sums::crc64_base64;
use answer::{failed, receipt};
use aws_sdk_s3::primitives::{ByteStream, DateTime, Length};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart,
    ObjectCannedAcl, ObjectLockLegalHoldStatus, ObjectLockMode, ServerSideEncryption, StorageClass,
};
use client::Clients;
pub use read::{Bucket, Download, Listed};
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};
pub use tls::{CertificateError, check_certificates};

/// How much of a file is read at a time, in bytes.
const BUFFER: usize = 64 << 10;

/// No listing has more pages: what does not end is no listing.
const PAGES: usize = 1000;

/// A bucket.
#[derive(Debug)]
pub(crate) struct AwsStore {
    clients: Clients,
    bucket: String,
    objects: Objects,
}

impl AwsStore {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            clients: Clients::to_write(settings.connection.clone()),
            bucket: settings.connection.bucket.clone(),
            objects: settings.objects.clone(),
        }
    }

    /// What is to be known of every failure, besides what it means.
    fn noted(&self, error: StoreError) -> StoreError {
        if matches!(error.kind, Kind::Credentials | Kind::Denied) {
            self.clients.renew();
        }
        error
    }

    fn lock_until(&self) -> Option<(ObjectLockMode, DateTime)> {
        let (mode, days) = self.objects.lock.retention?;
        let mode = match mode {
            LockMode::Governance => ObjectLockMode::Governance,
            LockMode::Compliance => ObjectLockMode::Compliance,
        };
        let until = SystemTime::now() + Duration::from_hours(24) * days;
        Some((mode, until.into()))
    }

    fn legal_hold(&self) -> Option<ObjectLockLegalHoldStatus> {
        (self.objects.lock.legal_hold).then_some(ObjectLockLegalHoldStatus::On)
    }

    fn encryption(&self) -> (Option<ServerSideEncryption>, Option<String>) {
        match &self.objects.encryption {
            None => (None, None),
            Some(Encryption::Aes256) => (Some(ServerSideEncryption::Aes256), None),
            Some(Encryption::Kms(key)) => (Some(ServerSideEncryption::AwsKms), key.clone()),
        }
    }

    fn tagging(&self) -> Option<String> {
        let pairs = self.objects.tags.iter();
        let pairs: Vec<String> = pairs
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("&"))
    }

    fn acl(&self) -> Option<ObjectCannedAcl> {
        self.objects.acl.as_deref().map(ObjectCannedAcl::from)
    }

    fn storage_class(&self) -> Option<StorageClass> {
        self.objects
            .storage_class
            .as_deref()
            .map(StorageClass::from)
    }

    const fn is(&self, checksum: Checksum) -> bool {
        matches!(
            (self.objects.checksum, checksum),
            (Checksum::Sha256, Checksum::Sha256)
                | (Checksum::Crc64Nvme, Checksum::Crc64Nvme)
                | (Checksum::Md5, Checksum::Md5)
        )
    }
}

impl Store for AwsStore {
    async fn put(&self, object: &Object, body: &Piece, guard: bool) -> Result<Receipt, StoreError> {
        let operation = "PutObject";
        let client = self.clients.get().await;
        let (encryption, kms_key) = self.encryption();
        let (lock, until) = self.lock_until().unzip();
        let sums = &body.sums;
        let request = client
            .put_object()
            .bucket(&self.bucket)
            .key(&object.key)
            .content_type(object.content_type.unwrap_or(self.objects.content_type))
            .content_length(signed(sums.length))
            .set_metadata(Some(metadata(object)))
            .set_acl(self.acl())
            .set_storage_class(self.storage_class())
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(kms_key)
            .set_object_lock_mode(lock)
            .set_object_lock_retain_until_date(until)
            .set_object_lock_legal_hold_status(self.legal_hold())
            .set_tagging(self.tagging())
            .set_checksum_sha256(self.is(Checksum::Sha256).then(|| sums.sha256_base64()))
            .set_checksum_crc64_nvme(self.is(Checksum::Crc64Nvme).then(|| sums.crc64_base64()))
            .set_content_md5(self.is(Checksum::Md5).then(|| sums.md5_base64()))
            .set_if_none_match(guard.then(|| "*".to_owned()))
            .body(stream(operation, body).await?);
        let answer = request.send().await;
        let answer = answer.map_err(|error| self.noted(failed(operation, &error)))?;
        Ok(receipt(
            answer.e_tag(),
            answer.checksum_sha256(),
            answer.checksum_crc64_nvme(),
            answer.server_side_encryption(),
        ))
    }

    async fn create(&self, object: &Object) -> Result<String, StoreError> {
        let operation = "CreateMultipartUpload";
        let client = self.clients.get().await;
        let (encryption, kms_key) = self.encryption();
        let (lock, until) = self.lock_until().unzip();
        let (algorithm, kind) = match self.objects.checksum {
            Checksum::Sha256 => (Some(ChecksumAlgorithm::Sha256), None),
            Checksum::Crc64Nvme => (
                Some(ChecksumAlgorithm::Crc64Nvme),
                Some(ChecksumType::FullObject),
            ),
            Checksum::Md5 => (None, None),
        };
        let request = client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(&object.key)
            .content_type(object.content_type.unwrap_or(self.objects.content_type))
            .set_metadata(Some(metadata(object)))
            .set_acl(self.acl())
            .set_storage_class(self.storage_class())
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(kms_key)
            .set_object_lock_mode(lock)
            .set_object_lock_retain_until_date(until)
            .set_object_lock_legal_hold_status(self.legal_hold())
            .set_tagging(self.tagging())
            .set_checksum_algorithm(algorithm)
            .set_checksum_type(kind);
        let answer = request.send().await;
        let answer = answer.map_err(|error| self.noted(failed(operation, &error)))?;
        let id = answer.upload_id().filter(|id| !id.is_empty());
        id.map(str::to_owned).ok_or_else(|| {
            StoreError::new(Kind::Unanswered, operation, "the answer holds no upload id")
        })
    }

    async fn part(
        &self,
        upload: Upload<'_>,
        number: u32,
        body: &Piece,
    ) -> Result<Receipt, StoreError> {
        let operation = "UploadPart";
        let client = self.clients.get().await;
        let sums = &body.sums;
        let request = client
            .upload_part()
            .bucket(&self.bucket)
            .key(upload.key)
            .upload_id(upload.id)
            .part_number(i32::try_from(number).unwrap_or(i32::MAX))
            .content_length(signed(sums.length))
            .set_checksum_sha256(self.is(Checksum::Sha256).then(|| sums.sha256_base64()))
            .set_checksum_crc64_nvme(self.is(Checksum::Crc64Nvme).then(|| sums.crc64_base64()))
            .set_content_md5(self.is(Checksum::Md5).then(|| sums.md5_base64()))
            .body(stream(operation, body).await?);
        let answer = request.send().await;
        let answer = answer.map_err(|error| self.noted(failed(operation, &error)))?;
        Ok(receipt(
            answer.e_tag(),
            answer.checksum_sha256(),
            answer.checksum_crc64_nvme(),
            answer.server_side_encryption(),
        ))
    }

    async fn complete(
        &self,
        upload: Upload<'_>,
        whole: &Whole,
        guard: bool,
    ) -> Result<Receipt, StoreError> {
        let operation = "CompleteMultipartUpload";
        let client = self.clients.get().await;
        let parts = (1..).zip(&whole.parts).map(|(number, part)| {
            let sums = &part.sums;
            CompletedPart::builder()
                .part_number(number)
                .e_tag(&part.etag)
                .set_checksum_sha256(self.is(Checksum::Sha256).then(|| sums.sha256_base64()))
                .set_checksum_crc64_nvme(self.is(Checksum::Crc64Nvme).then(|| sums.crc64_base64()))
                .build()
        });
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts.collect()))
            .build();
        let request = client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(upload.key)
            .upload_id(upload.id)
            .multipart_upload(parts)
            .mpu_object_size(signed(whole.length))
            .set_checksum_crc64_nvme(whole.crc64.map(crc64_base64))
            .set_checksum_type(whole.crc64.map(|_| ChecksumType::FullObject))
            .set_if_none_match(guard.then(|| "*".to_owned()));
        let answer = request.send().await;
        let answer = answer.map_err(|error| self.noted(failed(operation, &error)))?;
        Ok(receipt(
            answer.e_tag(),
            answer.checksum_sha256(),
            answer.checksum_crc64_nvme(),
            answer.server_side_encryption(),
        ))
    }

    async fn abort(&self, upload: Upload<'_>) -> Result<(), StoreError> {
        let client = self.clients.get().await;
        let request = client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(upload.key)
            .upload_id(upload.id);
        let answer = request.send().await;
        answer.map_err(|error| self.noted(failed("AbortMultipartUpload", &error)))?;
        Ok(())
    }

    async fn uploads(&self, key: &str) -> Result<Vec<String>, StoreError> {
        let operation = "ListMultipartUploads";
        let client = self.clients.get().await;
        let (mut found, mut markers) = (Vec::new(), (None, None));
        for _ in 0..PAGES {
            let request = client
                .list_multipart_uploads()
                .bucket(&self.bucket)
                .prefix(key)
                .set_key_marker(markers.0)
                .set_upload_id_marker(markers.1);
            let answer = request.send().await;
            let page = answer.map_err(|error| self.noted(failed(operation, &error)))?;
            let own = page
                .uploads()
                .iter()
                .filter(|upload| upload.key() == Some(key));
            found.extend(own.filter_map(|upload| upload.upload_id().map(str::to_owned)));
            if page.is_truncated() != Some(true) {
                return Ok(found);
            }
            markers = (
                page.next_key_marker().map(str::to_owned),
                page.next_upload_id_marker().map(str::to_owned),
            );
        }
        Err(StoreError::new(
            Kind::Refused,
            operation,
            "the listing does not end",
        ))
    }

    async fn head(&self, key: &str) -> Result<Option<Found>, StoreError> {
        let client = self.clients.get().await;
        let request = client
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .checksum_mode(ChecksumMode::Enabled);
        match request.send().await {
            Ok(answer) => Ok(Some(Found {
                length: answer
                    .content_length()
                    .and_then(|length| length.try_into().ok())
                    .unwrap_or(0),
                receipt: receipt(
                    answer.e_tag(),
                    answer.checksum_sha256(),
                    answer.checksum_crc64_nvme(),
                    answer.server_side_encryption(),
                ),
            })),
            Err(error)
                if error.as_service_error().is_some_and(
                    aws_sdk_s3::operation::head_object::HeadObjectError::is_not_found,
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(failed("HeadObject", &error)),
        }
    }
}

/// The bytes of a request, streamed from the file.
async fn stream(operation: &'static str, body: &Piece) -> Result<ByteStream, StoreError> {
    if body.sums.length == 0 {
        return Ok(ByteStream::from_static(b""));
    }
    let stream = ByteStream::read_from()
        .path(&body.path)
        .offset(body.offset)
        .length(Length::Exact(body.sums.length))
        .buffer_size(BUFFER)
        .build();
    stream.await.map_err(|error| {
        let text = format!("{}: {error}", body.path.display());
        StoreError::new(Kind::Unanswered, operation, text)
    })
}

fn metadata(object: &Object) -> std::collections::HashMap<String, String> {
    let pairs = object.metadata.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

/// Lengths are far below the largest number of either kind.
fn signed(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Text as a part of a query (RFC 3986, 2.1).
fn encoded(text: &str) -> String {
    let mut query = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                query.push(char::from(byte));
            }
            _ => {
                let _ = write!(query, "%{byte:02X}");
            }
        }
    }
    query
}
