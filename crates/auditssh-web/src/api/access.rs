//! `/access`: who looked at what.

use super::{Answer, query, time};
use crate::access;
use crate::answer::Refusal;
use crate::app::App;
use auditssh_log::message::Text;
use axum::extract::State;
use axum::http::Uri;
use serde::Deserialize;
use serde_json::json;

const MOST: usize = 1000;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    limit: usize,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { limit: 200 }
    }
}

pub(crate) async fn latest(State(app): State<App>, uri: Uri) -> Result<Answer, Refusal> {
    let Wanted { limit } = query(&uri)?;
    let limit = limit.clamp(1, MOST);
    let directory = app.accesses.directory().to_owned();
    let found = app.lists.ask(move || {
        access::latest(&directory, limit).map_err(|error| Refusal::unreadable(&error))
    });
    let text = |text: &Text| text.to_str_lossy().into_owned();
    let items: Vec<_> = found
        .await?
        .into_iter()
        .map(|written| {
            let access = &written.access;
            json!({
                "time": time(written.time),
                "user": text(&access.user),
                "role": text(&access.role),
                "address": text(&access.address),
                "action": text(&access.action),
                "connection": access.connection.as_ref().map(text),
                "detail": text(&access.detail),
                "allowed": access.allowed,
                "log": written.log,
            })
        })
        .collect();
    Ok(Answer(json!({"items": items})))
}
