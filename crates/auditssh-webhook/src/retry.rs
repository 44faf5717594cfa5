//! A request that is made again until it is answered or its time is over.

#[cfg(test)]
mod tests;

use crate::client::Client;
use crate::failure::Failure;
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};
use zeroize::Zeroizing;

/// The wait after the first failure; it doubles with each.
const FIRST: Duration = Duration::from_millis(250);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(10);
/// Less is left of the time than any server answers in.
const LEAST: Duration = Duration::from_millis(10);

/// Asks until there is an answer that `read` takes, or there can be none, or `within` is over;
/// then the last failure is why. While it waits it holds no `room`.
pub(crate) async fn ask<T>(
    client: &Client,
    path: &str,
    body: Bytes,
    within: Duration,
    room: &Semaphore,
    read: impl Fn(Zeroizing<Vec<u8>>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let deadline = Instant::now() + within;
    let mut failures = 0;
    loop {
        let Ok(place) = timeout_at(deadline, room.acquire()).await else {
            return Err(Failure::Busy);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let failure = match client.post(path, body.clone(), left).await.and_then(&read) {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        drop(place);
        let wait = wait(failures);
        failures += 1;
        let left = deadline.saturating_duration_since(Instant::now());
        if !failure.may_pass() || wait + LEAST >= left {
            return Err(failure);
        }
        tracing::debug!(%failure, path, ?wait, "a webhook is asked again in a while");
        sleep(wait).await;
    }
}

/// The wait after so many failures before this one: half of it is chance, so that many do not
/// come back at once.
fn wait(before: u32) -> Duration {
    let most = FIRST.saturating_mul(1 << before.min(16)).min(LONGEST);
    most / 2 + (most / 2).mul_f64(rand::random_range(0.0..=1.0))
}
