//! `local`.

use super::report::Report;
use crate::config::raw::{self, Account};
use auditssh_gateway::backend::local::{RunAs, Settings};

pub(super) fn check(raw: &raw::Local, report: &mut Report) -> Settings {
    if let Some(shell) = &raw.shell {
        if !shell.value.starts_with('/') {
            report.fault(shell, "`shell` must be an absolute path, such as /bin/bash");
        } else if raw.user == Account::Login {
            report.fault(
                shell,
                "`shell` means nothing with `user: login`, where each account has its own; remove it",
            );
        }
    }
    for (name, command) in &raw.subsystems.value {
        if name.is_empty() || command.trim().is_empty() {
            let message = "`subsystems` has an empty name or an empty command";
            report.fault(&raw.subsystems, message);
        }
    }
    for pattern in &raw.accept_env {
        if pattern.value.is_empty() || pattern.value.contains(['=', '\0']) {
            report.fault(
                pattern,
                "the name of a variable is wanted here, without `=` and a value",
            );
        }
    }
    Settings {
        run_as: match raw.user {
            Account::Own => RunAs::Own,
            Account::Login => RunAs::Login,
        },
        shell: raw.shell.as_ref().map(|at| at.value.clone().into()),
        subsystems: raw.subsystems.value.clone(),
        accept_env: (raw.accept_env.iter())
            .map(|name| name.value.clone())
            .collect(),
        allow_root: raw.allow_root,
        open_files: None,
    }
}
