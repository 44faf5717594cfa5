//! Files that services send with a login, written into its pod before anything runs there.

use crate::Shared;
use crate::api::Api;
use crate::run;
use auditssh_gateway::backend::container::Helper;
use auditssh_gateway::backend::{Identity, Refused};
use std::sync::Arc;
use tokio::time::timeout;

/// Takes as many bytes as it is told: the end of an input can't always be. Nobody but the account
/// of the container may read what it writes.
const WRITE: &str = r#"umask 077; case "$1" in */*) mkdir -p "${1%/*}/" || exit;; esac; if [ "$2" = 0 ]; then : > "$1"; else head -c "$2" > "$1"; fi"#;

/// Writes the files of a login.
pub(crate) async fn write(
    shared: &Shared,
    api: &Arc<Api>,
    identity: &Identity,
    pod: &str,
) -> Result<(), Refused> {
    let files = &identity.facts.files;
    if !files.is_empty() && shared.settings.helper == Helper::None {
        return Err(Refused::new(
            "a service sent files with the login, which can't be written without a helper in the \
             image",
        ));
    }
    let limit = shared.settings.timeouts.command_start;
    for (path, fact) in files {
        let length = fact.value.len().to_string();
        let words = ["/bin/sh", "-c", WRITE, "sh", path, &length].map(str::to_owned);
        let shown = path.escape_debug();
        if path.contains('\0') {
            return Err(Refused::new(format!("no file can have the name `{shown}`")));
        }
        let written = timeout(limit, run::helper(shared, api, pod, &words, &fact.value)).await;
        let failed =
            |why: &str| Refused::new(format!("the file `{shown}` can't be written: {why}"));
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(failed(&error)),
            Err(_) => {
                return Err(failed(
                    "it takes longer than kubernetes.timeouts.commandStart",
                ));
            }
        }
    }
    Ok(())
}
