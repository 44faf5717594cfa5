//! `/sessions/{id}/events`: the messages of a log, some at a time.

use super::{Answer, line, query, time};
use crate::answer::Refusal;
use crate::app::App;
use crate::door::Passed;
use crate::log::{self, ON, STOP};
use auditssh_log::Message;
use auditssh_log::codec::json::{self as codec, Style};
use axum::extract::State;
use axum::http::Uri;
use serde::Deserialize;
use serde_json::{Value, json};

/// Most messages of an answer, and the most bytes of JSON, unless one message alone has more.
const MOST: usize = 1000;
const LARGEST: usize = 4 << 20;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    /// Names or numbers of types with commas between.
    r#type: Option<String>,
    channel: Option<u64>,
    after: Option<u64>,
    limit: usize,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            r#type: None,
            channel: None,
            after: None,
            limit: 200,
        }
    }
}

impl Wanted {
    fn has(&self, number: u64, message: &Message) -> bool {
        let event = &message.event;
        let is_type =
            |wanted: &str| wanted == event.type_id() || wanted.parse() == Ok(event.type_number());
        self.after.is_none_or(|after| number > after)
            && (self.channel.is_none() || self.channel == message.channel_id)
            && self
                .r#type
                .as_deref()
                .is_none_or(|types| types.split(',').any(is_type))
    }
}

pub(crate) async fn events(
    State(app): State<App>,
    passed: Passed,
    uri: Uri,
) -> Result<Answer, Refusal> {
    let wanted: Wanted = query(&uri)?;
    let (store, id) = (app.store.clone(), passed.id()?);
    let limit = wanted.limit.clamp(1, MOST);
    let found = app.readers(&id).ask(move || {
        let unreadable = |error: std::io::Error| Refusal::unreadable(&error);
        let (mut items, mut size, mut last, mut more) = (Vec::new(), 0, 0, false);
        let reader = store.open(&id).map_err(unreadable)?;
        let ending = log::read(reader, |number, message, _| {
            if !wanted.has(number, message) {
                return ON;
            }
            if items.len() >= limit || size > LARGEST {
                more = true;
                return STOP;
            }
            let item = item(number, message)?;
            size += item.to_string().len();
            last = number;
            items.push(item);
            ON
        });
        ending.map_err(unreadable)?;
        Ok(json!({"items": items, "next": more.then_some(last)}))
    });
    Ok(Answer(found.await?))
}

/// A message with its number.
pub(super) fn item(number: u64, message: &Message) -> std::io::Result<Value> {
    let mut whole = Vec::new();
    codec::write(message, Style::FULL, &mut whole)?;
    let whole: Value = serde_json::from_slice(&whole)?;
    Ok(json!({
        "number": number,
        "time": time(message.timestamp),
        "type": message.event.type_id(),
        "channel": message.channel_id,
        "text": line(message),
        "json": whole,
    }))
}
