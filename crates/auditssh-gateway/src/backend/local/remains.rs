//! What is left of a session when its main process has ended.

use nix::unistd::Pid;
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

/// The session of a process: the fourth field after its name, which stands in brackets and may
/// hold anything (proc_pid_stat(5)).
fn session(pid: Pid) -> Option<Pid> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let end_of_name = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(stat.get(end_of_name + 1..)?).ok()?;
    let session = fields.split_ascii_whitespace().nth(3)?;
    Some(Pid::from_raw(session.parse().ok()?))
}
