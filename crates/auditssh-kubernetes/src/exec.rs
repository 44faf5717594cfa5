//! A program that runs in a pod, over one WebSocket.
//!
//! Each binary message begins with the number of a channel: 0 input, 1 output, 2 errors, 3 the end
//! (a `Status`), 4 the size of the terminal, and with protocol 5 also 255: the channel whose number
//! follows has ended. So protocol 5 can tell a program that its input has ended. Protocol 4 can't:
//! closing the socket would, but would cut the output as well, so nothing is closed.

mod receive;
mod send;
mod status;
#[cfg(test)]
mod tests;

pub(crate) use send::Order;
pub(crate) use status::End;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use kube::client::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const RESIZE: u8 = 4;
const ENDED: u8 = 255;

/// Bytes of each stream that may wait between the socket and the session.
const BUFFER: usize = 64 * 1024;
/// Orders that may wait to be sent.
const ORDERS: usize = 16;

/// What the socket's two tasks know of each other.
#[derive(Default)]
struct Pulse {
    /// Pings that were sent.
    sent: AtomicU64,
    /// The number of the last ping that was answered.
    answered: AtomicU64,
    /// The first ping that is answered only when the input before it was taken.
    behind_input: AtomicU64,
    /// What comes waits for a slow client.
    held: AtomicBool,
}

/// Why nothing is known of a program's end, for the log and for the user.
pub(crate) type Explain = BoxFuture<'static, Lost>;

/// What became of the place where a program ran.
pub(crate) struct Lost {
    /// For the administrator.
    pub(crate) reason: String,
    /// For the user, as one line.
    pub(crate) notice: &'static str,
}

/// A program's streams; dropped, the socket is closed, which does not end the program.
pub(crate) struct Exec {
    pub(crate) stdin: DuplexStream,
    pub(crate) stdout: DuplexStream,
    /// `None` with a terminal.
    pub(crate) stderr: Option<DuplexStream>,
    pub(crate) orders: mpsc::Sender<Order>,
    pub(crate) end: oneshot::Receiver<End>,
    pub(crate) open: DropGuard,
}

impl Exec {
    /// Takes over a socket. `kill` closes it at once.
    pub(crate) fn start(
        connection: Connection,
        terminal: bool,
        tasks: &TaskTracker,
        kill: &CancellationToken,
        explain: Explain,
    ) -> Self {
        let half_close = connection.supports_stream_close();
        Self::over(
            connection.into_stream(),
            half_close,
            terminal,
            tasks,
            kill,
            explain,
        )
    }

    fn over<S>(
        socket: WebSocketStream<S>,
        half_close: bool,
        terminal: bool,
        tasks: &TaskTracker,
        kill: &CancellationToken,
        explain: Explain,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sink, source) = socket.split();
        let (stdin, input) = duplex(BUFFER);
        let (stdout, output) = duplex(BUFFER);
        let (stderr, errors) = duplex(BUFFER);
        let (orders, ordered) = mpsc::channel(ORDERS);
        let (told, end) = oneshot::channel();
        let pulse = Arc::new(Pulse::default());
        let open = kill.child_token();
        let receiver = receive::Receiver {
            source,
            stdout: Some(output),
            stderr: (!terminal).then_some(errors),
            pulse: Arc::clone(&pulse),
        };
        let sender = send::Sender {
            sink,
            half_close,
            pulse,
        };
        let (closed, lost) = (open.clone(), CancellationToken::new());
        let silent = lost.clone();
        tasks.spawn(async move {
            // Whatever ends it ends the other.
            let _other = closed.clone().drop_guard();
            tokio::select! {
                () = receiver.run(silent, told, explain) => {}
                () = closed.cancelled() => {}
            }
        });
        tasks.spawn(sender.run(input, ordered, lost, open.clone()));
        Self {
            stdin,
            stdout,
            stderr: (!terminal).then_some(stderr),
            orders,
            end,
            open: open.drop_guard(),
        }
    }
}
