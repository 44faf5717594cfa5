//! `log`.

use super::report::Report;
use crate::config::raw::{Destination, Log};

pub(super) fn check(raw: &Log, report: &mut Report) {
    match raw.destination.value {
        Destination::Stderr | Destination::Stdout => {}
        Destination::File => report.fault(
            &raw.destination,
            "`destination`: files are not in this version; write `stderr` and start the server \
             with `2>> FILE`, or leave its lines to the journal",
        ),
        Destination::Syslog => report.fault(
            &raw.destination,
            "`destination`: the system's log is not in this version; write `stderr`, which the \
             journal takes with its priorities, or start the server with `2>&1 | logger`",
        ),
    }
    if let Some(file) = &raw.file {
        report.warn(file, "`file` has no effect: lines go to `destination`");
    }
    if let Some(syslog) = &raw.syslog {
        report.warn(syslog, "`syslog` has no effect: lines go to `destination`");
    }
}
