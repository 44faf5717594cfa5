//! Views of whatever a client and a program may have sent.

use auditssh_log::Message;
use auditssh_log::message::{Event, Exec, Io, Pty, Subsystem, Window};
use auditssh_view::View as _;
use auditssh_view::files::{Action, Ledger, Note};
use auditssh_view::runs::{Did, Runs, Step};
use auditssh_view::screen::{Html, Plain};
use auditssh_view::survey::{LONGEST_LINE, Line, Survey};
use std::collections::HashMap;

/// Pieces of both streams, each with a byte that says how long it is and which way it went.
fn pieces(mut data: &[u8]) -> Vec<Event> {
    let mut pieces = Vec::new();
    while let Some((head, rest)) = data.split_first() {
        let (piece, rest) = rest.split_at(usize::from(head >> 1).min(rest.len()));
        let stream = u64::from(head & 1).into();
        let bytes = piece.to_vec();
        pieces.push(Event::Io(Io {
            stream,
            data: bytes,
        }));
        data = rest;
    }
    pieces
}

fn exec(program: &str) -> Event {
    Event::Exec(Exec {
        request_id: 0,
        program: program.into(),
    })
}

/// Lines can be shown, and are no longer than they may be; times grow with the log's.
fn surveyed(events: &[Event]) {
    let tell = |line: Line<'_>| {
        assert!(line.text.len() <= LONGEST_LINE);
        assert!(line.text.chars().all(auditssh_view::is_visible));
    };
    let mut survey = Survey::new();
    for (number, event) in (0..).zip(events) {
        let time = number * 7_000_000;
        survey.push(&Message::new("c", time, Some(0), event.clone()), tell);
    }
    let _ = survey.finish(tell);
}

/// The ledger of whatever bytes tells of every content, with as many bytes as it gave.
pub fn files(data: &[u8]) {
    let Some((which, data)) = data.split_first() else {
        return;
    };
    let first = match which % 4 {
        0 => Event::Subsystem(Subsystem {
            request_id: 0,
            subsystem: "sftp".into(),
        }),
        1 => exec("scp -t /x"),
        2 => exec("scp -r -t /x/"),
        _ => exec("scp -f /x/y"),
    };
    let mut ledger = Ledger::default();
    let mut open: HashMap<u64, u64> = HashMap::new();
    let mut to = |note: Note<'_>| match note {
        Note::Data(data) => *open.entry(data.transfer).or_default() += data.bytes.len() as u64,
        Note::Entry(entry) => {
            entry.json();
            assert!(entry.to_string().chars().all(auditssh_view::is_visible));
            if let Action::Transfer {
                number, content, ..
            } = &entry.action
            {
                let given = open.remove(number).unwrap_or(0);
                let whole = content.sha256.is_some();
                assert!(content.bytes == given || whole && content.bytes < given);
            }
        }
    };
    for event in std::iter::once(first).chain(pieces(data)) {
        ledger.push(&Message::new("c", 0, Some(0), event), &mut to);
    }
    ledger.finish(&mut to);
    assert!(open.is_empty());
}

/// Whatever a program writes, its screen has nothing but characters.
pub fn screen(data: &[u8]) {
    let Some((size, data)) = data.split_first_chunk::<2>() else {
        return;
    };
    let pty = Event::Pty(Pty {
        columns: u64::from(size[0] % 40),
        rows: u64::from(size[1] % 20),
        request_id: 9,
        ..Pty::default()
    });
    let resizes = pieces(data).into_iter().map(|event| match event {
        Event::Io(io) if u64::from(io.stream) == 0 && io.data.len() == 2 => {
            let [columns, rows] = [io.data[0], io.data[1]].map(u64::from);
            Event::Window(Window {
                columns,
                rows,
                ..Window::default()
            })
        }
        other => other,
    });
    let (mut runs, mut views, mut text, mut page) = (Runs::default(), None, Vec::new(), Vec::new());
    let mut each = |step: Step<'_>| {
        if let Did::Begin(start) = step.what {
            views = Some((Plain::new(start, &mut text)?, Html::new(start, &mut page)?));
        } else if let Some((plain, html)) = &mut views {
            plain.push(&step, &mut text)?;
            html.push(&step, &mut page)?;
        }
        Ok::<_, std::io::Error>(())
    };
    let events: Vec<Event> = [pty, exec("x")].into_iter().chain(resizes).collect();
    surveyed(&events);
    // A few bytes can fill the screen again and again, which is refused.
    for event in events {
        let message = Message::new("c", 0, Some(0), event);
        if runs.push(&message, &mut each).is_err() {
            return;
        }
    }
    if runs.finish(&mut each).is_err() {
        return;
    }
    for bytes in [text, page] {
        let shown = String::from_utf8(bytes).expect("UTF-8");
        assert!(
            shown
                .chars()
                .all(|c| c == '\n' || auditssh_view::is_visible(c))
        );
    }
}
