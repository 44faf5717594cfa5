//! `/sessions/{id}/files`: the files that went through, and their contents.

use super::Answer;
use super::downloads::answer;
use crate::answer::Refusal;
use crate::app::App;
use crate::door::Passed;
use crate::log::{self, ON};
use crate::store::{Id, Store};
use auditssh_view::files::{Action, Data, Ledger, Note};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::response::Response;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::FileExt as _;

/// Most entries that are listed; more are counted.
const MOST: usize = 10_000;
/// The largest content that is put together, in bytes.
const LARGEST: u64 = 8 << 30;
/// Longest name of a file, in bytes.
const LONGEST_NAME: usize = 200;

/// The ledger, as `auditssh files --json` prints it, with the numbers of contents.
pub(crate) async fn list(State(app): State<App>, passed: Passed) -> Result<Answer, Refusal> {
    let (store, id) = (app.store.clone(), passed.id()?);
    let found = app.readers(&id).ask(move || {
        let (mut items, mut more) = (Vec::new(), 0_u64);
        let mut take = |note: Note<'_>| {
            let Note::Entry(entry) = note else { return };
            if items.len() >= MOST {
                more += 1;
                return;
            }
            let mut item = entry.json();
            if let Value::Object(item) = &mut item {
                let number = match &entry.action {
                    Action::Transfer { number, .. } => json!(number),
                    _ => Value::Null,
                };
                item.insert("number".to_owned(), number);
            }
            items.push(item);
        };
        let mut ledger = Ledger::default();
        let read = store.open(&id).and_then(|reader| {
            log::read(reader, |_, message, _| {
                ledger.push(message, &mut take);
                ON
            })
        });
        read.map_err(|error| Refusal::unreadable(&error))?;
        ledger.finish(&mut take);
        Ok(json!({"items": items, "more": more}))
    });
    Ok(Answer(found.await?))
}

/// The content of one transfer, as far as it went through.
pub(crate) async fn content(
    State(app): State<App>,
    passed: Passed,
    Path((_, number)): Path<(String, u64)>,
) -> Result<Response, Refusal> {
    let (store, id) = (app.store.clone(), passed.id()?);
    let readers = app.readers(&id);
    let content = app
        .assemblers
        .ask(move || assemble(&store, &id, number))
        .await?;
    let Content {
        mut file,
        name,
        length,
    } = content;
    let body = readers.stream(passed.session.end, move |sink| {
        file.rewind()?;
        io::copy(&mut (&mut file).take(length), sink).map(drop)
    });
    let mut answer = answer("application/octet-stream", Some(&name), body.await?);
    answer.headers_mut().insert(CONTENT_LENGTH, length.into());
    Ok(answer)
}

/// A content put together in a file without a name.
struct Content {
    file: File,
    name: String,
    length: u64,
}

/// Its pieces may have gone through in any order.
fn assemble(store: &Store, id: &Id, wanted: u64) -> Result<Content, Refusal> {
    let unreadable = |error: io::Error| Refusal::unreadable(&error);
    let mut content = Content {
        file: tempfile::tempfile().map_err(unreadable)?,
        name: String::new(),
        length: 0,
    };
    let (mut found, mut failed) = (false, None);
    let mut ledger = Ledger::default();
    let mut take = |note: Note<'_>| match note {
        Note::Data(data) if data.transfer == wanted => {
            found = true;
            failed = failed.take().or(content.add(data).err());
        }
        Note::Entry(entry) => {
            if let Action::Transfer { number, .. } = &entry.action
                && *number == wanted
            {
                found = true;
                content.name = name(&entry.path);
            }
        }
        Note::Data(_) => {}
    };
    let read = store.open(id).and_then(|reader| {
        log::read(reader, |_, message, _| {
            ledger.push(message, &mut take);
            ON
        })
    });
    read.map_err(unreadable)?;
    ledger.finish(&mut take);
    match failed {
        Some(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the content is too large to be put together here; `auditssh files --extract` writes it",
        )),
        Some(error) => Err(unreadable(error)),
        None if !found => Err(Refusal::not_found()),
        None => Ok(content),
    }
}

impl Content {
    fn add(&mut self, data: &Data<'_>) -> io::Result<()> {
        let end = data.offset.saturating_add(data.bytes.len() as u64);
        if end > LARGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.length = self.length.max(end);
        self.file.write_all_at(data.bytes, data.offset)
    }
}

/// What a file is called: the last part of its path.
fn name(path: &[u8]) -> String {
    let last = path
        .rsplit(|byte| *byte == b'/')
        .find(|part| !part.is_empty());
    let last = last.unwrap_or(b"file");
    let short = last.get(..LONGEST_NAME).unwrap_or(last);
    String::from_utf8_lossy(short).into_owned()
}
