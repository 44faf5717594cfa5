//! A recording in one of its forms: the log itself, JSON lines, text, a page, a cast.

use super::{Program, query};
use crate::answer::Refusal;
use crate::app::App;
use crate::door::Passed;
use crate::log::{self, ON, STOP};
use crate::store::{Id, Store};
use crate::stream::Sink;
use auditssh_log::codec::json::{self, Style as Whole};
use auditssh_view::cast::{Cast, Style, Version};
use auditssh_view::runs::{Did, Runs, Start, Step};
use auditssh_view::screen::{Html, Plain};
use auditssh_view::{Text, View};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{self, Write as _};

/// How much text may be made of a log, in bytes: so much, and so much more for each byte of the log.
/// Sessions of people need less than 100 for each.
const FREE_TEXT: u64 = 64 << 20;
const TEXT_PER_BYTE: u64 = 256;

const CAST: &str = "application/x-asciicast";
const BYTES: &str = "application/octet-stream";
const PLAIN: &str = "text/plain; charset=utf-8";
const LINES: &str = "application/x-ndjson";

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OfCast {
    program: u64,
    download: Option<u8>,
    version: Option<u8>,
}

/// A program as asciinema's player takes it.
pub(crate) async fn cast(
    State(app): State<App>,
    passed: Passed,
    Path((_, channel)): Path<(String, u64)>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let wanted: OfCast = query(&uri)?;
    let version = match wanted.version {
        None | Some(2) => Version::Two,
        Some(3) => Version::Three,
        Some(_) => return Err(Refusal::bad("`version` is 2 or 3")),
    };
    let style = Style {
        version,
        input: true,
    };
    let (store, id) = (app.store.clone(), passed.id()?);
    let name = wanted
        .download
        .map(|_| format!("{}.{channel}.cast", id.as_str()));
    let program = Some(Program {
        channel,
        program: wanted.program,
    });
    let body = app.readers(&id).stream(passed.session.end, move |sink| {
        show(&store, &id, program, sink, |start, out| {
            Ok(Box::new(Cast::new(start, style, out)?))
        })
    });
    Ok(answer(CAST, name.as_deref(), body.await?))
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Log,
    Text,
    Json,
    Html,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    r#as: Form,
    channel: Option<u64>,
    #[serde(default)]
    program: u64,
}

pub(crate) async fn download(
    State(app): State<App>,
    passed: Passed,
    uri: Uri,
) -> Result<Response, Refusal> {
    let wanted: Wanted = query(&uri)?;
    let program = wanted.channel.map(|channel| Program {
        channel,
        program: wanted.program,
    });
    let (store, id) = (app.store.clone(), passed.id()?);
    let name = id.as_str();
    let (name, kind) = match (wanted.r#as, wanted.channel) {
        (Form::Log, _) => (name.to_owned(), BYTES),
        (Form::Json, _) => (format!("{name}.jsonl"), LINES),
        (Form::Text, None) => (format!("{name}.txt"), PLAIN),
        (Form::Text, Some(channel)) => (format!("{name}.{channel}.txt"), PLAIN),
        (Form::Html, None) => (format!("{name}.html"), BYTES),
        (Form::Html, Some(channel)) => (format!("{name}.{channel}.html"), BYTES),
    };
    let body = app
        .readers(&id)
        .stream(passed.session.end, move |sink| match wanted.r#as {
            Form::Log => io::copy(&mut store.raw(&id)?, sink).map(drop),
            Form::Json => lines(&store, &id, sink),
            Form::Text if program.is_none() => text(&store, &id, sink),
            Form::Text => show(&store, &id, program, sink, |start, out| {
                Ok(Box::new(Plain::new(start, out)?))
            }),
            Form::Html => show(&store, &id, program, sink, |start, out| {
                Ok(Box::new(Html::new(start, out)?))
            }),
        });
    Ok(answer(kind, Some(&name), body.await?))
}

/// A body of this kind; with a name, one that is saved and never shown.
pub(super) fn answer(kind: &'static str, name: Option<&str>, body: Body) -> Response {
    let kind: [(HeaderName, &str); 1] = [(CONTENT_TYPE, kind)];
    match name {
        None => (kind, body).into_response(),
        Some(name) => {
            let disposition = [(CONTENT_DISPOSITION, attachment(name))];
            (kind, disposition, body).into_response()
        }
    }
}

/// As RFC 6266 has it: a plain name for all, the whole one for those that can.
fn attachment(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let mut plain: String = name
        .bytes()
        .map(|byte| {
            if is_plain(byte) {
                char::from(byte)
            } else {
                '_'
            }
        })
        .collect();
    if plain.trim_matches('.').is_empty() {
        "file".clone_into(&mut plain);
    }
    let mut encoded = String::new();
    for byte in name.bytes() {
        if is_plain(byte) {
            encoded.push(char::from(byte));
        } else {
            use std::fmt::Write as _;
            // Writing to a string never fails.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

fn lines(store: &Store, id: &Id, sink: &mut Sink) -> io::Result<()> {
    let ending = log::read(store.open(id)?, |_, message, _| {
        json::write(message, Whole::FULL, sink)?;
        sink.write_all(b"\n")?;
        ON
    })?;
    if let Some(problem) = ending.problem {
        json::error(&problem, sink)?;
        sink.write_all(b"\n")?;
    }
    Ok(())
}

fn text(store: &Store, id: &Id, sink: &mut Sink) -> io::Result<()> {
    let mut text = Text::new(sink);
    let ending = log::read(store.open(id)?, |_, message, offset| {
        text.set_limit(FREE_TEXT.saturating_add(offset.saturating_mul(TEXT_PER_BYTE)));
        text.push(message)?;
        ON
    })?;
    let sink = text.finish()?;
    match ending.problem {
        Some(problem) => writeln!(sink, "{problem}"),
        None => Ok(()),
    }
}

/// Writes one program, or the first one, in a form of its own.
fn show(
    store: &Store,
    id: &Id,
    wanted: Option<Program>,
    sink: &mut Sink,
    make: impl FnMut(&Start, &mut dyn io::Write) -> io::Result<Box<dyn View>>,
) -> io::Result<()> {
    let mut chosen = Chosen {
        wanted,
        make,
        numbers: BTreeMap::new(),
        open: None,
        ended: false,
    };
    let mut runs = Runs::default();
    log::read(store.open(id)?, |_, message, _| {
        runs.push(message, |step| chosen.step(&step, sink))?;
        if chosen.ended { STOP } else { ON }
    })?;
    runs.finish(|step| chosen.step(&step, sink))?;
    if chosen.open.is_none() && !chosen.ended {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "no such program ran",
        ));
    }
    Ok(())
}

/// The program that is shown.
struct Chosen<F> {
    wanted: Option<Program>,
    make: F,
    /// How many programs began on each channel.
    numbers: BTreeMap<u64, u64>,
    open: Option<(u64, Box<dyn View>)>,
    ended: bool,
}

impl<F: FnMut(&Start, &mut dyn io::Write) -> io::Result<Box<dyn View>>> Chosen<F> {
    fn step(&mut self, step: &Step<'_>, sink: &mut Sink) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        if let Did::Begin(start) = step.what {
            if self.open.is_none() && self.is_wanted(step.channel, start) {
                self.open = Some((step.channel, (self.make)(start, sink)?));
            }
            return Ok(());
        }
        if let Some((channel, view)) = &mut self.open
            && *channel == step.channel
        {
            view.push(step, sink)?;
            self.ended = matches!(step.what, Did::End);
        }
        Ok(())
    }

    fn is_wanted(&mut self, channel: u64, start: &Start) -> bool {
        let number = match &self.wanted {
            None => return !start.is_sftp(),
            Some(wanted) if wanted.channel != channel => return false,
            Some(wanted) => {
                let count = self.numbers.entry(channel).or_default();
                let is_it = *count == wanted.program;
                *count += 1;
                is_it
            }
        };
        number && !start.is_sftp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_only_names() {
        for (name, expected) in [
            ("a.txt", "filename=\"a.txt\"; filename*=UTF-8''a.txt"),
            (
                "a\"; x=\"\r\nb",
                "filename=\"a___x____b\"; filename*=UTF-8''a%22%3B%20x%3D%22%0D%0Ab",
            ),
            ("ä", "filename=\"__\"; filename*=UTF-8''%C3%A4"),
            ("..", "filename=\"file\"; filename*=UTF-8''.."),
        ] {
            assert_eq!(attachment(name), format!("attachment; {expected}"));
        }
    }
}
