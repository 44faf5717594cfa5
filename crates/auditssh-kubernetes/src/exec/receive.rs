//! From the socket to the session.

use super::status::End;
use super::{ENDED, Explain, Pulse, STATUS, STDERR, STDOUT};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::SplitStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

pub(super) struct Receiver<S> {
    pub(super) source: SplitStream<WebSocketStream<S>>,
    pub(super) stdout: Option<DuplexStream>,
    pub(super) stderr: Option<DuplexStream>,
    pub(super) pulse: Arc<Pulse>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Receiver<S> {
    /// Hands on what comes, until the end is told or nothing more comes; `silent` says that nobody
    /// answers any more.
    pub(super) async fn run(
        mut self,
        silent: CancellationToken,
        told: oneshot::Sender<End>,
        explain: Explain,
    ) {
        let carried = tokio::select! {
            end = self.carry() => end,
            () = silent.cancelled() => Err("it does not answer".to_owned()),
        };
        let end = match carried {
            Ok(end) => end,
            Err(why) => {
                let lost = explain.await;
                self.say(lost.notice).await;
                End::Lost(format!("{} (the connection to it: {why})", lost.reason))
            }
        };
        // Before the streams end: who reads them to the end then asks for it.
        let _ = told.send(end);
    }

    async fn carry(&mut self) -> Result<End, String> {
        loop {
            match self.source.next().await {
                Some(Ok(Message::Binary(message))) => {
                    if let Some(end) = self.message(message).await {
                        return Ok(end);
                    }
                }
                Some(Ok(Message::Pong(number))) => self.answered(&number),
                Some(Ok(Message::Close(_))) | None => {
                    return Err("it was closed before the program's end was told".to_owned());
                }
                Some(Ok(_)) => {}
                Some(Err(Error::Io(_))) => return Err("it was cut".to_owned()),
                Some(Err(error)) => return Err(error.to_string()),
            }
        }
    }

    async fn message(&mut self, mut message: Bytes) -> Option<End> {
        if message.is_empty() {
            return None;
        }
        let channel = message.split_to(1);
        match (channel.first(), message.first()) {
            (Some(&STDOUT), _) => give(&mut self.stdout, &message, &self.pulse).await,
            (Some(&STDERR), _) => give(&mut self.stderr, &message, &self.pulse).await,
            // An empty one is how some servers open the channel.
            (Some(&STATUS), Some(_)) => return Some(End::of(&message)),
            (Some(&ENDED), Some(&STDOUT)) => self.stdout = None,
            (Some(&ENDED), Some(&STDERR)) => self.stderr = None,
            _ => {}
        }
        None
    }

    fn answered(&self, number: &[u8]) {
        if let Ok(number) = number.try_into() {
            let number = u64::from_be_bytes(number);
            self.pulse.answered.fetch_max(number, Ordering::Relaxed);
        }
    }

    /// The last words of a session whose place is gone.
    async fn say(&mut self, notice: &str) {
        let line = format!("\r\n{notice}\r\n");
        let stream = if self.stderr.is_some() {
            &mut self.stderr
        } else {
            &mut self.stdout
        };
        give(stream, line.as_bytes(), &self.pulse).await;
    }
}

/// Waits while the session does not take it, which holds the program back.
async fn give(stream: &mut Option<DuplexStream>, bytes: &[u8], pulse: &Pulse) {
    let Some(open) = stream else { return };
    pulse.held.store(true, Ordering::Relaxed);
    if open.write_all(bytes).await.is_err() {
        // Nobody wants it any more.
        *stream = None;
    }
    pulse.held.store(false, Ordering::Relaxed);
}
