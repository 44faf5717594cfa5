//! `/sessions/{id}/live`: a recording while it is written; `/live`: which recordings change.

use super::{line, query, time};
use crate::answer::Refusal;
use crate::app::App;
use crate::catalog::Recordings;
use crate::door::Passed;
use crate::log::{self, ON, State as End};
use crate::rules::Sight;
use crate::stream::{BEAT, Sink};
use auditssh_archive::is_id;
use auditssh_log::Message;
use auditssh_view::cast::{Casts, Piece, Style, Version};
use auditssh_view::visible_json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, Uri};
use futures::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io::{self, Write as _};
use std::sync::Arc;
use tokio::sync::broadcast;

type Events = ([(HeaderName, &'static str); 2], Body);

const STYLE: Style = Style {
    version: Version::Two,
    input: false,
};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    channel: Option<u64>,
    from: u64,
}

/// Everything from a message on, as it is written: first what is there, then what comes.
pub(crate) async fn watch(
    State(app): State<App>,
    passed: Passed,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Events, Refusal> {
    let mut wanted: Wanted = query(&uri)?;
    if let Some(last) = last_event(&headers) {
        wanted.from = wanted.from.max(last.saturating_add(1));
    }
    let (store, id) = (app.store.clone(), passed.id()?);
    let server = app.end.clone();
    let body = app
        .watchers
        .events(passed.session.end, server, move |sink| {
            let reader = store.follow(&id, sink.stop())?;
            sink.write_all(b":\n\n")?;
            sink.flush()?;
            let mut casts = Casts::new(STYLE);
            let ending = log::read(reader, |number, message, _| {
                let pieces = casts.push(message);
                let is_channel = wanted.channel.is_none() || message.channel_id == wanted.channel;
                if number >= wanted.from && is_channel {
                    event(sink, number, message, &pieces)?;
                }
                ON
            })?;
            let state = End::of(&ending, &store, &id);
            write!(
                sink,
                "event: end\ndata: {{\"state\":\"{}\"}}\n\n",
                state.word()
            )
        });
    Ok(events(body.await?))
}

/// What a browser had before its connection broke.
fn last_event(headers: &HeaderMap) -> Option<u64> {
    headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}

fn events(body: Body) -> Events {
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        // A proxy is to pass events on as they come.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, body)
}

/// One event, in one go.
fn event(sink: &mut Sink, number: u64, message: &Message, pieces: &[Piece]) -> io::Result<()> {
    let cast: Vec<Value> = pieces.iter().map(cast).collect();
    let data = json!({
        "number": number,
        "time": time(message.timestamp),
        "type": message.event.type_id(),
        "channel": message.channel_id,
        "text": line(message),
        "cast": cast,
    });
    let data = data.to_string();
    let event = format!("id: {number}\ndata: {}\n\n", visible_json(&data));
    sink.write_all(event.as_bytes())?;
    sink.flush()
}

/// Lines of a cast, as JSON; the first of a cast is its header.
fn cast(piece: &Piece) -> Value {
    let lines = piece.lines.split(|byte| *byte == b'\n');
    let mut lines = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let header = if piece.begins { lines.next() } else { None };
    let events: Vec<Value> = lines.collect();
    json!({
        "channel": piece.channel,
        "header": header,
        "events": events,
        "ends": piece.ends,
    })
}

/// Which recordings are new, change or go, as it happens.
pub(crate) async fn changes(State(app): State<App>, passed: Passed) -> Events {
    let sight = app.sight(&passed.session.viewer);
    let (recordings, end) = (Arc::clone(&app.recordings), passed.session.end.clone());
    let changes = recordings.changes();
    let server = app.end.clone();
    let body = stream::unfold(Some(changes), move |changes| {
        let (sight, recordings) = (sight.clone(), Arc::clone(&recordings));
        let (end, server) = (end.clone(), server.clone());
        async move {
            let mut changes = changes?;
            let text = tokio::select! {
                text = next(&mut changes, &sight, &recordings) => text?,
                () = end.cancelled() => return None,
                () = server.cancelled() => return None,
                () = tokio::time::sleep(BEAT) => ":\n\n".to_owned(),
            };
            Some((Ok::<_, Infallible>(text), Some(changes)))
        }
    });
    let hello = stream::once(async { Ok(":\n\n".to_owned()) });
    events(Body::from_stream(hello.chain(body)))
}

/// The next change that a viewer may see.
async fn next(
    changes: &mut broadcast::Receiver<Arc<str>>,
    sight: &Sight,
    recordings: &Recordings,
) -> Option<String> {
    loop {
        match changes.recv().await {
            Ok(name) if is_seen(&name, sight, recordings) => {
                return Some(format!("data: {{\"id\":\"{name}\"}}\n\n"));
            }
            Ok(_) => {}
            // Too much happened: the list is to be looked at as a whole.
            Err(broadcast::error::RecvError::Lagged(_)) => {
                return Some("data: {\"id\":null}\n\n".to_owned());
            }
            Err(broadcast::error::RecvError::Closed) => return None,
        }
    }
}

/// What is gone has no owner any more, and its name tells nothing.
fn is_seen(name: &str, sight: &Sight, recordings: &Recordings) -> bool {
    let entry = recordings.catalog.get(name);
    is_id(name) && entry.is_none_or(|entry| Recordings::sees(sight, &entry))
}
