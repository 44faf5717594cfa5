//! How far the upload of a log is, kept beside it so that a crash costs nothing.
//!
//! What may exist in the bucket is written down before it is asked for: so it is known after a
//! crash at any point what has to be finished or taken away.

use crate::store::{Part, Sums};
use serde::{Deserialize, Serialize};

/// The form of the file; one of another is not understood, and its upload begun anew.
const VERSION: u32 = 1;

/// No manifest is longer, in bytes: 10,000 parts take a fifth of it.
pub(crate) const LARGEST: u64 = 32 << 20;

/// How far the upload of a log is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Manifest {
    version: u32,
    /// Where it goes: the service's address and the bucket.
    pub(crate) bucket: String,
    /// The object's key, once something was asked for under it.
    #[serde(default)]
    pub(crate) key: Option<String>,
    /// The whole log was sent in one piece, with an outcome that is not known: its SHA-256.
    #[serde(default)]
    pub(crate) sent: Option<String>,
    /// A file beside the log was sent, with an outcome that is not known: its name and SHA-256.
    #[serde(default)]
    pub(crate) beside: Option<(String, String)>,
    /// The multipart upload.
    #[serde(default)]
    pub(crate) upload: Option<Multipart>,
    /// There may be uploads of the key whose ids are not known.
    #[serde(default)]
    pub(crate) loose: bool,
    /// Uploads that are to be aborted.
    #[serde(default)]
    pub(crate) doomed: Vec<String>,
    /// The bucket has the log.
    #[serde(default)]
    pub(crate) done: bool,
}

/// A multipart upload under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Multipart {
    pub(crate) id: String,
    /// Size of its first parts.
    pub(crate) part_size: u64,
    /// Those that the store has, the first first.
    pub(crate) parts: Vec<Sent>,
    /// It was asked to be completed, with an outcome that is not known.
    #[serde(default)]
    pub(crate) completed: bool,
    /// It does not exist any more.
    #[serde(default)]
    pub(crate) gone: bool,
    /// One before it, of the same bytes, was asked to be completed, with an unknown outcome.
    #[serde(default)]
    pub(crate) again: bool,
}

/// A part that the store has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Sent {
    pub(crate) size: u64,
    pub(crate) etag: String,
    #[serde(with = "hexadecimal")]
    pub(crate) md5: [u8; 16],
    #[serde(with = "hexadecimal")]
    pub(crate) sha256: [u8; 32],
    pub(crate) crc64: u64,
}

impl Manifest {
    /// Of a log of which nothing was sent yet.
    pub(crate) fn new(bucket: &str) -> Self {
        Self {
            version: VERSION,
            bucket: bucket.to_owned(),
            ..Self::default()
        }
    }

    /// Reads a manifest; `None` if it is none that this version can go on with.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let manifest: Self = serde_json::from_slice(bytes).ok()?;
        (manifest.version == VERSION).then_some(manifest)
    }

    /// The bytes to keep.
    pub(crate) fn bytes(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// Whether an object with the key is ours, if there is one.
    pub(crate) fn may_exist(&self) -> bool {
        let upload = self.upload.as_ref();
        self.sent.is_some() || upload.is_some_and(|upload| upload.completed || upload.again)
    }
}

impl Multipart {
    /// How much of the log the store has.
    pub(crate) fn length(&self) -> u64 {
        self.parts.iter().map(|part| part.size).sum()
    }

    /// The size of the next part. It doubles every 1000 parts: 10,000 hold almost 5 TiB then, and
    /// sizes depend on nothing but their number.
    pub(crate) fn next_size(&self) -> u64 {
        part_size(self.part_size, self.parts.len() as u64)
    }

    /// The parts as a store names them.
    pub(crate) fn whole(&self) -> Vec<Part> {
        let part = |sent: &Sent| Part {
            etag: sent.etag.clone(),
            sums: sent.sums(),
        };
        self.parts.iter().map(part).collect()
    }
}

impl Sent {
    pub(crate) fn new(etag: String, sums: &Sums) -> Self {
        Self {
            size: sums.length,
            etag,
            md5: sums.md5,
            sha256: sums.sha256,
            crc64: sums.crc64,
        }
    }

    pub(crate) const fn sums(&self) -> Sums {
        Sums {
            length: self.size,
            md5: self.md5,
            sha256: self.sha256,
            crc64: self.crc64,
        }
    }
}

/// The size of a part, by its number from 0.
pub(crate) fn part_size(first: u64, number: u64) -> u64 {
    let doublings = u32::try_from(number / 1000).unwrap_or(u32::MAX).min(16);
    (first << doublings).min(crate::settings::LARGEST_PART)
}

mod hexadecimal {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&crate::sums::hex(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom("not a hash in hexadecimal");
        if text.len() != 2 * N || !text.is_ascii() {
            return Err(wrong());
        }
        let mut bytes = [0; N];
        for (index, byte) in bytes.iter_mut().enumerate() {
            let pair = text.get(2 * index..2 * index + 2).unwrap_or_default();
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_hold_the_largest_object() {
        let total: u64 = (0..10_000).map(|number| part_size(5 << 20, number)).sum();
        assert!(total > 4_990 * (1 << 30), "{total}");
        assert!((0..10_000).all(|number| part_size(5 << 30, number) == 5 << 30));
        assert_eq!(part_size(5 << 20, 999), 5 << 20);
        assert_eq!(part_size(5 << 20, 1000), 10 << 20);
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let sums = Sums::of(&b"abc"[..]).unwrap();
        let mut manifest = Manifest::new("https://host/bucket");
        manifest.upload = Some(Multipart {
            id: "id".into(),
            part_size: 5 << 20,
            parts: vec![Sent::new("etag".into(), &sums)],
            ..Multipart::default()
        });
        let bytes = manifest.bytes().unwrap();
        let read = Manifest::parse(&bytes).unwrap();
        assert_eq!(read, manifest);
        assert_eq!(read.upload.unwrap().whole()[0].sums, sums);
        for end in 0..bytes.len() {
            assert_eq!(Manifest::parse(&bytes[..end]), None, "{end}");
        }
    }
}
