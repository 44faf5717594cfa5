//! Checksums of what is sent, and whether an answer fits them.

use crate::store::{Part, Receipt, Sums};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use md5::Md5;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{self, Read};

/// How much is read at a time, in bytes.
const PIECE: usize = 64 << 10;

impl Sums {
    /// Of everything that a reader gives.
    pub(crate) fn of(mut bytes: impl Read) -> io::Result<Self> {
        let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
        let mut crc64 = Crc::new(CrcAlgorithm::Crc64Nvme);
        let mut piece = vec![0; PIECE];
        let mut length = 0;
        loop {
            let read = match bytes.read(&mut piece) {
                Ok(0) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            };
            let piece = piece.get(..read).unwrap_or_default();
            md5.update(piece);
            sha256.update(piece);
            crc64.update(piece);
            length += read as u64;
        }
        Ok(Self {
            length,
            md5: md5.finalize().into(),
            sha256: sha256.finalize().into(),
            crc64: crc64.finalize(),
        })
    }

    pub(crate) fn md5_base64(&self) -> String {
        STANDARD.encode(self.md5)
    }

    pub(crate) fn sha256_base64(&self) -> String {
        STANDARD.encode(self.sha256)
    }

    pub(crate) fn crc64_base64(&self) -> String {
        crc64_base64(self.crc64)
    }

    /// What does not fit in the answer to these bytes as one part or one object, if anything.
    pub(crate) fn mismatch(&self, receipt: &Receipt) -> Option<Mismatch> {
        mismatch(
            receipt,
            &hex(&self.md5),
            &self.sha256_base64(),
            &self.crc64_base64(),
        )
    }
}

/// CRC-64/NVME as S3 writes it.
pub(crate) fn crc64_base64(crc: u64) -> String {
    STANDARD.encode(crc.to_be_bytes())
}

/// What the answer to a complete upload should be: the hash of the parts' hashes, and how many they
/// are.
pub(crate) fn composite_mismatch(
    parts: &[Part],
    crc64: Option<u64>,
    receipt: &Receipt,
) -> Option<Mismatch> {
    let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
    for part in parts {
        md5.update(part.sums.md5);
        sha256.update(part.sums.sha256);
    }
    let count = parts.len();
    let sha256 = format!("{}-{count}", STANDARD.encode(sha256.finalize()));
    let crc64 = crc64.map(crc64_base64);
    let crc64 = crc64.as_ref().or(receipt.crc64.as_ref());
    mismatch(
        receipt,
        &format!("{}-{count}", hex(&md5.finalize())),
        &sha256,
        crc64.map_or("", String::as_str),
    )
}

/// An answer that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// A checksum is another, or there is no ETag: the store has something else, or nothing.
    Content,
    /// The ETag is another than those of AWS are made. Some stores make them in ways of their own.
    Etag,
}

fn mismatch(receipt: &Receipt, etag: &str, sha256: &str, crc64: &str) -> Option<Mismatch> {
    let differs =
        |answer: &Option<String>, own: &str| answer.as_deref().is_some_and(|answer| answer != own);
    let Some(answer) = receipt.etag.as_deref().filter(|etag| !etag.is_empty()) else {
        return Some(Mismatch::Content);
    };
    if differs(&receipt.sha256, sha256) || differs(&receipt.crc64, crc64) {
        return Some(Mismatch::Content);
    }
    (!receipt.opaque && answer != etag).then_some(Mismatch::Etag)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that others computed: RFC 1321, FIPS 180-2, and the check value of CRC-64/NVME.
    #[test]
    fn the_checksums_are_those_that_stores_compute() {
        let sums = Sums::of(&b"abc"[..]).unwrap();
        assert_eq!(hex(&sums.md5), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(
            hex(&sums.sha256),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(sums.length, 3);
        let check = Sums::of(&b"123456789"[..]).unwrap();
        assert_eq!(check.crc64, 0xae8b_1486_0a79_9888);
    }

    #[test]
    fn every_wrong_answer_is_noticed() {
        let sums = Sums::of(&b"abc"[..]).unwrap();
        let good = Receipt {
            etag: Some(hex(&sums.md5)),
            sha256: Some(sums.sha256_base64()),
            crc64: Some(sums.crc64_base64()),
            opaque: false,
        };
        assert_eq!(sums.mismatch(&good), None);
        let with = |change: fn(&mut Receipt)| {
            let mut receipt = good.clone();
            change(&mut receipt);
            sums.mismatch(&receipt)
        };
        assert_eq!(with(|r| r.sha256 = None), None);
        assert_eq!(with(|r| r.etag = None), Some(Mismatch::Content));
        assert_eq!(
            with(|r| r.etag = Some(String::new())),
            Some(Mismatch::Content)
        );
        assert_eq!(
            with(|r| r.sha256 = Some("x".into())),
            Some(Mismatch::Content)
        );
        assert_eq!(
            with(|r| r.crc64 = Some("x".into())),
            Some(Mismatch::Content)
        );
        assert_eq!(with(|r| r.etag = Some("x".into())), Some(Mismatch::Etag));
        let opaque = |r: &mut Receipt| (r.etag, r.opaque) = (Some("x".into()), true);
        assert_eq!(with(opaque), None);
    }
}
