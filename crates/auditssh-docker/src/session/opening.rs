//! From the start of a helper to that of the program.

use crate::engine::{Size, Standing};
use crate::frames::{Frames, Kind};
use crate::process::Program;
use auditssh_gateway::backend::Refused;
use auditssh_gateway::backend::container::{GO, Opening, Step};
use bytes::{Buf as _, Bytes};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::sleep;

/// Bytes of errors that are kept from before the program begins.
const EARLY: usize = 4096;
/// How often a terminal is given its size, which it has only once the program runs.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// Waits until the program begins; its process id, where it is told, and what was written to the
/// errors before.
pub(super) async fn open<R, W>(
    program: &Program,
    frames: &mut Frames<R>,
    writer: &mut W,
    mut opening: Opening,
    size: Option<Size>,
) -> Result<(Option<u32>, Vec<u8>), Refused>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut early = Vec::new();
    let mut sized = false;
    while !opening.is_over() {
        let piece = frames.next().await.ok().flatten();
        let Some((kind, mut bytes)) = piece else {
            return Err(not_begun(program, &[], &early).await);
        };
        if kind == Kind::Stderr {
            let room = EARLY.saturating_sub(early.len());
            early.extend_from_slice(&bytes.slice(..bytes.len().min(room)));
            continue;
        }
        let whole = bytes.clone();
        while !opening.is_over() && bytes.has_remaining() {
            match opening.take(bytes.get_u8()) {
                Ok(Step::More | Step::Begins(_)) => {}
                Ok(Step::Waits(_)) => {
                    resize(program, size).await;
                    sized = true;
                    let sent = writer.write_all(GO).await;
                    let sent = sent.and(writer.flush().await);
                    sent.map_err(|error| {
                        Refused::new(format!("the engine takes no input: {error}"))
                    })?;
                }
                Err(_) => return Err(not_begun(program, &whole, &early).await),
            }
        }
        frames.give_back(Kind::Stdout, bytes);
    }
    if !sized {
        resize(program, size).await;
    }
    Ok((opening.pid(), early))
}

/// A terminal without its size works all the same.
async fn resize(program: &Program, size: Option<Size>) {
    let Some(size) = size else { return };
    for _ in 0..TRIES {
        match program.resize(size).await {
            Ok(()) => return,
            Err(failure) => tracing::debug!(%failure, "the terminal has no size yet"),
        }
        if !matches!(program.standing().await, Ok(Standing::Runs)) {
            return;
        }
        sleep(PAUSE).await;
    }
}

/// Why a helper did not get to the program, in the words of the engine or the helper.
async fn not_begun(program: &Program, output: &[u8], errors: &[u8]) -> Refused {
    let said = [output, errors].concat();
    let said = Bytes::from(said);
    let said: String = String::from_utf8_lossy(&said).chars().take(300).collect();
    let said = said.trim().escape_debug();
    let ended = match program.standing().await {
        Ok(Standing::Ended(code)) => format!(" (exit code {code})"),
        _ => String::new(),
    };
    Refused::new(format!(
        "the helper in the container did not start the program{ended}: {said}; the image must hold \
         /bin/sh, or the agent that `agentPath` names, or write `disableAgent: true`"
    ))
}
