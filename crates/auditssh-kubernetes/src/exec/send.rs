//! From the session to the socket.

use super::{ENDED, Pulse, RESIZE, STDIN};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::SinkExt as _;
use futures::stream::SplitSink;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_util::sync::CancellationToken;

/// Bytes of input in one message.
const PIECE: usize = 32 * 1024;
/// How often the other side is asked whether it is there; proxies drop what is idle for a minute.
const PING: Duration = Duration::from_secs(25);
/// How many of those may be unanswered.
const UNANSWERED: u64 = 3;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a session asks of its terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// To be of another size.
    Resize { columns: u16, rows: u16 },
}

pub(super) struct Sender<S> {
    pub(super) sink: SplitSink<WebSocketStream<S>, Message>,
    pub(super) half_close: bool,
    pub(super) pulse: Arc<Pulse>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sender<S> {
    /// Sends input and orders until the socket is to be closed; `lost` tells that nobody answers.
    pub(super) async fn run(
        mut self,
        input: DuplexStream,
        orders: mpsc::Receiver<Order>,
        lost: CancellationToken,
        open: CancellationToken,
    ) {
        tokio::select! {
            // What can't be sent: the receiver sees the same, with what was sent before it.
            _ = self.carry(input, orders, lost) => open.cancelled().await,
            () = open.cancelled() => {}
        }
        let _ = timeout(GOODBYE, self.sink.close()).await;
    }

    async fn carry(
        &mut self,
        mut input: DuplexStream,
        mut orders: mpsc::Receiver<Order>,
        lost: CancellationToken,
    ) -> Result<(), tungstenite::Error> {
        let mut pings = interval_at(Instant::now() + PING, PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut reading, mut ordering) = (true, true);
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(1 + PIECE);
            buffer.put_u8(STDIN);
            let mut room = (&mut buffer).limit(PIECE);
            tokio::select! {
                read = input.read_buf(&mut room), if reading => {
                    if matches!(read, Ok(0) | Err(_)) {
                        reading = false;
                        buffer.clear();
                        self.end_of_input().await?;
                    } else {
                        self.expect_delay();
                        self.binary(buffer.split().freeze()).await?;
                    }
                }
                order = orders.recv(), if ordering => {
                    buffer.clear();
                    match order {
                        Some(order) => self.binary(message(order)).await?,
                        None => ordering = false,
                    }
                }
                _ = pings.tick() => {
                    buffer.clear();
                    if self.is_silent() {
                        lost.cancel();
                    }
                    let number = self.pulse.sent.fetch_add(1, Ordering::Relaxed) + 1;
                    let number = Bytes::copy_from_slice(&number.to_be_bytes());
                    self.sink.send(Message::Ping(number)).await?;
                }
            }
        }
    }

    async fn binary(&mut self, message: Bytes) -> Result<(), tungstenite::Error> {
        self.sink.send(Message::Binary(message)).await
    }

    async fn end_of_input(&mut self) -> Result<(), tungstenite::Error> {
        if self.half_close {
            return self.binary(Bytes::from_static(&[ENDED, STDIN])).await;
        }
        tracing::debug!("protocol 4 can't tell a program that its input has ended");
        Ok(())
    }

    /// The server reads on when the program has taken the input, and answers then.
    fn expect_delay(&self) {
        let next = self.pulse.sent.load(Ordering::Relaxed) + 1;
        self.pulse.behind_input.store(next, Ordering::Relaxed);
    }

    /// Whether nobody is there: pings are not answered, and neither does input wait for the program
    /// nor output for the client.
    fn is_silent(&self) -> bool {
        let pulse = &self.pulse;
        let answered = pulse.answered.load(Ordering::Relaxed);
        let taken = answered >= pulse.behind_input.load(Ordering::Relaxed);
        let missing = pulse.sent.load(Ordering::Relaxed) - answered;
        taken && missing >= UNANSWERED && !pulse.held.load(Ordering::Relaxed)
    }
}

fn message(order: Order) -> Bytes {
    let Order::Resize { columns, rows } = order;
    let mut bytes = vec![RESIZE];
    bytes.extend(format!(r#"{{"Width":{columns},"Height":{rows}}}"#).into_bytes());
    bytes.into()
}
