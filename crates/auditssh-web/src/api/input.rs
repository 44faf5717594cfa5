//! `/sessions/{id}/input`: what was typed.

use super::{Answer, seconds, time};
use crate::answer::Refusal;
use crate::app::App;
use crate::door::Passed;
use crate::log::{self, ON};
use auditssh_view::survey::{Kind, Line, Survey};
use axum::extract::State;
use serde_json::{Value, json};

/// Most lines; more are counted.
const MOST: usize = 20_000;

pub(crate) async fn input(State(app): State<App>, passed: Passed) -> Result<Answer, Refusal> {
    let (store, id) = (app.store.clone(), passed.id()?);
    let found = app.readers(&id).ask(move || {
        let (mut items, mut more) = (Vec::new(), 0_u64);
        let mut take = |line: Line<'_>| {
            if line.kind != Kind::Typed {
                return;
            }
            if items.len() < MOST {
                items.push(item(&line));
            } else {
                more += 1;
            }
        };
        let mut survey = Survey::without_screens();
        let read = store.open(&id).and_then(|reader| {
            log::read(reader, |_, message, _| {
                survey.push(message, &mut take);
                ON
            })
        });
        read.map_err(|error| Refusal::unreadable(&error))?;
        let _ = survey.finish(&mut take);
        Ok(json!({"items": items, "more": more}))
    });
    Ok(Answer(found.await?))
}

fn item(line: &Line<'_>) -> Value {
    json!({
        "channel": line.channel,
        "program": line.program,
        "at": seconds(line.at),
        "time": time(line.time),
        "text": line.text,
    })
}
