//! Bytes from the client between their record and their queue: a callback need not wait for each
//! commit, and no byte is queued before its own.

use super::inbox::{Inbox, Packet};
use auditssh_archive::{Commit, RecordError};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

/// Packets that may wait for their commits, per connection; at 32 KiB each that is half a MiB.
const PACKETS: usize = 16;

/// The way of recorded bytes to their queues.
pub(super) type Relay = mpsc::Sender<Item>;

/// Something for a queue.
pub(super) struct Item {
    /// Where it goes.
    pub(super) inbox: Arc<Inbox>,
    /// The bytes and their record; `None` for the end of all bytes.
    pub(super) recorded: Option<(Packet, Commit)>,
}

pub(super) fn start(over: &CancellationToken, span: &Span) -> Relay {
    let (sender, receiver) = mpsc::channel(PACKETS);
    let over = over.clone();
    let relaying = async move {
        if let Err(error) = run(receiver, &over).await {
            // Nothing more is forwarded; the recorder's own failure ends the connection.
            tracing::debug!(%error, "bytes from the client were not recorded");
            over.cancelled().await;
        }
    };
    tokio::spawn(relaying.instrument(span.clone()));
    sender
}

/// What came before the end of the connection still reaches its queue.
async fn run(
    mut receiver: mpsc::Receiver<Item>,
    over: &CancellationToken,
) -> Result<(), RecordError> {
    loop {
        let next = tokio::select! {
            biased;
            () = over.cancelled(), if !receiver.is_closed() => {
                receiver.close();
                continue;
            }
            next = receiver.recv() => next,
        };
        let Some(Item { inbox, recorded }) = next else {
            return Ok(());
        };
        match recorded {
            Some((packet, commit)) => {
                commit.await?;
                inbox.put(packet);
            }
            None => inbox.end(),
        }
    }
}
