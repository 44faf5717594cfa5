//! `local`.

use super::report::Report;
use crate::config::raw::{self, Account};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The backend `local`, checked.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub(crate) account: Account,
    pub(crate) shell: Option<PathBuf>,
    pub(crate) subsystems: BTreeMap<String, String>,
    pub(crate) accept_env: Vec<String>,
    pub(crate) allow_root: bool,
}

pub(super) fn check(raw: &raw::Local, report: &mut Report) -> Local {
    if let Some(shell) = raw.shell.as_ref().filter(|at| !at.value.starts_with('/')) {
        report.fault(shell, "`shell` must be an absolute path, such as /bin/bash");
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
    Local {
        account: raw.user,
        shell: raw.shell.as_ref().map(|at| at.value.clone().into()),
        subsystems: raw.subsystems.clone(),
        accept_env: raw.accept_env.clone(),
        allow_root: raw.allow_root,
    }
}
