//! `/sessions`: which recordings there are; `/search`: in which of them something stands.

use super::{Answer, query, seconds, time};
use crate::answer::Refusal;
use crate::app::App;
use crate::catalog::Recordings;
use crate::door::Passed;
use crate::log;
use crate::rules::Sight;
use crate::store::{Id, Store};
use crate::stream::Readers;
use auditssh_archive::is_id;
use auditssh_search::catalog::{Entry, Select, Sort};
use auditssh_search::index::State as End;
use auditssh_search::pattern::Syntax;
use auditssh_search::search::{Found, Hit, Options, Query, search_in};
use auditssh_search::{Filter, Pattern};
use auditssh_view::survey::{Exit, Facts, Program};
use axum::extract::State;
use axum::http::Uri;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Most of an answer.
const MOST: usize = 500;
const MOST_HITS: usize = 1000;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    user: Option<String>,
    address: Option<String>,
    from: Option<String>,
    to: Option<String>,
    command: Option<String>,
    text: Option<String>,
    files: Option<bool>,
    failed: Option<bool>,
    live: Option<bool>,
    sort: Option<String>,
    order: Option<String>,
    limit: Option<usize>,
    page: Option<usize>,
}

impl Wanted {
    fn filter(&self) -> Result<Filter, Refusal> {
        Ok(Filter {
            command: given(self.command.as_ref())
                .map(|text| pattern(&text))
                .transpose()?,
            files: self.files.unwrap_or_default(),
            failed: self.failed.unwrap_or_default(),
            live: self.live,
            ..of(
                self.user.as_ref(),
                self.address.as_ref(),
                self.from.as_ref(),
                self.to.as_ref(),
            )?
        })
    }

    fn select(&self) -> Result<Select, Refusal> {
        let sort = match self.sort.as_deref() {
            None | Some("start") => Sort::Start,
            Some("user") => Sort::User,
            Some("duration") => Sort::Duration,
            Some("size") => Sort::Size,
            Some(_) => return Err(Refusal::bad("`sort` is start, user, duration or size")),
        };
        let descending = match self.order.as_deref() {
            None | Some("desc") => true,
            Some("asc") => false,
            Some(_) => return Err(Refusal::bad("`order` is asc or desc")),
        };
        let text = given(self.text.as_ref());
        Ok(Select {
            filter: self.filter()?,
            text: text.map(|text| pattern(&text)).transpose()?,
            sort,
            descending,
            offset: 0,
            limit: usize::MAX,
        })
    }
}

/// An empty field of a form asks for nothing.
fn given(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

fn of(
    user: Option<&String>,
    address: Option<&String>,
    from: Option<&String>,
    to: Option<&String>,
) -> Result<Filter, Refusal> {
    let address = given(address).map(|text| text.parse()).transpose();
    Ok(Filter {
        user: given(user),
        address: address.map_err(|error| Refusal::bad(format!("`address`: {error}")))?,
        from: given(from).map(|text| moment(&text)).transpose()?,
        to: given(to).map(|text| moment(&text)).transpose()?,
        ..Filter::default()
    })
}

fn pattern(text: &str) -> Result<Pattern, Refusal> {
    Pattern::new(text, Syntax::default()).map_err(|error| Refusal::bad(error.to_string()))
}

fn moment(text: &str) -> Result<i64, Refusal> {
    let time: Option<jiff::Timestamp> = text.parse().ok();
    let nanoseconds = time.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    nanoseconds.ok_or_else(|| Refusal::bad("a time is written 2026-01-31T12:00:00Z"))
}

/// Which recordings there are.
pub(crate) async fn list(
    State(app): State<App>,
    passed: Passed,
    uri: Uri,
) -> Result<Answer, Refusal> {
    let wanted: Wanted = query(&uri)?;
    let mut select = wanted.select()?;
    let limit = wanted.limit.unwrap_or(50).clamp(1, MOST);
    let page = wanted.page.unwrap_or(1).max(1);
    let sight = app.sight(&passed.session.viewer);
    if select.text.is_some() {
        app.record(passed.access("search", uri.query().unwrap_or_default()))
            .await?;
    }
    let (recordings, store) = (Arc::clone(&app.recordings), app.store.clone());
    let text = select.text.take();
    let (stop, on) = Readers::watched();
    let readers = if text.is_some() {
        &app.searchers
    } else {
        &app.lists
    };
    let answer = readers.ask(move || {
        let options = Options {
            threads: recordings.threads(),
            stop,
            ..Options::default()
        };
        let mut entries = recordings.catalog.select(&select, &options).entries;
        entries.retain(|entry| is_shown(&sight, entry));
        let mut complete = recordings.is_whole();
        if let Some(text) = &text {
            complete &= recordings.catalog.having(text, &mut entries, &options);
            entries.retain(|entry| is_confirmed(&store, &sight, &entry.log.name));
        }
        let first = (page - 1).saturating_mul(limit);
        let items = entries.iter().skip(first).take(limit);
        Ok(json!({
            "total": entries.len(),
            "page": page,
            "limit": limit,
            "items": items.map(|entry| item(entry)).collect::<Vec<_>>(),
            "complete": complete,
        }))
    });
    let answer = answer.await?;
    drop(on);
    Ok(Answer(answer))
}

/// Whether a viewer who may not see all may see what was found in a recording: of one that has a long
/// way that is told by the log itself. Whoever may put something beside it could else say whose it is.
fn is_confirmed(store: &Store, sight: &Sight, name: &str) -> bool {
    if sight.is_all() || !store.is_far(name) {
        return true;
    }
    let login = Id::parse(name).and_then(|id| log::login(store, &id).ok());
    login.is_some_and(|login| sight.sees(login.as_deref()))
}

/// Whether a viewer may see it, and the address of a page can name it.
fn is_shown(sight: &Sight, entry: &Entry) -> bool {
    is_id(&entry.log.name) && Recordings::sees(sight, entry)
}

fn item(entry: &Entry) -> Value {
    let facts = &entry.facts;
    let live = entry.state == End::Open;
    json!({
        "id": entry.log.name,
        "user": facts.user,
        "authenticated": facts.authenticated,
        "address": facts.address,
        "country": facts.country,
        "client": facts.client,
        "start": facts.start.map(time),
        "end": facts.end.filter(|_| !live).map(time),
        "duration": facts.duration().filter(|_| !live).map(seconds),
        "state": entry.state.word(),
        "programs": facts.programs.iter().map(program).collect::<Vec<_>>(),
        "programCount": facts.program_count,
        "files": facts.files(),
        "failed": failed(facts),
        "gaps": facts.gaps,
        "bytes": {
            "stdin": facts.bytes.stdin,
            "stdout": facts.bytes.stdout,
            "stderr": facts.bytes.stderr,
        },
        "size": entry.log.size,
        "partial": entry.partial,
        "problem": entry.problem,
    })
}

/// How often something was refused.
fn failed(facts: &Facts) -> u64 {
    let refused = facts.failed_logins.saturating_add(facts.failed_requests);
    refused.saturating_add(facts.failure.is_some().into())
}

fn program(program: &Program) -> Value {
    json!({
        "channel": program.channel,
        "program": program.number,
        "what": program.what,
        "command": program.command,
        "exit": program.exit.as_ref().map(|exit| match exit {
            Exit::Status(status) => json!({"status": status}),
            Exit::Signal(signal) => json!({"signal": signal}),
        }),
    })
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Search {
    q: String,
    user: Option<String>,
    address: Option<String>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<usize>,
}

/// Lines in recordings.
pub(crate) async fn search(
    State(app): State<App>,
    passed: Passed,
    uri: Uri,
) -> Result<Answer, Refusal> {
    let wanted: Search = query(&uri)?;
    if wanted.q.trim().is_empty() {
        return Err(Refusal::bad(
            "`q` is what is searched, and must not be empty",
        ));
    }
    let filter = of(
        wanted.user.as_ref(),
        wanted.address.as_ref(),
        wanted.from.as_ref(),
        wanted.to.as_ref(),
    )?;
    let query = Query {
        pattern: Some(pattern(&wanted.q)?),
        ..Query::default()
    };
    let limit = wanted.limit.unwrap_or(100).clamp(1, MOST_HITS);
    let sight = app.sight(&passed.session.viewer);
    let (recordings, store) = (Arc::clone(&app.recordings), app.store.clone());
    let (stop, on) = Readers::watched();
    let answer = app.searchers.ask(move || {
        let options = Options {
            threads: recordings.threads(),
            most: limit,
            stop,
            ..Options::default()
        };
        let select = Select {
            filter,
            limit: usize::MAX,
            ..Select::default()
        };
        // Only what may be seen is read.
        let entries = recordings.catalog.select(&select, &options).entries;
        let entries = entries.iter().filter(|entry| is_shown(&sight, entry));
        let logs: Vec<_> = entries.map(|entry| entry.log.clone()).collect();
        let place = recordings.catalog.place();
        let mut hits = Vec::new();
        let mut confirmed: BTreeMap<String, bool> = BTreeMap::new();
        let outcome = search_in(&**place, &logs, &query, &options, &mut |found| {
            if let Found::Hit(hit) = found {
                if hits.len() >= limit {
                    return ControlFlow::Break(());
                }
                let name = &hit.connection.name;
                let is_confirmed = || is_confirmed(&store, &sight, name);
                if *confirmed.entry(name.clone()).or_insert_with(is_confirmed) {
                    hits.extend(line(hit));
                }
            }
            ControlFlow::Continue(())
        });
        let complete = outcome.complete && recordings.is_whole();
        Ok(json!({"hits": hits, "complete": complete}))
    });
    let answer = answer.await?;
    drop(on);
    Ok(Answer(answer))
}

fn line(hit: &Hit) -> Option<Value> {
    let line = hit.line.as_ref()?;
    let facts = &hit.connection.head.facts;
    Some(json!({
        "id": hit.connection.name,
        "channel": line.channel,
        "program": line.program,
        "at": seconds(line.at),
        "time": time(line.time),
        "kind": line.kind.word(),
        "line": line.text,
        "user": facts.user,
        "start": facts.start.map(time),
    }))
}
