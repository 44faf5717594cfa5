//! A backend in memory: programs are named by the command line.

use crate::backend::{Backend, Connection, Exit, Identity, Process, Program, Refused, Session};
use async_trait::async_trait;
use auditssh_log::message::{Pty, Window};
use bytes::Bytes;
use futures::FutureExt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::sync::watch;

/// What the programs of one server have seen and done.
#[derive(Debug, Default)]
pub(super) struct Programs {
    /// Requests, in order.
    pub(super) requests: Mutex<Vec<String>>,
    /// Sessions that exist.
    pub(super) sessions: AtomicUsize,
    /// Bytes taken by programs.
    pub(super) taken: AtomicUsize,
}

#[async_trait]
impl Backend for Arc<Programs> {
    async fn connect(&self, identity: Identity) -> Result<Box<dyn Connection>, Refused> {
        if identity.user == "nowhere" {
            return Err(Refused::new("there is no place for you".to_owned()));
        }
        Ok(Box::new(Place {
            programs: Arc::clone(self),
            forced: identity.restrictions.command,
        }))
    }
}

struct Place {
    programs: Arc<Programs>,
    /// Runs in place of everything.
    forced: Option<String>,
}

#[async_trait]
impl Connection for Place {
    async fn open_session(&self) -> Result<Box<dyn Session>, Refused> {
        self.programs.sessions.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Seat {
            programs: Arc::clone(&self.programs),
            forced: self.forced.clone(),
            ended: watch::channel(false).0,
        }))
    }
}

struct Seat {
    programs: Arc<Programs>,
    forced: Option<String>,
    ended: watch::Sender<bool>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.ended.send_replace(true);
        self.programs.sessions.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Seat {
    fn note(&self, text: String) {
        self.programs.requests.lock().unwrap().push(text);
    }
}

#[async_trait]
impl Session for Seat {
    async fn env(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.note(format!("env {}={}", text(name), text(value)));
        Ok(())
    }

    async fn pty(&mut self, pty: &Pty) -> Result<(), Refused> {
        self.note(format!("pty {}x{}", pty.columns, pty.rows));
        Ok(())
    }

    async fn window(&mut self, window: &Window) -> Result<(), Refused> {
        self.note(format!("window {}x{}", window.columns, window.rows));
        Ok(())
    }

    async fn signal(&mut self, name: &str) -> Result<(), Refused> {
        self.note(format!("signal {name}"));
        Ok(())
    }

    fn echoes(&self) -> Option<bool> {
        None
    }

    async fn start(&mut self, program: Program) -> Result<Process, Refused> {
        let command = match (&self.forced, program) {
            (Some(forced), _) => forced.clone(),
            (None, Program::Exec(command)) => String::from_utf8(command.to_vec()).unwrap(),
            (None, _) => return Err(Refused::new("only commands".to_owned())),
        };
        self.note(format!("exec {command}"));
        let mut ended = self.ended.subscribe();
        let hang_up = async move {
            let _ = ended.wait_for(|ended| *ended).await;
        };
        start(&command, &self.programs, hang_up)
    }
}

fn start(
    command: &str,
    programs: &Arc<Programs>,
    hang_up: impl Future<Output = ()> + Send + 'static,
) -> Result<Process, Refused> {
    let (name, argument) = command.split_once(' ').unwrap_or((command, ""));
    let number = || argument.parse::<u32>().unwrap();
    let silent = || Box::new(io::Cursor::new(Vec::new()));
    let (stdin, theirs) = tokio::io::duplex(64 * 1024);
    let quick = |stdout: Box<dyn AsyncRead + Send + Unpin>, exit| Process {
        stdin: Box::new(tokio::io::sink()),
        stdout,
        stderr: None,
        exit: async move { exit }.boxed(),
    };
    Ok(match name {
        "exit" => quick(silent(), Exit::Status(number())),
        "say" => Process {
            stderr: Some(Box::new(io::Cursor::new(b"error".to_vec()))),
            ..quick(
                Box::new(io::Cursor::new(argument.as_bytes().to_vec())),
                Exit::Status(0),
            )
        },
        "zeros" => quick(
            Box::new(tokio::io::repeat(0).take(number().into())),
            Exit::Status(0),
        ),
        "stall" => Process {
            stdin: Box::new(stdin),
            stdout: Box::new(Silent(theirs)),
            stderr: None,
            exit: hang_up.map(|()| Exit::Status(129)).boxed(),
        },
        "count" => count(stdin, theirs, Arc::clone(programs)),
        "cat" => Process {
            stdin: Box::new(stdin),
            stdout: Box::new(theirs),
            stderr: None,
            exit: async { Exit::Status(0) }.boxed(),
        },
        "panic" => panic!("as asked for"),
        "slow" => Process {
            exit: async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Exit::Status(3)
            }
            .boxed(),
            ..quick(silent(), Exit::Status(0))
        },
        other => return Err(Refused::new(format!("no program {other}"))),
    })
}

/// Takes everything, then says how much it was.
fn count(
    stdin: tokio::io::DuplexStream,
    mut theirs: tokio::io::DuplexStream,
    programs: Arc<Programs>,
) -> Process {
    let (mut output, stdout) = tokio::io::duplex(1024);
    let counting = tokio::spawn(async move {
        let mut buffer = vec![0; 64 * 1024];
        let mut all = 0;
        loop {
            match theirs.read(&mut buffer).await.unwrap() {
                0 => break,
                some => all += some,
            }
            programs.taken.store(all, Ordering::SeqCst);
        }
        output.write_all(all.to_string().as_bytes()).await.unwrap();
    });
    Process {
        stdin: Box::new(stdin),
        stdout: Box::new(stdout),
        stderr: None,
        exit: async move {
            counting.await.unwrap();
            Exit::Status(0)
        }
        .boxed(),
    }
}

/// Never says anything and never reads what it is sent.
struct Silent(#[expect(dead_code, reason = "kept open")] tokio::io::DuplexStream);

impl AsyncRead for Silent {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// Bytes of which each position can be told.
pub(super) fn pattern(length: usize) -> Bytes {
    (0..length)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}
