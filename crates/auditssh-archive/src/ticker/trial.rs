//! Whether a log could be begun, found out before a connection needs to know.

use crate::archive::{admit, discard, enough, new_log, refuse, room};
use crate::recorder::new_id;
use crate::shared::Shared;
use std::io;
use std::sync::Arc;

/// Ticks between looks at whether files can still be made; at the space, every tick.
const FILES: u64 = 10;

/// Looks for a reason to refuse connections; while there is one, whether it is gone. That is only
/// believed when a log can be begun: each failure has more causes than can be looked at.
pub(super) fn run(shared: &Arc<Shared>, ticks: u64) {
    let refusing = shared.counters.refusal().is_some();
    let outcome = if refusing {
        begin(shared)
    } else {
        look(shared, ticks)
    };
    match outcome {
        Ok(()) if refusing => admit(shared),
        Ok(()) => {}
        Err(error) => refuse(shared, &error),
    }
}

fn look(shared: &Shared, ticks: u64) -> io::Result<()> {
    room(shared)?;
    enough(shared)?;
    if ticks.is_multiple_of(FILES) {
        shared.disk.probe()?;
    }
    Ok(())
}

/// Begins a log and takes it away again.
fn begin(shared: &Arc<Shared>) -> io::Result<()> {
    room(shared)?;
    let log = new_log(shared, &new_id())?;
    discard(shared, &log.id);
    Ok(())
}
