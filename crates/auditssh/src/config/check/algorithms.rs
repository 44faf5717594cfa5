//! Algorithms by their names: `ssh` and `sshproxy` have the same lists.

use super::report::Report;
use crate::config::at::At;
use auditssh_gateway::{Algorithms, Unsupported};

/// The lists of a block; an empty one leaves what is there.
pub(super) struct Lists<'a> {
    pub(super) kex: &'a At<Vec<String>>,
    pub(super) ciphers: &'a At<Vec<String>>,
    pub(super) macs: &'a At<Vec<String>>,
}

/// Chooses what the lists name.
pub(super) fn choose(lists: &Lists<'_>, algorithms: &mut Algorithms, report: &mut Report) {
    named(lists.kex, "kex", report, |names| algorithms.set_kex(names));
    named(lists.ciphers, "ciphers", report, |names| {
        algorithms.set_ciphers(names)
    });
    named(lists.macs, "macs", report, |names| {
        algorithms.set_macs(names)
    });
}

/// The same for host keys, by whichever key they are given.
pub(super) fn choose_host_keys(
    list: &At<Vec<String>>,
    key: &str,
    algorithms: &mut Algorithms,
    report: &mut Report,
) {
    named(list, key, report, |names| algorithms.set_host_keys(names));
}

fn named(
    list: &At<Vec<String>>,
    key: &str,
    report: &mut Report,
    set: impl FnOnce(&[String]) -> Result<(), Unsupported>,
) {
    if list.value.is_empty() {
        return;
    }
    if let Err(error) = set(&list.value) {
        report.fault(list, format!("`{key}`: {error}"));
    }
}
