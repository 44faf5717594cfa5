//! Removes containers: those that are no longer wanted, and those of runs that were killed.

use crate::backend::Shared;
use crate::engine::Failure;
use auditssh_gateway::backend::container::{INSTANCE_LABEL, Instance, RUN_LABEL};
use std::sync::Arc;
use std::time::Duration;

/// The first pause before something is tried again, and the longest.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_mins(1);

/// Removes a container, however long the engine does not answer: what is not removed runs on. Only
/// the end of the server ends that; then the next start finds it.
pub(crate) async fn remove(shared: &Shared, id: &str) {
    let begun = tokio::time::Instant::now();
    let (mut pause, mut told) = (FIRST, false);
    loop {
        let Err(failure) = shared.engine.remove(id).await else {
            shared.counters.removed.add();
            return;
        };
        let late = begun.elapsed() > shared.settings.timeouts.container_stop;
        if shared.closing.is_cancelled() && (late || unreachable(&failure)) {
            tracing::warn!(container = id, %failure, "a container is left behind; the next start removes it");
            shared.counters.left.add();
            return;
        }
        if late && !told {
            told = true;
            tracing::warn!(container = id, %failure, "a container is not removed yet; it is tried on");
        }
        wait(shared, &mut pause).await;
    }
}

/// Removes what former runs of this gateway have left behind.
pub(crate) async fn sweep(shared: Arc<Shared>, instance: Arc<Instance>) {
    let mut pause = FIRST;
    let mut told = false;
    let found = loop {
        let listed = async {
            shared.engine.negotiate().await?;
            shared.engine.labelled(instance.id()).await
        };
        match listed.await {
            Ok(found) => break found,
            Err(failure) if !told => {
                told = true;
                let engine = shared.engine.address();
                tracing::warn!(%engine, %failure, "what a former run left behind is not known; it is tried on");
            }
            Err(_) => {}
        }
        if shared.closing.is_cancelled() {
            return;
        }
        wait(&shared, &mut pause).await;
    };
    for container in found {
        let labels = container.labels.unwrap_or_default();
        let label = |name: &str| labels.get(name).map(String::as_str);
        let lost = instance.has_lost(label(INSTANCE_LABEL), label(RUN_LABEL));
        if lost {
            let id = container.id.as_str();
            tracing::info!(
                container = id,
                "removing a container that a former run left behind"
            );
            remove(&shared, id).await;
        }
    }
}

/// Longer each time; at the end of the server, not long.
async fn wait(shared: &Shared, pause: &mut Duration) {
    if shared.closing.is_cancelled() {
        return tokio::time::sleep(FIRST).await;
    }
    tokio::select! {
        () = tokio::time::sleep(*pause) => {}
        () = shared.closing.cancelled() => {}
    }
    *pause = (*pause * 2).min(LONGEST);
}

fn unreachable(failure: &Failure) -> bool {
    matches!(failure, Failure::Unreachable(_))
}
