//! What is paid for more than a plain log: `cargo bench -p auditssh-archive --bench outputs`.
//!
//! The same sessions are recorded as a log; as a log with the ledger of files (`intercept.files`); as a
//! cast, for which commands are looked for; and as a log and a cast at once (`audit.outputs`). Each session
//! appends one event after the other and waits for its commit, as one that people work in does. All
//! take turns within a round, so that whatever else the machine does touches each of them. Figures are
//! medians of the rounds. Logs go to a directory below `AUDITSSH_BENCH_DIR`, or the current one.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a benchmark prints figures"
)]

use auditssh_archive::{Archive, Encoder, Encoders, Entry, Form, Piece, Settings, Sync, Tap, Taps};
use auditssh_log::codec::Format;
use auditssh_log::message::{Event, Io, Message, Pty, Shell, Stream, Subsystem};
use auditssh_log::policy::{Intercept, Origin};
use auditssh_view::cast::{self, Style, Version};
use auditssh_view::files::Live;
use rustix::time::{ClockId, clock_gettime};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;

/// How much of bulk a session moves, and in which pieces.
const BULK: usize = 16 << 20;
const PIECE: usize = 32 << 10;

/// How many lines somebody types.
const LINES: usize = 500;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    println!("| session | at once | recorded as | events/s | MB/s | time | processor time |");
    println!("|---|---|---|---|---|---|---|");
    for (name, session) in [
        ("typed", typed()),
        ("output", printed()),
        ("sftp upload", uploaded()),
    ] {
        for sessions in [1, 8] {
            runtime.block_on(compare(name, &session, sessions));
        }
    }
}

/// What sessions are recorded as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Log,
    Ledger,
    Cast,
    Both,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Log, Self::Ledger, Self::Cast, Self::Both];

    const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Ledger => "log with ledger",
            Self::Cast => "cast",
            Self::Both => "log and cast",
        }
    }

    fn archive(self, home: &Path) -> Archive {
        let settings = |name: &str| Settings {
            sync: Sync::Interval(Duration::from_secs(1)),
            intercept: Intercept::ALL,
            ..Settings::new(home.join(name))
        };
        let log = Settings {
            form: Form::Messages(Format::Audit),
            taps: (self == Self::Ledger).then(|| Arc::new(Ledgers) as Arc<dyn Taps>),
            ..settings("logs")
        };
        let cast = Settings {
            form: Form::Lines(Arc::new(LiveCasts)),
            ..settings("casts")
        };
        let outputs = match self {
            Self::Log | Self::Ledger => vec![log],
            Self::Cast => vec![cast],
            Self::Both => vec![log, cast],
        };
        Archive::of(
            outputs
                .into_iter()
                .map(|output| Archive::open(output).unwrap()),
        )
    }
}

/// What one run took.
#[derive(Clone, Copy, Debug)]
struct Cost {
    time: Duration,
    processor: Duration,
}

async fn compare(name: &str, session: &Arc<Vec<Event>>, sessions: usize) {
    // The first run of all finds nothing in caches.
    run(Kind::Both, session, sessions).await;
    let mut costs = Kind::ALL.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (kind, costs) in Kind::ALL.into_iter().zip(&mut costs) {
            costs.push(run(kind, session, sessions).await);
        }
    }
    let medians = costs.map(|costs| Cost {
        time: median(costs.iter().map(|cost| cost.time)),
        processor: median(costs.iter().map(|cost| cost.processor)),
    });
    let [log, ..] = medians;
    let events = (session.len() * sessions) as f64;
    let bytes = (session.iter().map(bytes).sum::<usize>() * sessions) as f64;
    for (kind, cost) in Kind::ALL.into_iter().zip(medians) {
        let seconds = cost.time.as_secs_f64();
        println!(
            "| {name} | {sessions} | {} | {:.0} | {:.1} | × {:.2} | × {:.2} |",
            kind.name(),
            events / seconds,
            bytes / seconds / 1e6,
            seconds / log.time.as_secs_f64(),
            cost.processor.as_secs_f64() / log.processor.as_secs_f64(),
        );
    }
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Records so many sessions at once, up to their ends.
async fn run(kind: Kind, session: &Arc<Vec<Event>>, sessions: usize) -> Cost {
    let parent = std::env::var_os("AUDITSSH_BENCH_DIR").unwrap_or(".".into());
    let home = tempfile::tempdir_in(parent).unwrap();
    let archive = kind.archive(home.path());
    let (begin, before) = (Instant::now(), processor());
    let tasks: Vec<_> = (0..sessions)
        .map(|_| {
            let (archive, session) = (archive.clone(), Arc::clone(session));
            tokio::spawn(async move {
                let recorder = archive.create().await.unwrap();
                for event in session.iter() {
                    let entry = Entry::from(event.clone()).on(0);
                    recorder.append(entry).await.unwrap();
                }
                recorder.finish().await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let cost = Cost {
        time: begin.elapsed(),
        processor: processor().saturating_sub(before),
    };
    check(kind, session, &archive, sessions);
    archive.shutdown(Duration::from_mins(1)).await;
    cost
}

/// What was measured must have been done: the ledger tells of each upload, and of nothing else.
fn check(kind: Kind, session: &[Event], archive: &Archive, sessions: usize) {
    if kind == Kind::Cast {
        return;
    }
    let recorded = archive.counters().unwrap().messages.load(Ordering::Relaxed);
    let least = ((session.len() + 1) * sessions) as u64;
    let is_upload = session
        .iter()
        .any(|event| matches!(event, Event::Subsystem(_)));
    let tells = kind == Kind::Ledger && is_upload;
    assert_eq!(recorded > least, tells, "{recorded} messages of {least}");
}

/// Processor time of this process.
fn processor() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

fn bytes(event: &Event) -> usize {
    match event {
        Event::Io(io) => io.data.len(),
        _ => 0,
    }
}

fn io(stream: Stream, data: impl Into<Vec<u8>>) -> Event {
    let data = data.into();
    Event::Io(Io { stream, data })
}

/// A shell on a terminal.
fn shell() -> Vec<Event> {
    let pty = Pty {
        columns: 100,
        rows: 30,
        term: "xterm-256color".into(),
        ..Pty::default()
    };
    vec![Event::Pty(pty), Event::Shell(Shell::default())]
}

/// Somebody types at a prompt, key by key, each echoed, and something is printed.
fn typed() -> Arc<Vec<Event>> {
    let mut events = shell();
    for number in 0..LINES {
        events.push(io(Stream::Stdout, "alice@host:~/project$ "));
        for key in format!("grep -n {number} notes").into_bytes() {
            events.push(io(Stream::Stdin, [key]));
            events.push(io(Stream::Stdout, [key]));
        }
        events.push(io(Stream::Stdin, "\r"));
        events.push(io(Stream::Stdout, "\r\n"));
        let found = format!("{number}:\x1b[1;31m{number}\x1b[0m is there\r\n");
        events.push(io(Stream::Stdout, found));
    }
    Arc::new(events)
}

/// A command prints much.
fn printed() -> Arc<Vec<Event>> {
    let mut events = shell();
    events.push(io(Stream::Stdout, "alice@host:~$ "));
    events.push(io(Stream::Stdin, "cat log\r"));
    events.push(io(Stream::Stdout, "cat log\r\n"));
    let (mut text, mut next) = (Vec::new(), 0_u64);
    while text.len() < BULK {
        next = next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (host, item, code, size) = (next >> 56, next >> 44, next >> 61, next >> 50);
        let line = format!("10.0.{host}.7 GET /item/{item} 20{code} {size}\r\n");
        text.extend(line.into_bytes());
    }
    let pieces = text.chunks(PIECE);
    events.extend(pieces.map(|piece| io(Stream::Stdout, piece)));
    Arc::new(events)
}

/// A file is uploaded by SFTP, one write after the other.
fn uploaded() -> Arc<Vec<Event>> {
    let number = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
    let text = |text: &[u8]| [&number(text.len()), text].concat();
    let packet = |kind: u8, fields: &[&[u8]]| text(&[&[kind], &*fields.concat()].concat());
    let handle = text(b"h");
    let asks = |packet: Vec<u8>| io(Stream::Stdin, packet);
    let answers = |packet: Vec<u8>| io(Stream::Stdout, packet);
    let done = |id: usize| {
        answers(packet(
            101,
            &[&number(id), &number(0), &text(b""), &text(b"")],
        ))
    };
    let subsystem = Subsystem {
        request_id: 0,
        subsystem: "sftp".into(),
    };
    let mut events = vec![
        Event::Subsystem(subsystem),
        asks(packet(1, &[&number(3)])),
        answers(packet(2, &[&number(3)])),
        asks(packet(
            3,
            &[&number(0), &text(b"/srv/file"), &number(0x1a), &number(0)],
        )),
        answers(packet(102, &[&number(0), &handle])),
    ];
    let data = text(&b"What a file holds, again and again. ".repeat(PIECE / 36));
    let count = BULK / PIECE;
    for id in 1..=count {
        let offset = ((id - 1) * (data.len() - 4)) as u64;
        events.push(asks(packet(
            6,
            &[&number(id), &handle, &offset.to_be_bytes(), &data],
        )));
        events.push(done(id));
    }
    events.push(asks(packet(4, &[&number(count + 1), &handle])));
    events.push(done(count + 1));
    Arc::new(events)
}

#[derive(Debug)]
struct Ledgers;

#[derive(Debug)]
struct Ledger(Live);

impl Taps for Ledgers {
    fn tap(&self) -> Box<dyn Tap> {
        Box::new(Ledger(Live::default()))
    }
}

impl Tap for Ledger {
    fn see(&mut self, message: &Message, to: &mut dyn FnMut(Entry)) {
        self.0.push(message, |channel, event, extra| {
            let entry = Entry::from(event).on(channel).with(extra);
            to(entry.from_origin(Origin::Ledger));
        });
    }
}

#[derive(Debug)]
struct LiveCasts;

#[derive(Debug)]
struct Writer(cast::Casts);

impl Encoders for LiveCasts {
    fn begin(&self, connection: &str) -> Box<dyn Encoder> {
        let style = Style {
            version: Version::Three,
            input: true,
        };
        Box::new(Writer(cast::Casts::of(connection, style)))
    }

    fn missing(&self, before: &[u8], lost: &[u8]) -> Vec<u8> {
        cast::missing(Version::Three, before, lost)
    }
}

impl Encoder for Writer {
    fn push(&mut self, message: &Message, mono: u64) -> Vec<Piece> {
        self.0
            .push_at(message, mono)
            .into_iter()
            .map(piece)
            .collect()
    }

    fn restart(&mut self, connection: &str, ended: &[u64]) -> Vec<Piece> {
        let pieces = self.0.restart(connection, ended);
        pieces.into_iter().map(piece).collect()
    }
}

fn piece(piece: cast::Piece) -> Piece {
    Piece {
        channel: piece.channel,
        begins: piece.begins,
        ends: piece.ends,
        lines: piece.lines,
    }
}
