//! Memory that sessions have freed goes back to the system.

use auditssh_gateway::Counters;
use std::time::Duration;

/// How often that is looked after.
const EVERY: Duration = Duration::from_secs(10);

/// Looks after it, for ever.
pub(super) async fn look_after(counters: &Counters) {
    let (mut ended, mut waiting) = (0, 0);
    loop {
        tokio::time::sleep(EVERY).await;
        let before = (ended, waiting);
        (ended, waiting) = (counters.ended(), counters.waiting.bytes());
        if ended != before.0 || waiting < before.1 {
            // Whether it is done changes nothing.
            let _ = tokio::task::spawn_blocking(give_back).await;
        }
    }
}

/// The allocator of glibc keeps what was freed of each thread's memory, however much, unless it is
/// asked.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "there is no safe way to ask")]
fn give_back() {
    // SAFETY: it may be called at any time, by any thread (malloc_trim(3)).
    unsafe { nix::libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn give_back() {}
