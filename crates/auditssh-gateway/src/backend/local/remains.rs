//! What is left of a session when its main process has ended.

use nix::unistd::{Pid, getsid};
pub(super) use rustix::process::Signal;
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
use std::fs;

/// Signals every process that still belongs to the session of the leader: jobs that a shell had no
/// time to tell. Of SIGHUP what ignores it (`nohup`) is not ended; what has a session of its own
/// goes on anyway.
///
/// The leader must not have been collected, or its number could be another's. Reads `/proc`;
/// blocks.
pub(super) fn signal(leader: Pid, signals: &[Signal]) {
    for pid in processes().filter(|pid| *pid != leader && session(*pid) == Some(leader)) {
        let Some(number) = rustix::process::Pid::from_raw(pid.as_raw()) else {
            continue;
        };
        // Whoever has the number now, and still after the descriptor is there, is the one meant.
        let Ok(process) = pidfd_open(number, PidfdFlags::empty()) else {
            continue;
        };
        if session(pid) == Some(leader) {
            for signal in signals {
                // It may have ended meanwhile.
                _ = pidfd_send_signal(&process, *signal);
            }
        }
    }
}

fn processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)))
}

fn session(pid: Pid) -> Option<Pid> {
    getsid(Some(pid)).ok()
}
