//! Bytes of a forwarded connection, and its end.

use super::{Channel, Ended, Link, pump};
use crate::backend::Pipe;
use auditssh_archive::RecordError;
use futures::FutureExt;
use futures::future::{BoxFuture, OptionFuture};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::Instrument;

/// How long a client may take to close a channel of which both directions have ended. The SSH
/// library keeps something of every channel that the server closed first; and some clients never
/// close first, but wait (`ssh -W`).
const CLIENT_CLOSES: Duration = Duration::from_millis(500);

/// Begins to carry bytes; the task ends after the channel's last event is recorded.
pub(super) fn spawn(channel: Arc<Channel>, link: Arc<Link>, pipe: Pipe) {
    let (tasks, span) = (link.tasks.clone(), link.span.clone());
    let carrying = async move {
        let Pipe {
            reader,
            writer,
            gone,
            held,
        } = pipe;
        tokio::select! {
            () = exchange(&channel, &link, reader, writer, gone) => {}
            () = vanished(&channel) => {}
        }
        drop(held);
        end(&channel, &link).await;
    };
    tasks.spawn(carrying.instrument(span));
}

/// Carries bytes both ways until both directions have ended, each by itself, and the far end has
/// closed: a host forgets with its connection what it still holds for a receiver that is slow.
async fn exchange(
    channel: &Channel,
    link: &Link,
    reader: Box<dyn AsyncRead + Send + Unpin>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    gone: Option<BoxFuture<'static, ()>>,
) {
    let gone = gone.map(FutureExt::shared);
    let output = async {
        tokio::select! {
            carried = pump::carry(channel, link, reader, None) => told(channel, link, carried).await,
            // Nobody is there to take any.
            () = channel.hung_up.cancelled() => {}
        }
    };
    let input = async {
        tokio::select! {
            () = pump::feed(&channel.inbox, writer) => {}
            Some(()) = OptionFuture::from(gone.clone()) => {}
        }
        channel.inbox.close();
    };
    let whole = async {
        tokio::join!(output, input);
        OptionFuture::from(gone.clone()).await;
        let _ = tokio::time::timeout(CLIENT_CLOSES, channel.hung_up.cancelled()).await;
    };
    // What a client sent before it closed the channel arrives, if somebody takes it.
    let late = async {
        channel.hung_up.cancelled().await;
        link.late().await;
    };
    tokio::select! {
        () = whole => {}
        () = late => {}
    }
}

/// Resolves when the client is gone without a word. If it has closed the channel, what it sent before
/// has its time.
async fn vanished(channel: &Channel) {
    channel.gone.cancelled().await;
    if channel.hung_up.is_cancelled() {
        std::future::pending::<()>().await;
    }
}

async fn told(channel: &Channel, link: &Link, carried: Result<(), Ended>) {
    let ended = match carried {
        Ok(()) => channel.outlet.eof().await,
        Err(error) => Err(error),
    };
    let Err(error) = ended else { return };
    tracing::debug!(%error, channel = channel.number, "bytes are not passed on");
    if let Ended::Recording(RecordError::Behind) = error {
        // The recorder goes on; this connection must not, with a hole in its record.
        link.disconnect(&error.to_string()).await;
    }
}

/// Closes the channel, unless the client has.
pub(super) async fn end(channel: &Channel, link: &Link) {
    channel.inbox.close();
    link.remove(channel.key);
    let closing = async {
        if channel.mark_closed() {
            let event = channel.entry(auditssh_log::Event::Close);
            if link.record(event).await.is_ok() {
                channel.vacate();
                let _ = channel.outlet.close().await;
            }
        }
    };
    tokio::select! {
        () = closing => {}
        () = channel.gone.cancelled() => {}
    }
    channel.record_close(&link.recorder);
    channel.vacate();
    channel.let_go();
}
