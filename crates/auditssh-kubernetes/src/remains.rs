//! Pods that a former run of this gateway left: it was killed, or could not reach the API server.

use crate::Shared;
use crate::api::{Api, ApiError};
use auditssh_gateway::backend::container::{INSTANCE_LABEL, RUN_LABEL};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// The first pause before another try; it doubles up to [`LONGEST`].
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);

/// Deletes them, however long the API server can't be reached. Pods of other gateways bear another
/// id and are not touched.
pub(crate) async fn delete(shared: Arc<Shared>) {
    let trying = async {
        let mut pause = PAUSE;
        loop {
            let why = match shared.api().await {
                Ok(api) => match all(&shared, &api).await {
                    Ok(()) => return,
                    Err(error) => error.to_string(),
                },
                Err(refused) => refused.reason().to_owned(),
            };
            tracing::warn!(why, "pods of a former run can't be looked for yet");
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    };
    tokio::select! {
        () = trying => {}
        () = shared.ending.cancelled() => {}
        () = shared.kill.cancelled() => {}
    }
}

async fn all(shared: &Shared, api: &Api) -> Result<(), ApiError> {
    let instance = shared.itself.instance().await;
    let found = api
        .list(&format!("{INSTANCE_LABEL}={}", instance.id()))
        .await?;
    for pod in found {
        let labels = pod.metadata.labels.unwrap_or_default();
        let label = |name: &str| labels.get(name).map(String::as_str);
        let lost = instance.has_lost(label(INSTANCE_LABEL), label(RUN_LABEL));
        let (Some(name), true) = (pod.metadata.name, lost) else {
            continue;
        };
        if pod.metadata.deletion_timestamp.is_some() {
            continue;
        }
        // Only this very pod, not one that has its name by now.
        api.delete(&name, pod.metadata.uid).await?;
        shared.counters().removed.add();
        tracing::info!(pod = name, "a pod of a former run is deleted");
    }
    Ok(())
}
