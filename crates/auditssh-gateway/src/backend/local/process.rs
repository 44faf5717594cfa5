//! A main process, from its start to the moment it is collected.

use super::descriptor::Descriptor;
use super::{KILL_AFTER, remains, signal};
use crate::backend::Exit;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// The group of a main process. It can be signalled as long as the process is not collected:
/// after that its number may be another's.
#[derive(Clone)]
pub(super) struct Group(Arc<Mutex<Option<Pid>>>);

impl Group {
    /// Sends a signal to all of the group; `false` if the main process is gone.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        self.leader()
            .is_some_and(|leader| killpg(leader, signal).is_ok())
    }

    fn collect(&self, child: &mut Child) -> io::Result<ExitStatus> {
        let mut leader = self.leader();
        *leader = None;
        child.wait()
    }

    fn leader(&self) -> MutexGuard<'_, Option<Pid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a session holds of its main process.
pub(super) struct Running {
    /// To signal it.
    pub(super) group: Group,
    /// Cancelled by the watcher when the main process has ended.
    pub(super) ended: CancellationToken,
    /// Dropped when nobody wants the process any more, which ends it.
    pub(super) wanted: DropGuard,
    /// How it ended.
    pub(super) exit: oneshot::Receiver<Exit>,
}

/// Watches a process in a task of its own, which ends when the process has been collected.
/// With `kill` cancelled, it is killed.
pub(super) fn watch(
    mut child: Child,
    tasks: &TaskTracker,
    kill: CancellationToken,
) -> io::Result<Running> {
    let descriptor = match exit_descriptor(&child) {
        Ok(descriptor) => descriptor,
        Err(error) => {
            // Without it the end could not be seen.
            child.kill()?;
            child.wait()?;
            return Err(error);
        }
    };
    let leader = Pid::from_raw(child.id().cast_signed());
    let (exit_sender, exit) = oneshot::channel();
    let unwanted = CancellationToken::new();
    let running = Running {
        group: Group(Arc::new(Mutex::new(Some(leader)))),
        ended: CancellationToken::new(),
        wanted: unwanted.clone().drop_guard(),
        exit,
    };
    let watcher = Watcher {
        child,
        descriptor,
        group: running.group.clone(),
        unwanted,
        kill,
    };
    let ended = running.ended.clone();
    tasks.spawn(async move {
        let exit = watcher.run().await;
        ended.cancel();
        // Nobody may be left who wants to know.
        _ = exit_sender.send(exit);
    });
    Ok(running)
}

/// Becomes readable when the process has ended; it is not collected by that.
fn exit_descriptor(child: &Child) -> io::Result<Descriptor> {
    let pid = rustix::process::Pid::from_child(child);
    Descriptor::new(pidfd_open(pid, PidfdFlags::NONBLOCK)?)
}

struct Watcher {
    child: Child,
    descriptor: Descriptor,
    group: Group,
    unwanted: CancellationToken,
    kill: CancellationToken,
}

impl Watcher {
    async fn run(mut self) -> Exit {
        let ended = tokio::select! {
            ended = self.descriptor.readable() => ended.map(drop),
            () = self.unwanted.cancelled() => self.end_group().await,
            () = self.kill.cancelled() => self.kill_group().await,
        };
        if ended.is_err() {
            self.group.signal(Signal::SIGKILL);
        }
        // Ended, or killed: this does not wait.
        match self.group.collect(&mut self.child) {
            Ok(status) => exit(status),
            Err(error) => Exit::Unknown(format!("its exit status can't be had: {error}")),
        }
    }

    /// SIGHUP for all of the group, SIGKILL for what is left of it after a while, and SIGHUP for
    /// what else belongs to the session. The main process is not collected before, so that group
    /// and session keep its number.
    async fn end_group(&mut self) -> io::Result<()> {
        self.group.signal(Signal::SIGHUP);
        self.group.signal(Signal::SIGCONT);
        let ended = tokio::select! {
            ended = self.descriptor.readable() => Some(ended.map(drop)),
            () = tokio::time::sleep(KILL_AFTER) => None,
            () = self.kill.cancelled() => None,
        };
        let Some(ended) = ended else {
            return self.kill_group().await;
        };
        ended?;
        self.group.signal(Signal::SIGKILL);
        self.end_remains().await
    }

    /// SIGKILL for all of the group. What else belongs to the session gets SIGHUP, or SIGKILL if
    /// there is no time to lose.
    async fn kill_group(&mut self) -> io::Result<()> {
        self.group.signal(Signal::SIGKILL);
        self.descriptor.readable().await.map(drop)?;
        self.end_remains().await
    }

    async fn end_remains(&mut self) -> io::Result<()> {
        let leader = Pid::from_raw(self.child.id().cast_signed());
        let signals: &[remains::Signal] = if self.kill.is_cancelled() {
            &[remains::Signal::KILL]
        } else {
            &[remains::Signal::HUP, remains::Signal::CONT]
        };
        tokio::task::spawn_blocking(move || remains::signal(leader, signals))
            .await
            .map_err(io::Error::other)
    }
}

fn exit(status: ExitStatus) -> Exit {
    if let Some(code) = status.code() {
        return Exit::Status(code.cast_unsigned());
    }
    match status.signal() {
        Some(number) => Exit::Signal(signal::exit(number, status.core_dumped())),
        None => Exit::Unknown(format!("it ended as {status}")),
    }
}
