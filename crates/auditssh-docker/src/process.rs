//! A program that runs in a container: its streams, its signals and its end.

use crate::container::{Container, KILL_AFTER, ended};
use crate::engine::{Failure, Size, Standing};
use crate::frames::{Frames, Kind};
use auditssh_gateway::backend::container::Helper;
use auditssh_gateway::backend::{Exit, Refused};
use bollard::exec::CreateExecOptions;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWriteExt as _, DuplexStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The first pause between two looks at a program whose output is closed, and the longest.
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);
/// How long an engine that is gone is asked on: the streams of its programs are lost anyway.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the end of the errors waits for the end of the program, to be able to say what is wrong.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What runs: a program beside the main process of a container, or that itself.
pub(crate) struct Program {
    pub(crate) container: Arc<Container>,
    /// The engine's id of a program that is not the main process.
    pub(crate) exec: Option<String>,
    /// In the container, where a helper has told it.
    pub(crate) pid: Option<u32>,
    pub(crate) helper: Helper,
}

impl Program {
    /// Sets the size of its terminal.
    pub(crate) async fn resize(&self, size: Size) -> Result<(), Failure> {
        let engine = &self.container.shared.engine;
        match &self.exec {
            Some(exec) => engine.resize_exec(exec, size).await,
            None => engine.resize(&self.container.id, size).await,
        }
    }

    pub(crate) async fn signal(&self, name: &str) -> Result<(), Refused> {
        let failed = |failure: Failure| Refused::new(failure.to_string());
        let engine = &self.container.shared.engine;
        match (self.pid, &self.exec) {
            (None | Some(1), None) => {
                let killed = engine.kill(&self.container.id, name).await;
                return killed.map_err(failed);
            }
            (None, Some(_)) => return Err(no_signals()),
            (Some(_), _) => {}
        }
        if self.standing().await.map_err(failed)? != Standing::Runs {
            return Err(Refused::new("the program has ended"));
        }
        let words = self.pid.and_then(|pid| self.helper.signal(name, pid));
        let words = words.ok_or_else(no_signals)?;
        let limit = self.container.shared.settings.timeouts.signal;
        let sent = timeout(limit, self.run(words)).await;
        match sent {
            Ok(Ok(Standing::Ended(0))) => Ok(()),
            Ok(Ok(Standing::Ended(code))) => Err(Refused::new(format!(
                "the signal could not be sent: the program that sends it ended with {code}"
            ))),
            Ok(Ok(_)) => Err(Refused::new("whether the signal was sent is not known")),
            Ok(Err(failure)) => Err(failed(failure)),
            Err(_) => Err(Refused::new(format!(
                "the signal was not sent within {limit:?} (docker.timeouts.signal)"
            ))),
        }
    }

    /// Runs something beside the program, and waits for its end.
    async fn run(&self, words: Vec<String>) -> Result<Standing, Failure> {
        let engine = &self.container.shared.engine;
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(words),
            ..CreateExecOptions::default()
        };
        let exec = engine.prepare(&self.container.id, options).await?;
        let streams = engine.execute(&exec, false).await?;
        let mut output = Frames::new(streams, true);
        while let Ok(Some(_)) = output.next().await {}
        let mut pause = FIRST;
        loop {
            match engine.standing(&exec).await? {
                Standing::Runs => wait(&mut pause).await,
                over => return Ok(over),
            }
        }
    }

    /// How it stands.
    pub(crate) async fn standing(&self) -> Result<Standing, Failure> {
        let engine = &self.container.shared.engine;
        if let Some(exec) = &self.exec {
            return engine.standing(exec).await;
        }
        Ok(match engine.state(&self.container.id).await? {
            Some(state) if state.running => Standing::Runs,
            Some(state) => Standing::Ended(state.exit_code),
            None => Standing::Lost,
        })
    }

    /// Waits for its end, however long that takes.
    async fn exit(&self) -> Exit {
        let (mut pause, mut failing) = (FIRST, None);
        loop {
            match self.standing().await {
                Ok(Standing::Runs) => failing = None,
                Ok(Standing::Ended(code)) => return self.told(Some(code)).await,
                Ok(Standing::Lost) => return self.told(None).await,
                Err(failure) => {
                    let since = failing.get_or_insert_with(Instant::now);
                    if since.elapsed() > PATIENCE {
                        return Exit::Unknown(failure.to_string());
                    }
                }
            }
            wait(&mut pause).await;
        }
    }

    /// What the engine says of the end; a program that ends with its container has not ended itself.
    async fn told(&self, code: Option<i64>) -> Exit {
        let status = code.and_then(|code| u32::try_from(code).ok());
        let doubtful = status.is_none_or(|status| status == 137 || status == 143);
        if self.exec.is_some()
            && doubtful
            && let Some(reason) = self.container.end().await
        {
            return Exit::Unknown(reason);
        }
        match status {
            Some(status) => Exit::Status(status),
            None => Exit::Unknown(ended(None)),
        }
    }

    /// Ends it: nobody wants it any more.
    async fn end(&self, at_once: bool) -> Exit {
        if !at_once
            && self.signal("HUP").await.is_ok()
            && let Ok(exit) = timeout(KILL_AFTER, self.exit()).await
        {
            return exit;
        }
        let killed = self.signal("KILL").await;
        let exit = match killed {
            Ok(()) => timeout(KILL_AFTER, self.exit()).await.ok(),
            Err(_) => match self.standing().await {
                Ok(Standing::Ended(code)) => Some(self.told(Some(code)).await),
                _ => None,
            },
        };
        exit.unwrap_or_else(|| Exit::Unknown("how the program ended is not known".to_owned()))
    }
}

fn no_signals() -> Refused {
    Refused::new("without a helper in the container, a program can't be signalled (disableAgent)")
}

/// The ways out of a program, and of its end.
pub(crate) struct Ways {
    pub(crate) stdout: DuplexStream,
    pub(crate) stderr: DuplexStream,
    pub(crate) exit: oneshot::Sender<Exit>,
    /// The session is gone.
    pub(crate) unwanted: CancellationToken,
}

/// Carries the output of a program and waits for its end, or ends it.
pub(crate) async fn watch<R>(program: Arc<Program>, mut frames: Frames<R>, ways: Ways)
where
    R: AsyncRead + Unpin,
{
    let Ways {
        mut stdout,
        mut stderr,
        exit,
        unwanted,
    } = ways;
    let kill = program.container.shared.kill.clone();
    let over = async {
        tokio::select! {
            () = unwanted.cancelled() => false,
            () = kill.cancelled() => true,
        }
    };
    let to_the_end = async {
        // A connection that breaks is the end of the output; what it means is asked next.
        let _ = carry(&mut frames, &mut stdout, &mut stderr).await;
        drop(stdout);
        let ending = program.exit();
        tokio::pin!(ending);
        let ended = timeout(LAST_WORDS, &mut ending).await;
        if let Ok(Exit::Unknown(reason)) = &ended {
            let text = format!("\r\nauditssh: {reason}\r\n");
            let _ = stderr.write_all(text.as_bytes()).await;
        }
        drop(stderr);
        match ended {
            Ok(ended) => ended,
            Err(_) => ending.await,
        }
    };
    let ended = tokio::select! {
        ended = to_the_end => ended,
        at_once = over => program.end(at_once).await,
    };
    let _ = exit.send(ended);
}

async fn carry<R: AsyncRead + Unpin>(
    frames: &mut Frames<R>,
    stdout: &mut DuplexStream,
    stderr: &mut DuplexStream,
) -> io::Result<()> {
    while let Some((kind, bytes)) = frames.next().await? {
        let stream = match kind {
            Kind::Stdout => &mut *stdout,
            Kind::Stderr => &mut *stderr,
        };
        // What nobody takes is dropped: a program that can't write would not read what it was sent.
        let _ = stream.write_all(&bytes).await;
    }
    Ok(())
}

/// Longer each time.
async fn wait(pause: &mut Duration) {
    sleep(*pause).await;
    *pause = (*pause * 2).min(LONGEST);
}
