use super::*;
use auditssh_log::Message;
use auditssh_log::message::{
    Event, Exec, ExitSignal, ExitStatus, Io, Pty, SetEnv, Shell, Subsystem, Window,
};
use proptest::prelude::*;

const SECOND: i64 = 1_000_000_000;

fn io(stream: u64, data: &[u8]) -> Event {
    Event::Io(Io {
        stream: stream.into(),
        data: data.to_vec(),
    })
}

fn casts(version: Version, messages: Vec<(i64, u64, Event)>) -> Vec<(u64, String)> {
    let mut casts = Casts::new(Style {
        version,
        input: true,
    });
    let mut pieces = Vec::new();
    for (time, channel, event) in messages {
        let message = Message::new("c", time + 1_700_000_000 * SECOND, Some(channel), event);
        pieces.extend(casts.push(&message));
    }
    pieces.extend(casts.finish());
    let mut files: Vec<(u64, String)> = Vec::new();
    for piece in pieces {
        let lines = String::from_utf8(piece.lines).expect("UTF-8");
        match files
            .iter_mut()
            .find(|(channel, _)| *channel == piece.channel)
        {
            Some((_, file)) if !piece.begins => file.push_str(&lines),
            _ => files.push((piece.channel, lines)),
        }
    }
    files
}

fn session() -> Vec<(i64, u64, Event)> {
    let pty = Pty {
        request_id: 0,
        term: "xterm-256color".into(),
        columns: 100,
        rows: 30,
        ..Pty::default()
    };
    let window = Window {
        columns: 132,
        rows: 43,
        ..Window::default()
    };
    let env = |name: &str, value: &str| {
        Event::SetEnv(SetEnv {
            request_id: 0,
            name: name.into(),
            value: value.into(),
        })
    };
    vec![
        (0, 0, Event::Pty(pty)),
        (1, 0, env("LANG", "C.UTF-8")),
        (2, 0, env("TOKEN", "secret")),
        (SECOND, 0, Event::Shell(Shell::default())),
        (
            SECOND,
            1,
            Event::Exec(Exec {
                request_id: 0,
                program: "make \"x\"".into(),
            }),
        ),
        (SECOND + 2_500_000, 0, io(1, b"\x1b[1m\xe2\x82")),
        (SECOND + 3_000_000, 1, io(1, b"a\n")),
        (2 * SECOND, 0, io(0, b"l")),
        (2 * SECOND, 0, io(1, b"\xacl\xff\r\n")),
        (3 * SECOND, 1, io(2, b"error\n")),
        (4 * SECOND, 0, Event::Window(window)),
        (
            5 * SECOND,
            1,
            Event::ExitSignal(ExitSignal {
                signal: "KILL".into(),
                ..ExitSignal::default()
            }),
        ),
        (5 * SECOND, 1, Event::Close),
        (
            6 * SECOND,
            0,
            Event::ExitStatus(ExitStatus { exit_status: 3 }),
        ),
        (6 * SECOND, 0, io(1, b"\xe2")),
        (7 * SECOND, 0, Event::Close),
        (
            8 * SECOND,
            2,
            Event::Subsystem(Subsystem {
                request_id: 0,
                subsystem: "sftp".into(),
            }),
        ),
        (8 * SECOND, 2, io(1, b"\0\0")),
        (9 * SECOND, 3, io(1, b"forwarded")),
    ]
}

#[test]
fn version_2() {
    let files = casts(Version::Two, session());
    assert_eq!(files.len(), 2);
    let expected = r#"{"version":2,"width":100,"height":30,"timestamp":1700000001,"env":{"TERM":"xterm-256color","LANG":"C.UTF-8"}}
[0.002500,"o","\u001b[1m"]
[1.000000,"i","l"]
[1.000000,"o","€l�\r\n"]
[3.000000,"r","132x43"]
[6.000000,"o","�"]
"#;
    assert_eq!(files[0].1, expected);
    let expected = r#"{"version":2,"width":80,"height":24,"timestamp":1700000001,"command":"make \"x\""}
[0.000000,"m","make \"x\""]
[0.003000,"o","a\r\n"]
[2.000000,"o","error\r\n"]
"#;
    assert_eq!(files[1].1, expected);
}

#[test]
fn version_3() {
    let files = casts(Version::Three, session());
    let expected = r#"{"version":3,"term":{"cols":100,"rows":30,"type":"xterm-256color"},"timestamp":1700000001,"env":{"TERM":"xterm-256color","LANG":"C.UTF-8"}}
[0.002500,"o","\u001b[1m"]
[0.997500,"i","l"]
[0.000000,"o","€l�\r\n"]
[2.000000,"r","132x43"]
[3.000000,"o","�"]
[0.000000,"x","3"]
"#;
    assert_eq!(files[0].1, expected);
    assert!(
        files[1].1.ends_with("[2.000000,\"x\",\"137\"]\n"),
        "{}",
        files[1].1
    );
}

#[test]
fn a_command_has_a_marker() {
    let pty = Event::Pty(Pty::default());
    let shell = Event::Shell(Shell::default());
    let typed = vec![
        (0, 0, pty),
        (0, 0, shell),
        (0, 0, io(1, b"$ ")),
        (SECOND, 0, io(0, b"ls\r")),
        (2 * SECOND, 0, io(1, b"ls\r\nfile\r\n$ ")),
    ];
    let (_, file) = casts(Version::Two, typed).remove(0);
    let events: Vec<&str> = file.lines().skip(1).collect();
    let expected = [
        "[0.000000,\"o\",\"$ \"]",
        "[1.000000,\"i\",\"ls\\r\"]",
        "[1.000000,\"m\",\"ls\"]",
        "[2.000000,\"o\",\"ls\\r\\nfile\\r\\n$ \"]",
    ];
    assert_eq!(events, expected);
}

#[test]
fn a_cast_does_nothing_to_a_terminal_that_prints_it() {
    let evil = "\u{9b}2J\x7f\u{202e}\u{e0041}";
    let exec = Event::Exec(Exec {
        request_id: 0,
        program: evil.into(),
    });
    let (_, file) = casts(
        Version::Two,
        vec![(0, 0, exec), (1, 0, io(1, evil.as_bytes()))],
    )
    .remove(0);
    assert!(
        file.lines().all(|line| line.chars().all(crate::is_visible)),
        "{file}"
    );
    let last = file.lines().last().expect("an event");
    let event: (f64, char, String) = serde_json::from_str(last).expect("an event");
    assert_eq!(event.2, evil);
}

#[test]
fn a_channel_that_is_used_again_begins_another_cast() {
    let exec = |program: &str| {
        Event::Exec(Exec {
            request_id: 0,
            program: program.into(),
        })
    };
    let files = casts(
        Version::Two,
        vec![(0, 0, exec("a")), (1, 0, Event::Close), (2, 0, exec("b"))],
    );
    assert_eq!(files.len(), 2);
    assert!(files[1].1.contains("\"b\""));
}

#[test]
fn what_moves_files_has_no_cast_but_what_only_looks_so_has() {
    let exec = |program: &str| {
        Event::Exec(Exec {
            request_id: 1,
            program: program.into(),
        })
    };
    for (command, terminal, expected) in [
        ("scp -t /srv/", false, 0),
        ("/usr/bin/rsync --server -logDtpre.iLsfxC . /x", false, 0),
        ("/usr/lib/openssh/sftp-server", false, 0),
        ("scp -t /srv/", true, 1),
        ("scp -t x; bash", false, 1),
        ("scp -t `bash >&2`", false, 1),
        ("./scp -t x", false, 1),
        ("/usrx/scp -t x", false, 1),
        ("sh scp -t x", false, 1),
        ("scp a b", false, 1),
    ] {
        let pty = terminal.then(|| (0, 0, Event::Pty(Pty::default())));
        let rest = [(0, 0, exec(command)), (1, 0, io(1, b"x"))];
        let files = casts(Version::Two, pty.into_iter().chain(rest).collect());
        assert_eq!(files.len(), expected, "{command}");
    }
}

#[test]
fn live_casts_tell_whose_they_are_and_go_on_elsewhere() {
    let style = Style {
        version: Version::Three,
        input: false,
    };
    let mut casts = Casts::of("first", style);
    let push = |casts: &mut Casts, mono: u64, event: Event| {
        // The wall clock jumps about, and that is not seen.
        let wall = SECOND * (1000 - i64::try_from(mono % 7).unwrap_or_default() * 100);
        casts.push_at(
            &Message::new("c", wall, Some(3), event),
            mono * 1_000_000_000,
        )
    };
    push(&mut casts, 1, Event::Shell(Shell::default()));
    let pieces = push(&mut casts, 2, io(1, b"a\xe2"));
    let text = String::from_utf8(pieces.concat_lines()).expect("UTF-8");
    let expected = "{\"version\":3,\"term\":{\"cols\":80,\"rows\":24},\"timestamp\":900,\
                    \"auditssh\":{\"connectionId\":\"first\",\"channelId\":3,\"connected\":0,\
                    \"remoteAddr\":\"\",\"country\":\"\"}}\n[1.000000,\"o\",\"a\"]\n";
    assert_eq!(text, expected);
    let begun = casts.restart("second", &[9]);
    assert!(begun.iter().all(|piece| piece.begins));
    let text = String::from_utf8(begun.concat_lines()).expect("UTF-8");
    assert!(
        text.contains("\"connectionId\":\"second\",\"channelId\":9"),
        "{text}"
    );
    assert!(text.contains("[1.000000,\"m\",\"continues first"), "{text}");
    let pieces = push(&mut casts, 4, io(1, b"\x82\xac"));
    let text = String::from_utf8(pieces.concat_lines()).expect("UTF-8");
    assert_eq!(text, "[2.000000,\"o\",\"€\"]\n");
}

trait Lines {
    fn concat_lines(&self) -> Vec<u8>;
}

impl Lines for Vec<Piece> {
    fn concat_lines(&self) -> Vec<u8> {
        self.iter().flat_map(|piece| piece.lines.clone()).collect()
    }
}

proptest! {
    #[test]
    fn every_line_is_json_and_times_do_not_run_backwards(
        parts in proptest::collection::vec(
            (0i64..10_000_000, 0u64..3, 0u64..4, proptest::collection::vec(any::<u8>(), 0..9)), 0..30
        ),
        three in any::<bool>(),
    ) {
        let shell = (0, 1, Event::Shell(Shell::default()));
        let rest = parts.into_iter().map(|(time, channel, stream, data)| (time, channel, io(stream, &data)));
        let version = if three { Version::Three } else { Version::Two };
        for (_, file) in casts(version, std::iter::once(shell).chain(rest).collect()) {
            let mut last = 0.0;
            for line in file.lines().skip(1) {
                let event: (f64, char, String) = serde_json::from_str(line).expect("an event");
                prop_assert!(event.0 >= if three { 0.0 } else { last }, "{}", line);
                last = event.0;
            }
        }
    }
}
