//! Events of a watch, one JSON document a line.

use super::ApiError;
use super::error::chain;
use bytes::{Buf as _, BytesMut};
use http_body_util::BodyExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::client::Body;
use kube::core::WatchEvent;

/// Bytes of the longest event that is read.
const EVENT_BYTES: usize = 4 * 1024 * 1024;

/// A watch that goes on.
pub(crate) struct Watch {
    body: Body,
    buffer: BytesMut,
}

/// What was seen of the pod.
pub(crate) enum Seen {
    /// It is like this now.
    There(Box<Pod>),
    /// It is deleted.
    Gone,
}

impl Watch {
    pub(super) fn new(body: Body) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
        }
    }

    /// The next event; `None` at the end, after which another watch may be begun.
    pub(crate) async fn next(&mut self) -> Result<Option<Seen>, ApiError> {
        loop {
            let Some(line) = self.line().await? else {
                return Ok(None);
            };
            let event: WatchEvent<Pod> = serde_json::from_slice(&line)
                .map_err(|_| ApiError::Nonsense("not an event of a pod"))?;
            match event {
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) => {
                    return Ok(Some(Seen::There(Box::new(pod))));
                }
                WatchEvent::Deleted(_) => return Ok(Some(Seen::Gone)),
                WatchEvent::Bookmark(_) => {}
                // Most often: the version is too old.
                WatchEvent::Error(_) => return Ok(None),
            }
        }
    }

    async fn line(&mut self) -> Result<Option<BytesMut>, ApiError> {
        let mut searched = 0;
        loop {
            let unseen = self.buffer.iter().skip(searched);
            if let Some(at) = unseen.copied().position(|byte| byte == b'\n') {
                let line = self.buffer.split_to(searched + at);
                self.buffer.advance(1);
                return Ok(Some(line));
            }
            searched = self.buffer.len();
            if searched > EVENT_BYTES {
                return Err(ApiError::Nonsense("an event without end"));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.buffer.extend_from_slice(bytes);
                    }
                }
                Some(Err(error)) => return Err(ApiError::Unreachable(chain(&error))),
                None => return Ok(None),
            }
        }
    }
}
