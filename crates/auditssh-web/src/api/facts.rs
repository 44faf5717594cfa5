//! `/sessions/{id}` and `/sessions/{id}/verify`.

use super::Answer;
use crate::answer::Refusal;
use crate::app::App;
use crate::door::Passed;
use crate::log::{self, ON, State as End};
use auditssh_archive::verify::{Report, Verdict};
use auditssh_view::show::Connection;
use axum::extract::State;
use serde_json::{Value, json};

/// The page of a connection, as `auditssh show --json` prints it.
pub(crate) async fn facts(State(app): State<App>, passed: Passed) -> Result<Answer, Refusal> {
    let (store, id) = (app.store.clone(), passed.id()?);
    let object = app.readers(&id).ask(move || {
        let unreadable = |error: std::io::Error| Refusal::unreadable(&error);
        let mut page = Connection::default();
        let reader = store.open(&id).map_err(unreadable)?;
        let ending = log::read(reader, |_, message, _| {
            page.push(message);
            ON
        });
        let ending = ending.map_err(unreadable)?;
        let state = End::of(&ending, &store, &id);
        let mut page = page.finish().json();
        if let Value::Object(page) = &mut page {
            page.insert("id".to_owned(), id.as_str().into());
            page.insert("state".to_owned(), state.word().into());
            page.insert("live".to_owned(), (state == End::Open).into());
            page.insert("problem".to_owned(), json!(ending.problem));
        }
        Ok(page)
    });
    Ok(Answer(object.await?))
}

/// Whether the log is as it was written.
pub(crate) async fn verify(State(app): State<App>, passed: Passed) -> Result<Answer, Refusal> {
    let (store, id) = (app.store.clone(), passed.id()?);
    let checked = app.readers(&id).ask(move || Ok(store.check(&id)));
    let checked = checked.await?;
    let mut object = checked.json();
    let aside = checked.damaged;
    let report = checked
        .report
        .map_err(|failure| Refusal::unreadable(&failure.source))?;
    object.insert("details".into(), details(&report, &aside).into());
    Ok(Answer(object.into()))
}

/// The same for people.
fn details(report: &Report, aside: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    match report.verdict {
        Verdict::Foreign => {
            lines.push("The log has no hash chain: nothing can be proven.".to_owned());
        }
        Verdict::Altered(damage) => lines.push(format!(
            "Member {} at byte {}: {}.",
            damage.member, damage.offset, damage.kind
        )),
        Verdict::Cut => lines.push("The end of the log is missing.".to_owned()),
        Verdict::Open => lines.push("The log is still being written.".to_owned()),
        Verdict::Intact | Verdict::Recovered => {}
    }
    if report.verdict != Verdict::Foreign {
        lines.push(format!(
            "{} messages in {} bytes are proven.",
            report.messages, report.proven
        ));
    }
    if report.recovered.happened {
        lines.push(format!(
            "It was completed after a crash: {} messages were protected by a checksum only until \
             then.",
            report.recovered.messages
        ));
    }
    if report.gaps > 0 {
        lines.push("Messages are missing, which the log says itself.".to_owned());
    }
    if let Some(key) = &report.signer {
        let key = auditssh_archive::key::to_openssh(key);
        lines.push(format!("It is signed by {key}."));
    }
    if !aside.is_empty() {
        lines.push(format!(
            "Its recovery set aside what nothing vouches for: {}.",
            aside.join(", ")
        ));
    }
    lines
}
