//! The bucket for those who read logs: which there are, and what is in them.

use super::answer::failed;
use super::client::Clients;
use crate::error::{Kind, StoreError};
use crate::settings::Connection;
use aws_sdk_s3::primitives::ByteStream;
use std::io::{self, Read};
use tokio::runtime::{Handle, Runtime};

/// A bucket to read from, for programs without an async runtime.
#[derive(Debug)]
pub struct Bucket {
    threads: Threads,
    clients: Clients,
    name: String,
}

/// The threads on which requests are made. They end without being waited for, so that this may be
/// dropped wherever it is.
#[derive(Debug)]
struct Threads {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Threads {
    fn start() -> io::Result<Self> {
        let mut threads = tokio::runtime::Builder::new_multi_thread();
        let runtime = threads.worker_threads(1).enable_all().build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// An object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was put there: Unix time in nanoseconds.
    pub modified: i64,
}

/// The bytes of an object, as they come.
#[derive(Debug)]
pub struct Download {
    runtime: Handle,
    stream: ByteStream,
    rest: Vec<u8>,
    taken: usize,
    length: u64,
}

impl Bucket {
    /// A bucket by name, reached as `connection` says but for its own bucket.
    pub fn new(connection: &Connection, name: &str) -> io::Result<Self> {
        Ok(Self {
            threads: Threads::start()?,
            clients: Clients::to_read(connection.clone()),
            name: name.to_owned(),
        })
    }

    /// Hands on the objects whose keys begin with `prefix`, until `each` fails.
    pub fn list<E: From<StoreError>>(
        &self,
        prefix: &str,
        mut each: impl FnMut(Listed) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut next = None;
        loop {
            let page = self.threads.handle.block_on(async {
                let client = self.clients.get().await;
                let request = client
                    .list_objects_v2()
                    .bucket(&self.name)
                    .prefix(prefix)
                    .set_continuation_token(next.take());
                request.send().await
            });
            let page = page.map_err(|error| failed("ListObjectsV2", &error))?;
            for object in page.contents() {
                each(Listed {
                    key: object.key().unwrap_or_default().to_owned(),
                    size: object
                        .size()
                        .and_then(|size| size.try_into().ok())
                        .unwrap_or(0),
                    modified: object
                        .last_modified()
                        .and_then(|time| time.as_nanos().try_into().ok())
                        .unwrap_or(0),
                })?;
            }
            match page.next_continuation_token() {
                Some(token) if page.is_truncated() == Some(true) => next = Some(token.to_owned()),
                _ => return Ok(()),
            }
        }
    }

    /// Opens an object.
    pub fn open(&self, key: &str) -> Result<Download, StoreError> {
        self.get(key, None)
    }

    /// The same, for its last bytes alone.
    pub fn end(&self, key: &str, bytes: u64) -> Result<Download, StoreError> {
        self.get(key, Some(format!("bytes=-{bytes}")))
    }

    /// Puts a small object there, in place of one of that key.
    pub fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let answer = self.threads.handle.block_on(async {
            let client = self.clients.get().await;
            let request = client.put_object().bucket(&self.name).key(key);
            request.body(bytes.into()).send().await
        });
        answer
            .map(drop)
            .map_err(|error| failed("PutObject", &error))
    }

    fn get(&self, key: &str, range: Option<String>) -> Result<Download, StoreError> {
        let operation = "GetObject";
        let answer = self.threads.handle.block_on(async {
            let client = self.clients.get().await;
            let request = client.get_object().bucket(&self.name).key(key);
            request.set_range(range).send().await
        });
        let answer = answer.map_err(|error| {
            let mut error = failed(operation, &error);
            if error.kind == Kind::NoBucket && error.text.contains("NoSuchKey") {
                error.text = format!("no object `{key}` is in the bucket");
            }
            error
        })?;
        Ok(Download {
            runtime: self.threads.handle.clone(),
            length: (answer.content_length())
                .and_then(|length| length.try_into().ok())
                .unwrap_or(0),
            stream: answer.body,
            rest: Vec::new(),
            taken: 0,
        })
    }
}

impl Download {
    /// How long the object is, in bytes.
    pub const fn length(&self) -> u64 {
        self.length
    }
}

impl Read for Download {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.rest.len() {
            match self.runtime.block_on(self.stream.try_next()) {
                Ok(Some(more)) => (self.rest, self.taken) = (more.to_vec(), 0),
                Ok(None) => return Ok(0),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        let rest = self.rest.get(self.taken..).unwrap_or_default();
        let length = rest.len().min(bytes.len());
        if let (Some(into), Some(from)) = (bytes.get_mut(..length), rest.get(..length)) {
            into.copy_from_slice(from);
        }
        self.taken += length;
        Ok(length)
    }
}
