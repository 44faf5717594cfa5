//! Programs in a pod: what a session starts, and helpers that run to their end.

use crate::Shared;
use crate::api::{Api, ApiError, clip};
use crate::exec::{End, Exec, Explain, Lost};
use crate::state;
use crate::template;
use futures::FutureExt as _;
use kube::api::AttachParams;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Bytes that are kept of what a helper says.
const SAID: u64 = 4096;

/// Starts a program in the container of a pod.
pub(crate) async fn start(
    shared: &Shared,
    api: &Arc<Api>,
    pod: &str,
    words: &[String],
    terminal: bool,
) -> Result<Exec, ApiError> {
    let console = template::console(&shared.settings.pod);
    let params = AttachParams {
        container: Some(console.to_owned()),
        stdin: true,
        stdout: true,
        stderr: !terminal,
        tty: terminal,
        ..AttachParams::default()
    };
    let connection = api.exec(pod, words, &params).await?;
    let explain = explain(Arc::clone(api), pod.to_owned(), console.to_owned());
    let kill = &shared.kill;
    Ok(Exec::start(
        connection,
        terminal,
        &shared.tasks,
        kill,
        explain,
    ))
}

/// Runs a helper to its end. An error tells what it said.
pub(crate) async fn helper(
    shared: &Shared,
    api: &Arc<Api>,
    pod: &str,
    words: &[String],
    input: &[u8],
) -> Result<(), String> {
    let exec = start(shared, api, pod, words, false).await;
    let exec = exec.map_err(|error| error.to_string())?;
    let Exec {
        mut stdin,
        mut stdout,
        stderr,
        orders: _orders,
        end,
        open: _open,
    } = exec;
    let feed = async {
        // A helper that does not take it tells by its end.
        let _ = stdin.write_all(input).await;
        let _ = stdin.shutdown().await;
    };
    let mut said = Vec::new();
    let hear = async {
        if let Some(mut stderr) = stderr {
            let _ = (&mut stderr).take(SAID).read_to_end(&mut said).await;
            let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
        }
    };
    let mut nowhere = tokio::io::sink();
    let drain = tokio::io::copy(&mut stdout, &mut nowhere);
    let ended = async {
        let (_, (), end) = tokio::join!(drain, hear, end);
        end
    };
    let (end, ()) = tokio::join!(ended, feed);
    match end {
        Ok(End::Code(0)) => Ok(()),
        Ok(End::Code(code)) => {
            let said = clip(String::from_utf8_lossy(&said).trim());
            Err(format!("it ended with {code}: {said}"))
        }
        Ok(End::Failed(reason) | End::Lost(reason)) => Err(reason),
        Err(_) => Err("the server is ending".to_owned()),
    }
}

/// What became of a pod with which the connection was lost.
fn explain(api: Arc<Api>, name: String, console: String) -> Explain {
    const GONE: &str = "The place where this session ran is gone.";
    const LOST: &str = "The connection to the place where this session runs was lost.";
    async move {
        let pod = format!("pod {}/{name}", api.namespace());
        match api.get(&name).await {
            Ok(found) => match state::end(&found, &console) {
                Some(end) => Lost {
                    reason: format!("{pod}: {end}"),
                    notice: GONE,
                },
                None => Lost {
                    reason: format!("{pod} is there, but the program's end was not told"),
                    notice: LOST,
                },
            },
            Err(error) if error.is(404) => Lost {
                reason: format!("{pod} was deleted"),
                notice: GONE,
            },
            Err(error) => Lost {
                reason: format!("{pod}: {error}"),
                notice: LOST,
            },
        }
    }
    .boxed()
}
