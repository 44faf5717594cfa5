//! Someone may delete, replace or cut files under a running server.

use crate::directory::tail_name;
use crate::disk::DiskFile;
use crate::log::Log;
use crate::sealer::Written;
use crate::shared::Shared;
use crate::status::Counters;
use crate::sync::lock;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Looks whether the directory is still where it was, and tells when that changes. Logs go on in the
/// one that was opened: what stands in its place is nothing that was examined and locked.
pub(super) fn directory(shared: &Shared, in_place: &mut bool) {
    let before = std::mem::replace(in_place, shared.disk.is_in_place());
    let directory = shared.settings.directory.display();
    match (before, *in_place) {
        (true, false) => {
            Counters::add(&shared.counters.tampered, 1);
            tracing::error!(
                %directory,
                "the directory of the logs was moved, replaced or deleted; put it back, or restart \
                 the server: till then logs go to where it is now, and if it is deleted, nobody is \
                 let in"
            );
        }
        (false, true) => tracing::info!(%directory, "the directory of the logs is back"),
        _ => {}
    }
}

/// Looks at the files of a log, and tells of each once what happened to it. The session goes on:
/// whoever can do that to the files could as well end the server, and what is written to a file
/// without a name is still there for `/proc/<pid>/fd`.
pub(super) fn files(shared: &Shared, log: &Arc<Log>) {
    if let Ok(seals) = log.seals.try_lock() {
        self::log(shared, log, &seals.open());
    }
    tails(shared, log);
}

/// The same, of what is sealed.
pub(crate) fn log(shared: &Shared, log: &Log, open: &[Written]) {
    let found = (open.iter()).find_map(|open| change(shared, &*open.file, &open.name, open.length));
    tell(shared, log, found.map(|text| (0, text)));
}

/// The same, of its tails.
pub(crate) fn tails(shared: &Shared, log: &Log) {
    let Ok(spool) = log.spool.try_lock() else {
        return;
    };
    let mut wrong = Vec::new();
    for (number, tail) in (0..).zip(spool.tails().files()) {
        let name = tail_name(&log.id, number);
        let found = change(shared, &*tail.file, &name, tail.allocated());
        wrong.extend(found.map(|text| (number + 1, text)));
    }
    drop(spool);
    tell(shared, log, wrong);
}

fn tell(shared: &Shared, log: &Log, wrong: impl IntoIterator<Item = (u32, String)>) {
    if !lock(&shared.live).contains_key(&log.id) {
        return; // closed meanwhile
    }
    for (number, text) in wrong {
        let known = log.changed.fetch_or(1 << number, Ordering::AcqRel);
        if known & 1 << number == 0 {
            Counters::add(&shared.counters.tampered, 1);
            tracing::error!(connection = %log.id, "a file of a log that is being written {text}");
        }
    }
}

/// What happened to a file that was `length` bytes long.
fn change(shared: &Shared, file: &dyn DiskFile, name: &str, length: u64) -> Option<String> {
    let status = file.status().ok()?;
    if status.links == 0 {
        return Some(format!("was deleted: {name}"));
    }
    match shared.disk.open(name).and_then(|named| named.status()) {
        Ok(named) if named.number != status.number => {
            return Some(format!("was replaced: {name}"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Some(format!("was moved away: {name}"));
        }
        // Not to be opened for another reason, which is no news of the file.
        _ => {}
    }
    let cut = format!("was cut: {name} has {} bytes of {length}", status.length);
    (status.length < length).then_some(cut)
}
