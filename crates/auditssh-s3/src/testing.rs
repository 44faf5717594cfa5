//! A store in memory that misbehaves as told, and a fuse that stops everything at a chosen step, as
//! a kill does.

use crate::error::{Kind, StoreError};
use crate::lock::lock;
use crate::store::{Found, Object, Part, Piece, Receipt, Store, Sums, Upload, Whole};
use crate::sums::{crc64_base64, hex};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use sha2::Sha256;
use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Burns down with every step, and then no step is taken any more.
#[derive(Clone, Debug)]
pub(crate) struct Fuse(Arc<AtomicI64>);

impl Default for Fuse {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MAX)))
    }
}

impl Fuse {
    pub(crate) fn of(steps: i64) -> Self {
        Self(Arc::new(AtomicI64::new(steps)))
    }

    /// One step; an error when the fuse is burnt.
    pub(crate) fn step(&self) -> Result<(), &'static str> {
        if self.0.fetch_sub(1, Ordering::SeqCst) > 0 {
            Ok(())
        } else {
            Err("killed")
        }
    }

    pub(crate) fn is_burnt(&self) -> bool {
        self.0.load(Ordering::SeqCst) < 0
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is done and answered.
    Good,
    /// It is not done.
    Fails(Kind),
    /// It is done, and the answer is lost.
    Unanswered(Kind),
    /// It is neither done nor answered.
    BlackHole,
    /// It is done, and its answer has another ETag.
    WrongEtag,
    /// It is done, and its answer has another checksum.
    WrongChecksum,
    /// It is answered as if done, and is not.
    Lost,
}

pub(crate) const FATES: [Fate; 10] = [
    Fate::Fails(Kind::Busy),
    Fate::Fails(Kind::Denied),
    Fate::Fails(Kind::Credentials),
    Fate::Fails(Kind::Unanswered),
    Fate::Unanswered(Kind::Unanswered),
    Fate::Unanswered(Kind::Busy),
    Fate::BlackHole,
    Fate::WrongEtag,
    Fate::WrongChecksum,
    Fate::Lost,
];

/// What the store knows, and what it was asked.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    pub(crate) objects: BTreeMap<String, (Object, Vec<u8>)>,
    pub(crate) uploads: HashMap<String, (Object, BTreeMap<u32, Vec<u8>>)>,
    /// How often an object was made.
    pub(crate) made: HashMap<String, u32>,
    pub(crate) asked: Vec<&'static str>,
    next: u64,
}

type Plan = Box<dyn Fn(u64, &'static str, &str) -> Fate + Send + std::marker::Sync>;

/// A store in memory.
#[derive(Clone)]
pub(crate) struct MemoryStore {
    pub(crate) bucket: Arc<Mutex<Bucket>>,
    pub(crate) fuse: Fuse,
    plan: Arc<Plan>,
    count: Arc<AtomicU64>,
    /// It knows If-None-Match.
    pub(crate) guards: bool,
    /// HeadObject is allowed.
    pub(crate) heads: bool,
    /// It answers with checksums.
    pub(crate) checksums: bool,
}

impl MemoryStore {
    /// With the fate of each request, by its number from 0, its operation and its key.
    pub(crate) fn new(
        plan: impl Fn(u64, &'static str, &str) -> Fate + Send + std::marker::Sync + 'static,
    ) -> Self {
        Self {
            bucket: Arc::default(),
            fuse: Fuse::default(),
            plan: Arc::new(Box::new(plan)),
            count: Arc::default(),
            guards: true,
            heads: false,
            checksums: true,
        }
    }

    pub(crate) fn good() -> Self {
        Self::new(|_, _, _| Fate::Good)
    }

    /// The same store, seen by the next run.
    pub(crate) fn with_fuse(&self, fuse: Fuse) -> Self {
        Self {
            fuse,
            ..self.clone()
        }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// One request: killed before it is done, done, or killed before its answer comes.
    async fn request(
        &self,
        operation: &'static str,
        key: &str,
        done: impl FnOnce(&mut Bucket) -> Result<Receipt, StoreError>,
    ) -> Result<Receipt, StoreError> {
        let killed = |_| StoreError::new(Kind::Unanswered, operation, "killed");
        self.fuse.step().map_err(killed)?;
        lock(&self.bucket).asked.push(operation);
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        let fate = (self.plan)(number, operation, key);
        let result = match fate {
            Fate::Fails(kind) => Err(StoreError::new(kind, operation, "as planned")),
            Fate::BlackHole => std::future::pending().await,
            Fate::Lost if operation == "UploadPart" => {
                let mut copy = Bucket::default();
                copy.uploads.clone_from(&lock(&self.bucket).uploads);
                done(&mut copy)
            }
            _ => done(&mut lock(&self.bucket)),
        };
        self.fuse.step().map_err(killed)?;
        let mut receipt = result?;
        match fate {
            Fate::Unanswered(kind) => return Err(StoreError::new(kind, operation, "as planned")),
            Fate::WrongEtag => receipt.etag = Some("0".repeat(32)),
            Fate::WrongChecksum => {
                receipt.sha256 = Some("x".into());
                receipt.crc64 = Some("x".into());
            }
            _ => {}
        }
        Ok(receipt)
    }

    fn receipt(&self, sums: &Sums) -> Receipt {
        Receipt {
            etag: Some(hex(&sums.md5)),
            sha256: self.checksums.then(|| sums.sha256_base64()),
            crc64: None,
            opaque: false,
        }
    }
}

impl Bucket {
    fn make(&mut self, object: &Object, bytes: Vec<u8>, guard: bool) -> Result<(), StoreError> {
        if guard && self.objects.contains_key(&object.key) {
            return Err(StoreError::new(Kind::Exists, "Put", "412"));
        }
        *self.made.entry(object.key.clone()).or_default() += 1;
        self.objects
            .insert(object.key.clone(), (object.clone(), bytes));
        Ok(())
    }
}

fn read(piece: &Piece) -> Vec<u8> {
    let mut file = std::fs::File::open(&piece.path).unwrap();
    file.seek(SeekFrom::Start(piece.offset)).unwrap();
    let mut bytes = Vec::new();
    file.take(piece.sums.length)
        .read_to_end(&mut bytes)
        .unwrap();
    assert_eq!(Sums::of(&bytes[..]).unwrap(), piece.sums);
    bytes
}

impl Store for MemoryStore {
    async fn put(&self, object: &Object, body: &Piece, guard: bool) -> Result<Receipt, StoreError> {
        self.request("PutObject", &object.key, |bucket| {
            bucket.make(object, read(body), guard && self.guards)?;
            Ok(self.receipt(&body.sums))
        })
        .await
    }

    async fn create(&self, object: &Object) -> Result<String, StoreError> {
        let made = self.request("CreateMultipartUpload", &object.key, |bucket| {
            bucket.next += 1;
            let id = format!("upload-{}", bucket.next);
            bucket
                .uploads
                .insert(id.clone(), (object.clone(), BTreeMap::new()));
            Ok(Receipt {
                etag: Some(id),
                ..Receipt::default()
            })
        });
        let id = made.await?.etag.unwrap_or_default();
        if id.starts_with("upload") {
            Ok(id)
        } else {
            Err(StoreError::new(
                Kind::Unanswered,
                "CreateMultipartUpload",
                "no id",
            ))
        }
    }

    async fn part(
        &self,
        upload: Upload<'_>,
        number: u32,
        body: &Piece,
    ) -> Result<Receipt, StoreError> {
        self.request("UploadPart", upload.key, |bucket| {
            let no_upload = StoreError::new(Kind::NoUpload, "UploadPart", "404");
            let (_, parts) = bucket.uploads.get_mut(upload.id).ok_or(no_upload)?;
            parts.insert(number, read(body));
            Ok(self.receipt(&body.sums))
        })
        .await
    }

    async fn complete(
        &self,
        upload: Upload<'_>,
        whole: &Whole,
        guard: bool,
    ) -> Result<Receipt, StoreError> {
        self.request("CompleteMultipartUpload", upload.key, |bucket| {
            let operation = "CompleteMultipartUpload";
            let no_upload = || StoreError::new(Kind::NoUpload, operation, "404");
            let (object, parts) = bucket.uploads.get(upload.id).ok_or_else(no_upload)?;
            let (object, mut bytes) = (object.clone(), Vec::new());
            let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
            for (number, Part { etag, sums }) in (1..).zip(&whole.parts) {
                let part = parts.get(&number).filter(|part| {
                    let kept = Sums::of(&part[..]).unwrap();
                    hex(&kept.md5) == *etag && kept == *sums
                });
                let bad = || StoreError::new(Kind::BadParts, operation, "InvalidPart");
                bytes.extend(part.ok_or_else(bad)?);
                md5.update(sums.md5);
                sha256.update(sums.sha256);
            }
            bucket.make(&object, bytes, guard && self.guards)?;
            bucket.uploads.remove(upload.id);
            let count = whole.parts.len();
            Ok(Receipt {
                etag: Some(format!("{}-{count}", hex(&md5.finalize()))),
                sha256: (self.checksums)
                    .then(|| format!("{}-{count}", STANDARD.encode(sha256.finalize()))),
                crc64: whole.crc64.map(crc64_base64),
                opaque: false,
            })
        })
        .await
    }

    async fn abort(&self, upload: Upload<'_>) -> Result<(), StoreError> {
        let aborted = self.request("AbortMultipartUpload", upload.key, |bucket| {
            let no_upload = StoreError::new(Kind::NoUpload, "AbortMultipartUpload", "404");
            bucket.uploads.remove(upload.id).ok_or(no_upload)?;
            Ok(Receipt::default())
        });
        aborted.await.map(|_| ())
    }

    async fn uploads(&self, key: &str) -> Result<Vec<String>, StoreError> {
        let mut found = Vec::new();
        let listed = self.request("ListMultipartUploads", key, |bucket| {
            let all = bucket.uploads.iter();
            let own = all.filter(|(_, (object, _))| object.key == key);
            found.extend(own.map(|(id, _)| id.clone()));
            Ok(Receipt::default())
        });
        listed.await?;
        Ok(found)
    }

    async fn head(&self, key: &str) -> Result<Option<Found>, StoreError> {
        if !self.heads {
            return Err(StoreError::new(Kind::Denied, "HeadObject", "403"));
        }
        let bucket = lock(&self.bucket);
        Ok(bucket.objects.get(key).map(|(_, bytes)| Found {
            length: bytes.len() as u64,
            receipt: self.receipt(&Sums::of(&bytes[..]).unwrap()),
        }))
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryStore")
    }
}
