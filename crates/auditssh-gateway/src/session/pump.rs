//! Bytes between a running program and its channel, and its end.

use super::inbox::Inbox;
use super::{Channel, Ended, Link};
use crate::backend::{Exit, Process};
use auditssh_archive::{Commit, RecordError};
use auditssh_log::Event;
use auditssh_log::message::{ExitStatus, Io, RequestFailed, Stream};
use bytes::{BufMut, Bytes, BytesMut};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::SemaphorePermit;
use tokio::sync::mpsc::{self, OwnedPermit};
use tracing::Instrument;

/// Bytes that are read from a program at a time, and recorded as one message.
const PIECE: usize = 32 * 1024;
/// Pieces of one channel that may wait to be recorded and sent.
const PIECES: usize = 8;
/// How long the end of the outputs waits for the end of the program, to be told after it: some
/// clients close the channel once both sides have said "no more", and would never hear how the
/// program ended.
const END_OF_OUTPUT: Duration = Duration::from_millis(250);

type Ending = Shared<BoxFuture<'static, Exit>>;

/// Bytes that are recorded and may be sent.
struct Piece {
    stream: Stream,
    bytes: Bytes,
}

/// A piece that is being recorded, with its place among those that wait to be sent: so what waits
/// for a slow client holds none of the room that the connection's channels share.
struct Recorded<'a> {
    piece: Piece,
    commit: Commit,
    room: SemaphorePermit<'a>,
    place: OwnedPermit<Piece>,
}

/// Begins to carry bytes; the task ends after the channel's last event is recorded.
pub(super) fn spawn(channel: Arc<Channel>, link: Arc<Link>, process: Process, request_id: u64) {
    let (tasks, span) = (link.tasks.clone(), link.span.clone());
    let pumping = async move {
        let exit: Ending = process.exit.shared();
        let output = async {
            let carried = tokio::select! {
                result = carry(&channel, &link, process.stdout, process.stderr) => Some(result),
                () = channel.unheard() => None,
            };
            match carried {
                Some(Ok(())) => orderly(&channel, &link, exit, request_id).await,
                Some(Err(error)) => {
                    tracing::debug!(%error, channel = channel.number, "output is not passed on");
                    if let Ended::Recording(RecordError::Behind) = error {
                        // The recorder goes on; this connection must not, with a hole in its
                        // record.
                        link.disconnect(&error.to_string()).await;
                    }
                    abrupt(&channel, &link, exit, request_id).await;
                }
                None => abrupt(&channel, &link, exit, request_id).await,
            }
        };
        // A program that has closed its outputs may still read, and the end of its input is not
        // its own end.
        let input = async {
            feed(&channel.inbox, process.stdin).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = output => {}
            () = input => {}
        }
        channel.inbox.close();
        link.remove(channel.key);
    };
    tasks.spawn(pumping.instrument(span));
}

/// Carries output until the program has closed it, and records that.
pub(super) async fn carry(
    channel: &Channel,
    link: &Link,
    stdout: Box<dyn AsyncRead + Send + Unpin>,
    stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
) -> Result<(), Ended> {
    let (recorded, recordings) = mpsc::channel(PIECES);
    let (pieces, queue) = mpsc::channel(PIECES);
    let ways = (recorded, pieces);
    let out = read(channel, link, Stream::Stdout, stdout, ways.clone());
    let err = async {
        if let Some(stderr) = stderr {
            read(channel, link, Stream::Stderr, stderr, ways).await
        } else {
            drop(ways);
            Ok(())
        }
    };
    let (recorded, delivered) = (forward(recordings), send(channel, link, queue));
    tokio::try_join!(out, err, recorded, delivered)?;
    link.record(channel.entry(Event::CloseWrite)).await
}

pub(super) async fn feed(inbox: &Inbox, mut stdin: Box<dyn AsyncWrite + Send + Unpin>) {
    while let Some(packet) = inbox.take().await {
        if stdin.write_all(&packet.bytes).await.is_err() || stdin.flush().await.is_err() {
            // The program takes no more; what still comes is recorded and dropped.
            inbox.close();
            return;
        }
        inbox.delivered(packet);
    }
    let _ = stdin.shutdown().await;
}

/// Reads, and records in the order in which both streams of a channel are sent; the next piece is
/// read while the last is being recorded. The connection's channels share the room for what waits
/// to be recorded.
async fn read<'a>(
    channel: &Channel,
    link: &'a Link,
    stream: Stream,
    mut from: Box<dyn AsyncRead + Send + Unpin>,
    (recorded, pieces): (mpsc::Sender<Recorded<'a>>, mpsc::Sender<Piece>),
) -> Result<(), Ended> {
    let mut buffer = BytesMut::new();
    loop {
        let place = pieces.clone().reserve_owned().await;
        let place = place.map_err(|_| Ended::Over)?;
        buffer.reserve(PIECE);
        match from.read_buf(&mut (&mut buffer).limit(PIECE)).await {
            Ok(0) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
        let bytes = buffer.split().freeze();
        let event = Event::Io(Io {
            stream,
            data: bytes.to_vec(),
        });
        let room = link.output.acquire().await.map_err(|_| Ended::Over)?;
        // No wait between these two: the other stream must not come between them.
        let commit = link.recorder.append(channel.entry(event));
        let recording = Recorded {
            piece: Piece { stream, bytes },
            commit,
            room,
            place,
        };
        // There is room: as many pieces have places as this queue holds.
        recorded.try_send(recording).map_err(|_| Ended::Over)?;
    }
}

/// Hands on what is recorded.
async fn forward(mut queue: mpsc::Receiver<Recorded<'_>>) -> Result<(), Ended> {
    while let Some(recorded) = queue.recv().await {
        recorded.commit.await?;
        drop(recorded.room);
        recorded.place.send(recorded.piece);
    }
    Ok(())
}

async fn send(
    channel: &Channel,
    link: &Link,
    mut queue: mpsc::Receiver<Piece>,
) -> Result<(), Ended> {
    while let Some(piece) = queue.recv().await {
        let _unsent = link.unsent.hold(piece.bytes.len());
        match piece.stream {
            Stream::Stderr => channel.outlet.stderr(piece.bytes).await?,
            _ => channel.outlet.data(piece.bytes).await?,
        }
    }
    Ok(())
}

/// The program has closed its outputs: wait for its end, tell the client, close the channel.
async fn orderly(channel: &Channel, link: &Link, exit: Ending, request_id: u64) {
    let mut told = false;
    let ended = loop {
        tokio::select! {
            biased;
            ended = exit.clone() => break ended,
            () = channel.unheard() => return abrupt(channel, link, exit, request_id).await,
            () = tokio::time::sleep(END_OF_OUTPUT), if !told => {
                told = true;
                let _ = channel.outlet.eof().await;
            }
        }
    };
    let last_words = async {
        link.record(channel.entry(event(&ended, request_id)))
            .await?;
        channel.outlet.exit(&ended).await?;
        if !told {
            channel.outlet.eof().await?;
        }
        channel.end_session().await;
        if channel.mark_closed() {
            link.record(channel.entry(Event::Close)).await?;
        }
        channel.vacate();
        channel.outlet.close().await
    };
    let said: Result<(), Ended> = tokio::select! {
        // First, so that the end is recorded even if nobody is there to be told.
        biased;
        said = last_words => said,
        () = channel.unheard() => Err(Ended::Over),
    };
    if let Err(error) = said {
        tracing::debug!(%error, channel = channel.number, "the end could not be told");
    }
    channel.abandon().await;
    channel.record_close(&link.recorder);
}

/// The client is gone: end the program, and record how it ended if that takes no longer than
/// the disconnect may wait. If the client has closed the channel, what it sent before may first
/// have its effect, for a while ([`Link::late`]).
async fn abrupt(channel: &Channel, link: &Link, exit: Ending, request_id: u64) {
    let grace = link.settings.limits.disconnect_grace;
    if channel.hung_up.is_cancelled() {
        tokio::select! {
            _ = exit.clone() => {}
            () = link.late() => {}
            _ = link.recorder.failed() => {}
        }
    }
    channel.abandon().await;
    if let Ok(ended) = tokio::time::timeout(grace, exit).await {
        let recorded = link
            .recorder
            .append(channel.entry(event(&ended, request_id)));
        drop(recorded);
    }
    channel.record_close(&link.recorder);
}

fn event(exit: &Exit, request_id: u64) -> Event {
    match exit {
        Exit::Status(exit_status) => Event::ExitStatus(ExitStatus {
            exit_status: *exit_status,
        }),
        Exit::Signal(signal) => Event::ExitSignal(signal.clone()),
        Exit::Unknown(reason) => Event::RequestFailed(RequestFailed {
            request_id,
            reason: reason.as_str().into(),
        }),
    }
}
