//! `users`, `usersFile` and `ssh.trustedUserCAKeys`.

use super::report::Report;
use crate::config::at::At;
use crate::config::raw::{self, Raw};
use crate::config::read::read;
use auditssh_gateway::auth::{User, Users, authorities};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Names longer than this can't log in on any Unix system.
const NAME_BYTES: usize = 256;

/// `None` if there is a fault.
pub(super) fn check(raw: &Raw, report: &mut Report) -> Option<Users> {
    let mut trusted = Vec::new();
    let files = raw.ssh.trusted_user_ca_keys.as_ref();
    for file in files.iter().flat_map(|files| &files.value.0) {
        match std::fs::read_to_string(file) {
            Ok(text) => match authorities(&text) {
                Ok(keys) => trusted.extend(keys),
                Err(error) => report.fault(files?, format!("{file}:{error}")),
            },
            Err(error) => report.fault(files?, format!("{file}: {error}")),
        }
    }
    let mut users = entries(&raw.users, !trusted.is_empty(), report);
    if let Some(file) = &raw.users_file {
        for (name, user) in further(file, !trusted.is_empty(), report) {
            if users.insert(name.clone(), user).is_some() {
                let message = format!("the user `{}` stands in `users` too", name.escape_debug());
                report.fault(file, message);
            }
        }
    }
    if users.is_empty() && !raw.auth.is_asked() {
        report.warn_of_file("no `users` are configured: nobody can log in");
    }
    if !report.faults.is_empty() {
        return None;
    }
    Users::new(users, trusted)
        .map_err(|error| report.fault_of_file(error))
        .ok()
}

/// The users of a file of their own.
fn further(file: &At<String>, trusting: bool, report: &mut Report) -> BTreeMap<String, User> {
    let path = Path::new(&file.value);
    match read::<BTreeMap<String, raw::User>>(path) {
        Ok((users, outline)) => {
            let mut theirs = Report::new(path, outline);
            let users = entries(&users, trusting, &mut theirs);
            report.merge(theirs);
            users
        }
        Err(error) => {
            for (path, fault) in error.0 {
                if fault.place.is_some() {
                    report.faults.push((path, fault));
                } else {
                    // It can't be read: that is told of what names it.
                    report.fault(file, format!("{}: {}", path.display(), fault.message));
                }
            }
            BTreeMap::new()
        }
    }
}

fn entries(
    raw: &BTreeMap<String, raw::User>,
    trusting: bool,
    report: &mut Report,
) -> BTreeMap<String, User> {
    if raw.values().any(|user| user.password.is_some()) {
        warn_if_open(report);
    }
    let mut users = BTreeMap::new();
    for (name, entry) in raw {
        let shown = name.escape_debug();
        if name.is_empty() || name.len() > NAME_BYTES || name.contains('\0') {
            report.fault_of_file(format!("`{shown}` can't be the name of a user"));
        }
        let proofs = entry.password.is_some() || !entry.authorized_keys.is_empty();
        if !proofs && entry.authorized_keys_file.is_none() && !trusting {
            report.warn_of_file(format!(
                "the user `{shown}` has neither password nor keys and can't log in"
            ));
        }
        users.insert(name.clone(), user(entry, report));
    }
    users
}

fn user(raw: &raw::User, report: &mut Report) -> User {
    let password = raw.password.as_ref().and_then(|at| {
        at.value
            .expose()
            .parse()
            .map_err(|error| report.fault(at, error))
            .ok()
    });
    let mut authorized_keys = Vec::new();
    for at in &raw.authorized_keys {
        match at.value.parse() {
            Ok(key) => authorized_keys.push(key),
            Err(error) => report.fault(at, error),
        }
    }
    let authorized_keys_file = raw.authorized_keys_file.as_ref().and_then(|at| {
        at.value
            .parse()
            .map_err(|error| report.fault(at, error))
            .ok()
    });
    User {
        password,
        authorized_keys,
        authorized_keys_file,
        principals: raw.principals.clone(),
    }
}

/// Hashes can be guessed at by whoever can read them.
fn warn_if_open(report: &mut Report) {
    let open = std::fs::metadata(report.file()).is_ok_and(|file| file.mode() & 0o004 != 0);
    if open {
        report.warn_of_file("holds password hashes but can be read by everyone: `chmod o-r` it");
    }
}
