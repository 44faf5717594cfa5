use super::*;
use auditssh_log::extension::Gap;
use auditssh_log::message::{Exec, ExitStatus, Io, Pty, RequestFailed, SetEnv, Shell, Window};

fn message(time: i64, channel: u64, event: Event) -> Message {
    Message::new("c", time, Some(channel), event)
}

fn io(stream: u64, data: &str) -> Event {
    Event::Io(Io {
        stream: stream.into(),
        data: data.as_bytes().to_vec(),
    })
}

fn exec(request_id: u64, program: &str) -> Event {
    Event::Exec(Exec {
        request_id,
        program: program.into(),
    })
}

fn failed(request_id: u64) -> Event {
    Event::RequestFailed(RequestFailed {
        request_id,
        reason: "no".into(),
    })
}

fn pty(request_id: u64, columns: u64, rows: u64) -> Event {
    Event::Pty(Pty {
        request_id,
        term: "xterm".into(),
        columns,
        rows,
        ..Pty::default()
    })
}

/// What is said of messages, a line each.
fn told(messages: &[Message]) -> Vec<String> {
    let (mut runs, mut lines) = (Runs::default(), Vec::new());
    let mut tell = |step: Step<'_>| {
        let Step { channel, at, what } = step;
        lines.push(match what {
            Did::Begin(start) => {
                let Size { columns, rows } = start.size();
                format!(
                    "{channel} {at} begin {:?} {columns}x{rows}",
                    start.command()
                )
            }
            Did::Input(data) => format!("{channel} {at} in {}", data.escape_ascii()),
            Did::Output(data) => format!("{channel} {at} out {}", data.escape_ascii()),
            Did::Errors(data) => format!("{channel} {at} err {}", data.escape_ascii()),
            other => format!("{channel} {at} {other:?}"),
        });
        Ok::<_, ()>(())
    };
    for message in messages {
        runs.push(message, &mut tell).expect("told");
    }
    runs.finish(&mut tell).expect("told");
    lines
}

#[test]
fn a_program_begins_when_it_shows_that_it_runs() {
    let lines = told(&[
        message(5, 0, pty(0, 100, 0)),
        message(6, 0, exec(1, "no")),
        message(7, 0, failed(1)),
        message(10, 0, exec(2, "yes")),
        message(30, 0, io(1, "a")),
        message(20, 0, io(2, "b")),
        message(
            40,
            0,
            Event::Window(Window {
                columns: 1 << 40,
                rows: 9,
                ..Window::default()
            }),
        ),
        message(50, 0, Event::ExitStatus(ExitStatus { exit_status: 3 })),
        message(60, 0, Event::Close),
        message(61, 0, io(1, "late")),
        message(70, 9, io(1, "forwarded")),
    ]);
    let expected = [
        "0 0 begin Some(\"yes\") 100x24",
        "0 20 out a",
        "0 20 err b",
        "0 30 Resize(Size { columns: 1000, rows: 9 })",
        "0 40 Exit(Status(3))",
        "0 50 End",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_terminal_that_was_refused_is_none() {
    let lines = told(&[
        message(5, 0, pty(0, 100, 50)),
        message(5, 0, failed(0)),
        message(6, 0, Event::Shell(Shell { request_id: 1 })),
    ]);
    assert_eq!(lines, ["0 0 begin None 80x24", "0 0 End"]);
}

#[test]
fn a_jump_of_the_clock_takes_no_time() {
    let step = |time, nanoseconds| {
        let (event, extra) = ClockStep { nanoseconds }.record();
        Message {
            extra,
            ..Message::new("c", time, None, event)
        }
    };
    let lines = told(&[
        message(0, 0, exec(0, "x")),
        step(1_000_010, 1_000_000),
        message(1_000_020, 0, io(1, "a")),
        // Back: the log's times go on. Then forth again, of which they see nothing.
        step(1_000_030, -500),
        message(1_000_040, 0, io(1, "b")),
        step(1_000_050, 500),
        message(1_000_060, 0, io(1, "c")),
        step(1_000_160, 100),
        message(1_000_170, 0, io(1, "d")),
    ]);
    let times: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    assert_eq!(times, ["0", "20", "40", "60", "70", "70"]);
}

#[test]
fn what_goes_on_from_another_log_is_shown() {
    let known = Continued {
        log: "before".into(),
        ..Continued::default()
    };
    let (event, mut extra) = Gap {
        messages: 1,
        bytes: 0,
        reason: "r".into(),
        from: 0,
        to: 1,
    }
    .record();
    extra.extend(known.to_extra());
    let first = Message {
        extra,
        ..Message::new("c", 1, None, event)
    };
    let lines = told(&[first, message(2, 0, io(1, "a"))]);
    assert_eq!(lines, ["0 0 begin None 80x24", "0 0 out a", "0 0 End"]);
}

#[test]
fn secrets_of_the_environment_are_left_out() {
    let env = |name: &str| {
        message(
            0,
            0,
            Event::SetEnv(SetEnv {
                request_id: 0,
                name: name.into(),
                value: "v".into(),
            }),
        )
    };
    let mut runs = Runs::default();
    for name in ["TOKEN", "LC_ALL", "LANG", "AWS_SECRET", "LC_ALL"] {
        runs.push(&env(name), |_| Ok::<_, ()>(())).expect("taken");
    }
    let mut shown = Vec::new();
    for event in [exec(1, "x"), io(1, "")] {
        let tell = |step: Step<'_>| {
            if let Did::Begin(start) = step.what {
                shown.extend(start.environment.iter().map(|(name, _)| name.clone()));
            }
            Ok::<_, ()>(())
        };
        runs.push(&message(1, 0, event), tell).expect("taken");
    }
    assert_eq!(shown, ["LANG", "LC_ALL"].map(Text::from));
}

#[test]
fn channels_are_held_within_bounds() {
    let mut runs = Runs::default();
    for channel in 0..5000 {
        runs.push(&message(0, channel, exec(0, "x")), |_| Ok::<_, ()>(()))
            .expect("taken");
    }
    assert_eq!(runs.channels.len(), MOST_CHANNELS);
    assert_eq!(runs.left_out(), 5000 - MOST_CHANNELS as u64);
}

#[test]
fn protocols_are_known_by_name() {
    let of = |command: &str| {
        let start = Start {
            what: Some(What::Exec(command.into())),
            ..Start::unknown(0)
        };
        (start.protocol(), start.is_sftp())
    };
    for (command, protocol) in [
        ("scp -t /tmp", Protocol::ScpSink),
        ("scp -v -pf 'a b'", Protocol::ScpSource),
        ("/usr/bin/scp -r -d -t .", Protocol::ScpSink),
        ("scp a b", Protocol::None),
        ("sudo rsync --server -e.LsfxC . /x", Protocol::Rsync),
        ("rsync a b", Protocol::None),
        ("/usr/lib/openssh/sftp-server -l INFO", Protocol::Sftp),
        ("cat", Protocol::None),
        ("", Protocol::None),
    ] {
        assert_eq!(of(command), (protocol, false), "{command}");
    }
}

#[test]
fn words_are_as_a_shell_has_them() {
    let split = |line: &str| -> Vec<String> {
        let words = words(line.as_bytes()).into_iter();
        words
            .map(|word| String::from_utf8(word).expect("text"))
            .collect()
    };
    assert_eq!(
        split(r#" a 'b c'\'d "e\"f" '' g\ h\"#),
        ["a", "b c'd", "e\"f", "", "g h"]
    );
    assert_eq!(words(&b"a ".repeat(9999)).len(), 1024);
}
