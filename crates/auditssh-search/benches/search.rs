//! How fast logs are indexed, searched and listed: `cargo bench -p auditssh-search`.
//!
//! The logs are made up: sessions of a kind each, 10,000 of them to be searched, 100,000 to be listed,
//! and one that is very long (`GIGABYTES`, at first 10). `-- long`, `kinds`, `searching` or `listing`
//! measures that alone.

#![expect(
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark"
)]

use auditssh_log::codec::{Format, encode};
use auditssh_log::message::{Connect, Event, Exec, HandshakeSuccessful, Io, Message, Pty, Shell};
use auditssh_search::catalog::{Missing, Select, Sort};
use auditssh_search::index::{Reading, make, of_log};
use auditssh_search::pattern::Syntax;
use auditssh_search::place::Writer;
use auditssh_search::search::{Options, Outcome};
use auditssh_search::{Catalog, Directory, Filter, Pattern, Place, Query, search};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Read, Write as _};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

const SEARCHED: u32 = 10_000;
const LISTED: u32 = 100_000;
const SECOND: i64 = 1_000_000_000;
const BEGIN: i64 = 1_700_000_000 * SECOND;

type Events = Vec<(i64, u64, Vec<u8>)>;

fn main() {
    let parts: [(&str, fn()); 4] = [
        // First, while the process has not needed memory for anything else.
        ("long", long),
        ("kinds", kinds),
        ("searching", searching),
        ("listing", listing),
    ];
    // Cargo adds arguments of its own.
    let given: Vec<String> = std::env::args().collect();
    let wanted = |name: &str| given.iter().any(|one| one == name);
    let all = !parts.iter().any(|(name, _)| wanted(name));
    for (_, part) in parts.iter().filter(|(name, _)| all || wanted(name)) {
        part();
    }
}

/// What one log costs, by its kind.
fn kinds() {
    println!(
        "| session | recorded MB | log MB | lines | lines MB | MB/s recorded |\n|---|---|---|---|---|---|"
    );
    for (name, events) in [
        ("a shell, typed letter by letter", typing(40_000)),
        ("output of a build", building(30_000)),
        ("a program that draws the whole screen", drawing(6_000)),
    ] {
        let recorded: usize = events.iter().map(|(_, _, data)| data.len()).sum();
        let log = log("alice", events);
        let (mut lines, mut bytes) = (0_u64, 0);
        let begun = Instant::now();
        of_log(&log[..], Reading::Whole, Writer::None, |line| {
            lines += 1;
            bytes += line.text.len();
            ControlFlow::Continue(())
        })
        .unwrap();
        let took = begun.elapsed();
        println!(
            "| {name} | {:.1} | {:.2} | {lines} | {:.1} | {:.1} |",
            mega(recorded),
            mega(log.len()),
            mega(bytes),
            mega(recorded) / took.as_secs_f64()
        );
    }
}

/// Many logs, searched.
fn searching() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let mut bytes = 0;
    for number in 0..SEARCHED {
        let user = format!("user{}", number % 100);
        let mut events = typing(30);
        events.extend(building(40));
        if number % 1000 == 7 {
            events.push((0, 1, b"the needle\r\n".to_vec()));
        }
        let log = log(&user, events);
        bytes += log.len();
        std::fs::write(directory.join(format!("{number:032x}")), log).unwrap();
    }
    println!(
        "\n{SEARCHED} logs of {:.1} MB together, searched in s:",
        mega(bytes)
    );
    let place = Directory::new(directory);
    println!("| query | hits | without indexes | with indexes |\n|---|---|---|---|");
    let queries = [
        ("a word that is in ten logs", query("needle", false)),
        (
            "a word that is in every log",
            query("undefined reference", false),
        ),
        ("an expression, in ten logs", query(r"the\s+need\w+", true)),
        (
            "a word, of one user of a hundred",
            Query {
                filter: Filter {
                    user: Some("user7".into()),
                    ..Filter::default()
                },
                ..query("needle", false)
            },
        ),
    ];
    let before: Vec<_> = queries
        .iter()
        .map(|(_, query)| timed(&place, query))
        .collect();
    let begun = Instant::now();
    let mut indexes = 0;
    for log in place.list().unwrap() {
        let index = make(&place, &log).unwrap().bytes.unwrap();
        indexes += index.len();
        place.keep(&log.name, &index).unwrap();
    }
    let made = begun.elapsed();
    for ((name, query), (hits, slow)) in queries.iter().zip(before) {
        let (again, fast) = timed(&place, query);
        assert_eq!(hits, again);
        println!(
            "| {name} | {hits} | {:.2} | {:.2} |",
            slow.as_secs_f64(),
            fast.as_secs_f64()
        );
    }
    println!(
        "Indexes: {:.1} MB, made in {:.1} s by one thread",
        mega(indexes),
        made.as_secs_f64()
    );
}

/// Very many logs, listed.
fn listing() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let place = Directory::new(directory);
    for number in 0..LISTED {
        let user = format!("user{}", number % 1000);
        let log = log(
            &user,
            vec![(i64::from(number % 977), 1, b"$ exit\r\n".to_vec())],
        );
        std::fs::write(directory.join(format!("{number:032x}")), log).unwrap();
    }
    let catalog = Catalog::new(Arc::new(place));
    let refresh = || {
        let begun = Instant::now();
        catalog
            .refresh(Missing::Make, &AtomicBool::new(false))
            .unwrap();
        begun.elapsed().as_secs_f64()
    };
    println!("\n{LISTED} logs, listed:");
    println!("first refresh, without indexes: {:.1} s", refresh());
    println!("a refresh in which nothing is new: {:.2} s", refresh());
    let memory = resident();
    let other = Catalog::new(Arc::clone(catalog.place()));
    let begun = Instant::now();
    other
        .refresh(Missing::Read, &AtomicBool::new(false))
        .unwrap();
    println!(
        "first refresh, with indexes: {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    println!(
        "memory of a catalog: {:.0} MB",
        mega(resident().saturating_sub(memory))
    );
    println!("| page of 50 | of | ms |\n|---|---|---|");
    for (name, select) in [
        ("the newest", Select::default()),
        (
            "of one user",
            Select {
                filter: Filter {
                    user: Some("user7".into()),
                    ..Filter::default()
                },
                ..Select::default()
            },
        ),
        (
            "from a network",
            Select {
                filter: Filter {
                    address: "192.0.2.0/24".parse().ok(),
                    ..Filter::default()
                },
                ..Select::default()
            },
        ),
        (
            "that ran a command",
            Select {
                filter: Filter {
                    command: Pattern::new("deploy 4242", Syntax::default()).ok(),
                    ..Filter::default()
                },
                ..Select::default()
            },
        ),
        (
            "the longest",
            Select {
                sort: Sort::Duration,
                ..Select::default()
            },
        ),
        (
            "by user",
            Select {
                sort: Sort::User,
                descending: false,
                ..Select::default()
            },
        ),
    ] {
        let mut times: Vec<Duration> = Vec::new();
        let mut total = 0;
        for _ in 0..5 {
            let begun = Instant::now();
            total = catalog.select(&select, &Options::default()).total;
            times.push(begun.elapsed());
        }
        times.sort();
        println!("| {name} | {total} | {:.1} |", times[2].as_secs_f64() * 1e3);
    }
}

/// One log that is very long.
fn long() {
    let gigabytes = std::env::var("GIGABYTES").map_or(10, |text| text.parse().unwrap());
    let data = building(2000);
    let size: usize = data.iter().map(|(_, _, data)| data.len()).sum();
    let mut content = Vec::new();
    for (time, stream, data) in data {
        encode(&message(time, stream, data), &mut content);
    }
    let mut member = GzEncoder::new(Vec::new(), Compression::fast());
    member.write_all(&content).unwrap();
    let member = member.finish().unwrap();
    let mut first = GzEncoder::new(Vec::new(), Compression::fast());
    first.write_all(Format::Audit.prologue()).unwrap();
    for (channel, event) in beginning("alice") {
        let mut message = Vec::new();
        encode(&Message::new("c", BEGIN, channel, event), &mut message);
        first.write_all(&message).unwrap();
    }
    let mut head = Format::Audit.header().to_vec();
    head.extend(first.finish().unwrap());
    let times = gigabytes * 1_000_000_000 / size;
    let endless = Repeated {
        head,
        member,
        at: 0,
        times,
    };
    let before = resident();
    let begun = Instant::now();
    let mut lines = 0_u64;
    of_log(endless, Reading::Whole, Writer::None, |_| {
        lines += 1;
        ControlFlow::Continue(())
    })
    .unwrap();
    let took = begun.elapsed().as_secs_f64();
    println!(
        "\nA log of {gigabytes} GB: {lines} lines in {took:.0} s, {:.0} MB/s; memory grew by {:.1} MB at most",
        mega(times * size) / took,
        mega(peak().saturating_sub(before))
    );
}

/// A log that has the same member again and again.
struct Repeated {
    head: Vec<u8>,
    member: Vec<u8>,
    at: usize,
    times: usize,
}

impl Read for Repeated {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let head = self.head.get(self.at..).filter(|rest| !rest.is_empty());
        let rest = if let Some(rest) = head {
            rest
        } else {
            let behind = self.at - self.head.len();
            if behind >= self.times * self.member.len() {
                return Ok(0);
            }
            &self.member[behind % self.member.len()..]
        };
        let length = rest.len().min(to.len());
        to[..length].copy_from_slice(&rest[..length]);
        self.at += length;
        Ok(length)
    }
}

fn query(text: &str, regex: bool) -> Query {
    let syntax = Syntax {
        regex,
        ..Syntax::default()
    };
    Query {
        pattern: Some(Pattern::new(text, syntax).unwrap()),
        ..Query::default()
    }
}

fn timed(place: &Directory, query: &Query) -> (u64, Duration) {
    let begun = Instant::now();
    let outcome = search(place, query, &Options::default(), &mut |_| {
        ControlFlow::Continue(())
    });
    let Outcome { hits, .. } = outcome.unwrap();
    (hits, begun.elapsed())
}

/// Commands, of which each letter is echoed.
fn typing(commands: i64) -> Events {
    let mut events = vec![(0, 1, b"$ ".to_vec())];
    for command in 0..commands {
        let mut time = command * 10_000;
        for letter in format!("tail -n {command} /var/log/some.log").bytes() {
            time += 150;
            events.push((time, 0, vec![letter]));
            events.push((time + 1, 1, vec![letter]));
        }
        events.push((time + 200, 0, b"\r".to_vec()));
        let answer = format!("\r\nentry {command} of the log: nothing of note\r\n$ ");
        events.push((time + 210, 1, answer.into_bytes()));
    }
    events
}

/// Lines that scroll by, some of them coloured.
fn building(pieces: i64) -> Events {
    (0..pieces)
        .map(|piece| {
            let mut data = String::new();
            for line in 0..8 {
                data += &format!("gcc -O2 -Wall -Iinclude -c src/module{piece}/file{line}.c -o build/file{line}.o\r\n");
            }
            data += "\x1b[31msrc/main.c:7: undefined reference to `symbol'\x1b[0m\r\n";
            (piece * 30, 1, data.into_bytes())
        })
        .collect()
}

/// A table that is drawn anew each second.
fn drawing(times: i64) -> Events {
    let mut events = vec![(0, 1, b"\x1b[?1049h".to_vec())];
    for time in 0..times {
        let mut data = String::from("\x1b[H");
        for row in 0..40 {
            let (load, id) = ((time * 7 + row) % 100, 1000 + row);
            data += &format!(
                "\x1b[32m{id:>6}\x1b[0m root  20  0 {load:>5}.{row} S process{row} --serve\x1b[K\r\n"
            );
        }
        events.push((time * 1000, 1, data.into_bytes()));
    }
    events
}

fn message(time: i64, stream: u64, data: Vec<u8>) -> Message {
    let event = Event::Io(Io {
        stream: stream.into(),
        data,
    });
    Message::new("c", BEGIN + time * 1_000_000, Some(0), event)
}

fn beginning(user: &str) -> Vec<(Option<u64>, Event)> {
    let command = format!("deploy {user}");
    let pty = Pty {
        term: "xterm".into(),
        columns: 100,
        rows: 40,
        ..Pty::default()
    };
    vec![
        (
            None,
            Event::Connect(Connect {
                remote_addr: "192.0.2.7".into(),
                country: "XX".into(),
            }),
        ),
        (
            None,
            Event::HandshakeSuccessful(HandshakeSuccessful {
                username: user.into(),
            }),
        ),
        (
            Some(1),
            Event::Exec(Exec {
                request_id: 1,
                program: command.as_str().into(),
            }),
        ),
        (Some(1), Event::Close),
        (Some(0), Event::Pty(pty)),
        (Some(0), Event::Shell(Shell { request_id: 2 })),
    ]
}

fn log(user: &str, mut events: Events) -> Vec<u8> {
    events.sort_by_key(|(time, ..)| *time);
    let mut content = Format::Audit.prologue().to_vec();
    for (channel, event) in beginning(user) {
        encode(&Message::new("c", BEGIN, channel, event), &mut content);
    }
    let mut last = 0;
    for (time, stream, data) in events {
        last = time;
        encode(&message(time, stream, data), &mut content);
    }
    let end = Message::new("c", BEGIN + last * 1_000_000, None, Event::Disconnect);
    encode(&end, &mut content);
    content.extend(Format::Audit.epilogue());
    let mut log = Format::Audit.header().to_vec();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&content).unwrap();
    log.extend(gzip.finish().unwrap());
    log
}

#[expect(clippy::cast_precision_loss, reason = "it is shown with two digits")]
fn mega(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

/// Memory that is held now, in bytes.
fn resident() -> usize {
    status("VmRSS:")
}

/// The most that was held.
fn peak() -> usize {
    status("VmHWM:")
}

fn status(name: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    let number = line.trim().trim_end_matches(" kB");
    number.parse::<usize>().unwrap() * 1024
}
