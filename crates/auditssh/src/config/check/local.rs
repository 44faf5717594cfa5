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
    for (name, command) in &raw.subsystems {
        if name.is_empty() || command.trim().is_empty() {
            report.fault_of_file("`local.subsystems` has an empty name or command");
        }
    }
    for pattern in &raw.accept_env {
        if pattern.is_empty() || pattern.contains(['=', '\0']) {
            report.fault_of_file(format!(
                "`local.acceptEnv`: `{}` is no name of a variable",
                pattern.escape_debug()
            ));
        }
    }
    Settings {
        run_as: match raw.user {
            Account::Own => RunAs::Own,
            Account::Login => RunAs::Login,
        },
        shell: raw.shell.as_ref().map(|at| at.value.clone().into()),
        subsystems: raw.subsystems.clone(),
        accept_env: raw.accept_env.clone(),
        allow_root: raw.allow_root,
        open_files: None,
    }
}
