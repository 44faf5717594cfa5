//! What the pages ask: everything below `/api/v1`.

pub(crate) mod access;
pub(crate) mod downloads;
pub(crate) mod events;
pub(crate) mod facts;
pub(crate) mod files;
pub(crate) mod input;
pub(crate) mod list;
pub(crate) mod live;
pub(crate) mod timeline;

use crate::answer::Refusal;
use crate::app::App;
use crate::door::session;
use auditssh_log::message::Message;
use auditssh_view::visible_json;
use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Whether the viewer does its work.
pub(crate) async fn health(State(app): State<App>) -> Response {
    if !app.accesses.is_well() {
        return unwell("the log of accesses cannot be written\n");
    }
    let store = app.store.clone();
    let problem = tokio::task::spawn_blocking(move || store.problem()).await;
    match problem.unwrap_or(Some("it could not be found out\n")) {
        None => (StatusCode::OK, "ok\n").into_response(),
        Some(problem) => unwell(problem),
    }
}

fn unwell(text: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

/// Who is logged in, and how one logs in.
pub(crate) async fn me(State(app): State<App>, headers: HeaderMap) -> Response {
    let login =
        json!({"password": !app.who.load().users.is_empty(), "oidc": app.elsewhere.is_some()});
    match session(&app, &headers) {
        Some(session) => Json(json!({
            "user": session.viewer.user,
            "role": session.viewer.role.word(),
            "version": app.version,
            "login": login,
        }))
        .into_response(),
        None => (
            StatusCode::UNAUTHORIZED,
            Json(json!({"error": "log in first", "login": login})),
        )
            .into_response(),
    }
}

/// A JSON answer. Escaped is whatever could deceive the eye, wherever it is shown.
pub(crate) struct Answer(pub(crate) Value);

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let text = visible_json(&self.0.to_string()).into_owned();
        ([(CONTENT_TYPE, "application/json")], text).into_response()
    }
}

/// The query of a request, of which every key must be known.
pub(crate) fn query<T: DeserializeOwned>(uri: &axum::http::Uri) -> Result<T, Refusal> {
    let query = axum::extract::Query::<T>::try_from_uri(uri);
    query
        .map(|query| query.0)
        .map_err(|error| Refusal::bad(error.body_text()))
}

/// A program on a channel: of several the first is 0.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Program {
    pub(crate) channel: u64,
    pub(crate) program: u64,
}

/// A time in UTC (RFC 3339), or the number if it is none.
pub(crate) fn time(nanoseconds: i64) -> Value {
    match jiff::Timestamp::from_nanosecond(nanoseconds.into()) {
        Ok(time) => Value::String(format!("{time:.9}")),
        Err(_) => nanoseconds.into(),
    }
}

/// Nanoseconds as seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "to the microsecond, for a hundred years"
)]
pub(crate) fn seconds(nanoseconds: u64) -> f64 {
    (nanoseconds / 1000) as f64 / 1e6
}

/// What a message says, in a line.
pub(crate) fn line(message: &Message) -> String {
    use auditssh_log::message::{Event, Stream};
    use auditssh_view::{Visible, text::describe};
    let Event::Io(io) = &message.event else {
        return describe(message);
    };
    let shown = Visible(&io.data);
    match io.stream {
        Stream::Stdin => format!("in  | {shown}"),
        Stream::Stdout => format!("out | {shown}"),
        Stream::Stderr => format!("err | {shown}"),
        Stream::Other(number) => format!("stream {number} | {shown}"),
    }
}
