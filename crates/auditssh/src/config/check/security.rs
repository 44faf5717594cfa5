//! `security`.

use super::forwarding;
use super::report::Report;
use crate::config::at::At;
use crate::config::bounds;
use crate::config::raw::{self, Mode};
use auditssh_gateway::security;
use auditssh_gateway::security::Security;

/// The signals that a client may send (RFC 4254, 6.10).
const SIGNALS: [&str; 13] = [
    "ABRT", "ALRM", "FPE", "HUP", "ILL", "INT", "KILL", "PIPE", "QUIT", "SEGV", "TERM", "USR1",
    "USR2",
];
/// Linux takes no longer argument of a program: 128 KiB with the zero at its end.
const COMMAND_BYTES: usize = 128 * 1024 - 1;

pub(super) fn check(raw: &raw::Security, session_channels: usize, report: &mut Report) -> Security {
    for list in [&raw.env.allow, &raw.env.deny] {
        each(list, report, variable);
    }
    for list in [&raw.signal.allow, &raw.signal.deny] {
        each(list, report, signal);
    }
    for list in [
        &raw.command.allow,
        &raw.subsystem.allow,
        &raw.subsystem.deny,
    ] {
        each(list, report, named);
    }
    let mode = |own: Mode| effective(own, raw.default_mode);
    let filter = |own: &raw::Filter, report: &mut Report| {
        idle(&own.allow, mode(own.mode), report);
        security::Filter {
            mode: mode(own.mode),
            allow: texts(&own.allow),
            deny: texts(&own.deny),
        }
    };
    idle(&raw.command.allow, mode(raw.command.mode), report);
    Security {
        force_command: force_command(&raw.force_command, report),
        max_sessions: max_sessions(&raw.max_sessions, session_channels, report),
        env: filter(&raw.env, report),
        command: security::Filter {
            mode: mode(raw.command.mode),
            allow: texts(&raw.command.allow),
            deny: Vec::new(),
        },
        shell: mode(raw.shell.mode),
        subsystem: filter(&raw.subsystem, report),
        tty: mode(raw.tty.mode),
        signal: filter(&raw.signal, report),
        forwarding: forwarding::check(&raw.forwarding, raw.default_mode, report),
    }
}

pub(super) fn effective(own: Mode, default: Mode) -> security::Mode {
    match (own, default) {
        (Mode::Enable, _) | (Mode::Unset, Mode::Enable | Mode::Unset) => security::Mode::Enable,
        (Mode::Filter, _) | (Mode::Unset, Mode::Filter) => security::Mode::Filter,
        (Mode::Disable, _) | (Mode::Unset, Mode::Disable) => security::Mode::Disable,
    }
}

fn force_command(raw: &At<String>, report: &mut Report) -> Option<String> {
    if raw.value.contains('\0') {
        report.fault(
            raw,
            "the command holds a zero byte, which no program can be given",
        );
    } else if raw.value.len() > COMMAND_BYTES {
        report.fault(
            raw,
            "the command is longer than 128 KiB, which no program can be given",
        );
    }
    (!raw.value.is_empty()).then(|| raw.value.clone())
}

fn max_sessions(raw: &At<i64>, session_channels: usize, report: &mut Report) -> Option<usize> {
    let most = usize::try_from(report.within(raw, bounds::MAX_SESSIONS)).ok()?;
    if most > session_channels {
        report.warn(
            raw,
            format!(
                "`limits.sessionChannels` allows {session_channels} only: raise that, or lower this"
            ),
        );
    }
    Some(most)
}

/// A list that nobody looks at: the mode of its kind is not the one that it was written for.
fn idle(allow: &[At<String>], mode: security::Mode, report: &mut Report) {
    let what = match mode {
        security::Mode::Filter => return,
        security::Mode::Enable => "everything is allowed",
        security::Mode::Disable => "nothing is",
    };
    if let Some(first) = allow.first() {
        report.warn(
            first,
            format!("`allow` counts with `mode: filter` only; as it is, {what}"),
        );
    }
}

fn each(list: &[At<String>], report: &mut Report, wrong: impl Fn(&str) -> Option<&'static str>) {
    for entry in list {
        if let Some(message) = wrong(&entry.value) {
            report.fault(entry, message);
        }
    }
}

fn variable(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Some("the name of a variable is wanted here, without `=` and a value");
    }
    name.contains(['*', '?'])
        .then_some("names are compared exactly here, `*` and `?` stand for nothing else: name each")
}

fn signal(name: &str) -> Option<&'static str> {
    if SIGNALS.contains(&name) {
        return None;
    }
    Some(
        "not a signal that a client can send: ABRT, ALRM, FPE, HUP, ILL, INT, KILL, PIPE, QUIT, \
         SEGV, TERM, USR1 and USR2 are, without `SIG`",
    )
}

fn named(text: &str) -> Option<&'static str> {
    (text.is_empty() || text.contains('\0'))
        .then_some("empty, or with a zero byte: no request can be meant by that")
}

fn texts(list: &[At<String>]) -> Vec<String> {
    list.iter().map(|entry| entry.value.clone()).collect()
}
