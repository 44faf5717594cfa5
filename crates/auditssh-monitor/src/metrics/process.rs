//! What is true of any process, by the names that Prometheus' own libraries use.

use super::sheet::Sheet;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) fn write(sheet: &mut Sheet<'_>, began: SystemTime) -> fmt::Result {
    let began = began.duration_since(UNIX_EPOCH).unwrap_or_default();
    sheet.time(
        "process_start_time",
        "When the process began, in Unix time",
        began.as_secs_f64(),
    )?;
    let used = clock_gettime(ClockId::ProcessCPUTime);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a fraction of a second is no matter"
    )]
    let used = used.tv_sec as f64 + used.tv_nsec as f64 / 1e9;
    sheet.counter_of_seconds("process_cpu", "Processor time used", used)?;
    if let Some(bytes) = resident() {
        sheet.gauge_of_bytes("process_resident_memory", "Memory that is resident", bytes)?;
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // The list is open itself.
        let count = u64::try_from(open.count().saturating_sub(1)).unwrap_or(u64::MAX);
        sheet.gauge("process_open_fds", "File descriptors that are open", count)?;
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        sheet.gauge("process_max_fds", "File descriptors that may be open", most)?;
    }
    Ok(())
}

/// Bytes of memory (proc_pid_statm(5)).
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(u64::try_from(rustix::param::page_size()).ok()?)
}
