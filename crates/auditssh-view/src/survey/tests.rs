use super::*;
use crate::is_visible;
use auditssh_log::message::{
    AuthPassword, Connect, Event, Exec, ExitStatus, HandshakeSuccessful, Io, Message, Pty, Shell,
    Subsystem,
};
use proptest::prelude::*;

const MILLISECOND: i64 = 1_000_000;

/// A session on a terminal: output (`o`) and input (`i`), each with its time in milliseconds.
fn session(steps: &[(i64, char, &str)]) -> Vec<Message> {
    let pty = Pty {
        term: "xterm".into(),
        columns: 40,
        rows: 5,
        ..Pty::default()
    };
    let mut messages = vec![
        Message::new("c", 0, Some(0), Event::Pty(pty)),
        Message::new("c", 0, Some(0), Event::Shell(Shell::default())),
    ];
    for (time, stream, text) in steps {
        messages.push(Message::new(
            "c",
            time * MILLISECOND,
            Some(0),
            io(u64::from(*stream == 'o'), text.as_bytes()),
        ));
    }
    messages
}

fn io(stream: u64, data: &[u8]) -> Event {
    Event::Io(Io {
        stream: stream.into(),
        data: data.to_vec(),
    })
}

fn survey(messages: &[Message]) -> (Surveyed, Vec<(Kind, u64, String)>) {
    let (mut survey, mut lines) = (Survey::new(), Vec::new());
    let mut tell = |line: Line<'_>| {
        assert!(line.text.len() <= LONGEST_LINE && line.text.chars().all(is_visible));
        lines.push((line.kind, line.at / 1_000_000, line.text.to_owned()));
    };
    for message in messages {
        survey.push(message, &mut tell);
    }
    let surveyed = survey.finish(&mut tell);
    (surveyed, lines)
}

fn of_kind(kind: Kind, messages: &[Message]) -> Vec<(u64, String)> {
    let lines = survey(messages).1.into_iter();
    lines
        .filter(|line| line.0 == kind)
        .map(|(_, at, text)| (at, text))
        .collect()
}

fn shown(steps: &[(i64, char, &str)]) -> Vec<(u64, String)> {
    of_kind(Kind::Shown, &session(steps))
}

fn typed(steps: &[(i64, char, &str)]) -> Vec<(u64, String)> {
    of_kind(Kind::Typed, &session(steps))
}

fn lines(lines: &[(u64, &str)]) -> Vec<(u64, String)> {
    let lines = lines.iter();
    lines.map(|(at, text)| (*at, (*text).to_owned())).collect()
}

#[test]
fn what_is_typed_letter_by_letter_is_shown_as_a_line() {
    let steps = [
        (0, 'o', "$ "),
        (100, 'o', "m"),
        (200, 'o', "k"),
        (300, 'o', "a"),
        (400, 'o', "\x08 \x08"),
        (500, 'o', "\x08 \x08"),
        (600, 'o', "a"),
        (700, 'o', "k"),
        (800, 'o', "e\r\n"),
        (900, 'o', "done\r\n$ "),
    ];
    assert_eq!(
        shown(&steps),
        lines(&[(300, "$ mka"), (800, "$ make"), (900, "done"), (900, "$")])
    );
}

#[test]
fn what_is_typed_is_told_with_corrections_and_before_them() {
    let keys = |text: &str| typed(&[(5, 'i', text)]);
    for (keys_typed, expected) in [
        ("ls -l\r", vec!["ls -l"]),
        ("mkae\x7f\x7f\x7fake\r", vec!["mkae", "make"]),
        ("rm -rf /\x15ls\r", vec!["rm -rf /", "ls"]),
        ("cat a b\x17c\r", vec!["cat a b", "cat a c"]),
        ("\x1b[A\x1b[1;5C\x1bOAls\x1b[Dx\r", vec!["lsx"]),
        ("ihello\x1b:wq\r", vec!["ihello:wq"]),
        ("größe 日本\r\r\n", vec!["größe 日本"]),
        ("sleep 9\x03", vec!["sleep 9"]),
        ("half", vec!["half"]),
    ] {
        let expected: Vec<_> = expected
            .iter()
            .map(|text| (5, (*text).to_owned()))
            .collect();
        assert_eq!(keys(keys_typed), expected, "{keys_typed:?}");
    }
}

#[test]
fn what_stood_on_another_screen_is_told() {
    let steps = [
        (0, 'o', "$ vim\r\n"),
        (
            10,
            'o',
            "\x1b[?1049h\x1b[2J\x1b[1;1Hsecret plan\x1b[2;1H~\x1b[5;1H-- INSERT --",
        ),
        (500, 'o', "\x1b[1;1Hpublic plan"),
        (900, 'o', "\x1b[?1049l$ exit\r\n"),
    ];
    let found = shown(&steps);
    for (at, text) in [
        (0, "$ vim"),
        (10, "secret plan"),
        (500, "public plan"),
        (10, "-- INSERT --"),
        (900, "$ exit"),
    ] {
        assert!(found.contains(&(at, text.to_owned())), "{text} {found:?}");
    }
}

#[test]
fn what_is_cleared_or_drawn_over_was_there() {
    let steps = [
        (0, 'o', "one\r\ntwo\x1b[H\x1b[Jthree"),
        (50, 'o', "\x1bcfour\r\n10 %"),
        (100, 'o', "\r20 %"),
        (150, 'o', "\r30 %"),
    ];
    let found = shown(&steps);
    let expected = lines(&[
        (0, "one"),
        (0, "two"),
        (0, "three"),
        (50, "10 %"),
        (100, "20 %"),
        (50, "four"),
        (150, "30 %"),
    ]);
    assert_eq!(found, expected);
}

#[test]
fn what_is_cleared_at_once_stood_there_before() {
    // Too soon for the screen to be looked at in between.
    let steps = [(0, 'o', "one"), (5, 'o', "\x1b[H\x1b[2Jtwo"), (9, 'o', "")];
    let expected = lines(&[(0, "one"), (5, "two")]);
    assert_eq!(shown(&steps), expected);
}

#[test]
fn a_line_is_told_as_a_whole_wherever_it_is_wrapped() {
    let long = format!("begin {} end", "日本 x".repeat(200));
    let text = format!("\x1b[31m{long}\x1b[0m\r\n");
    let found = shown(&[(0, 'o', &text)]);
    assert_eq!(found, [(0, long)]);
    let endless = "0123456789".repeat(5000);
    let found = shown(&[(0, 'o', &endless)]);
    assert!(found.len() > 10);
    // Whatever is shorter than what pieces overlap by stands in one of them as a whole.
    let needle = "0123456789".repeat(25);
    assert!(found.iter().all(|(_, text)| text.contains(&needle)));
}

#[test]
fn equal_lines_are_as_many_as_there_were() {
    let found = shown(&[(0, 'o', "x\r\n"), (50, 'o', "x\r\n"), (100, 'o', "x")]);
    assert_eq!(found, lines(&[(0, "x"), (50, "x"), (100, "x")]));
}

#[test]
fn the_facts_of_a_connection() {
    let event = |event| Message::new("id", 7, None, event);
    let on = |event| Message::new("id", 9, Some(3), event);
    let (surveyed, lines) = survey(&[
        event(Event::Connect(Connect {
            remote_addr: "192.0.2.7".into(),
            country: "AT".into(),
        })),
        event(Event::AuthPasswordFailed(AuthPassword {
            username: "alice".into(),
            password: Some(b"hunter2".to_vec()),
        })),
        event(Event::AuthPassword(AuthPassword {
            username: "alice".into(),
            password: Some(b"hunter2".to_vec()),
        })),
        event(Event::HandshakeSuccessful(HandshakeSuccessful {
            username: "alice".into(),
        })),
        on(Event::Exec(Exec {
            request_id: 0,
            program: "make\x1b[2J".into(),
        })),
        on(io(1, b"made\n")),
        on(io(2, b"bad\n")),
        on(Event::ExitStatus(ExitStatus { exit_status: 2 })),
        on(Event::Close),
        event(Event::Disconnect),
    ]);
    let facts = &surveyed.facts;
    assert_eq!(
        (&*facts.id, facts.start, facts.end),
        ("id", Some(7), Some(7))
    );
    assert_eq!(facts.user.as_deref(), Some("alice"));
    assert_eq!(facts.address.as_deref(), Some("192.0.2.7"));
    assert_eq!(facts.country.as_deref(), Some("AT"));
    assert_eq!((facts.bytes.stdout, facts.bytes.stderr), (5, 4));
    assert!(facts.authenticated && facts.disconnected && facts.failed());
    let program = facts.programs.first().expect("a program");
    assert_eq!(program.command.as_deref(), Some("make\\x1b[2J"));
    assert_eq!(program.exit, Some(Exit::Status(2)));
    let texts: Vec<&str> = lines.iter().map(|(_, _, text)| text.as_str()).collect();
    assert_eq!(texts, ["make\\x1b[2J", "made", "bad"]);
}

#[test]
fn bytes_of_files_are_no_lines() {
    let start = Event::Subsystem(Subsystem {
        request_id: 0,
        subsystem: "sftp".into(),
    });
    let messages = [
        Message::new("c", 0, Some(0), start),
        Message::new("c", 1, Some(0), io(0, b"\0\0\0\x05\x01\0\0\0\x03")),
        Message::new("c", 1, Some(0), io(1, b"\0\0\0\x05\x02\0\0\0\x03text\n")),
    ];
    let (_, lines) = survey(&messages);
    assert_eq!(lines, [(Kind::Command, 0, "sftp".to_owned())]);
}

#[test]
fn programs_on_one_channel_are_counted() {
    let exec = |program: &str| {
        Event::Exec(Exec {
            request_id: 0,
            program: program.into(),
        })
    };
    let mut messages = Vec::new();
    for program in ["a", "b"] {
        messages.push(Message::new("c", 0, Some(1), exec(program)));
        messages.push(Message::new("c", 0, Some(1), io(1, program.as_bytes())));
        messages.push(Message::new("c", 0, Some(1), Event::Close));
    }
    let (mut survey, mut found) = (Survey::new(), Vec::new());
    for message in &messages {
        survey.push(message, |line| found.push((line.program, line.kind)));
    }
    let facts = survey.finish(|_| {}).facts;
    let expected = [0, 0, 1, 1]
        .into_iter()
        .zip([Kind::Command, Kind::Shown].repeat(2));
    assert_eq!(found, expected.collect::<Vec<_>>());
    let numbers: Vec<u32> = facts
        .programs
        .iter()
        .map(|program| program.number)
        .collect();
    assert_eq!(numbers, [0, 1]);
}

#[test]
fn too_many_screens_at_once_are_said() {
    let mut messages = Vec::new();
    for channel in 0..40 {
        messages.push(Message::new(
            "c",
            0,
            Some(channel),
            Event::Shell(Shell::default()),
        ));
        messages.push(Message::new("c", 0, Some(channel), io(1, b"x")));
    }
    let (surveyed, _) = survey(&messages);
    assert!(surveyed.incomplete);
    assert_eq!(surveyed.facts.program_count, 40);
    assert_eq!(surveyed.facts.programs.len(), MOST_PROGRAMS);
}

#[test]
fn a_screen_that_is_cleared_for_ever_costs_no_more_than_its_bytes() {
    // Each of these few bytes fills a screen and clears it.
    let storm = "\x1b#8\x1b[2J".repeat(20_000);
    let (surveyed, lines) = survey(&session(&[(0, 'o', &storm)]));
    let told: usize = lines.iter().map(|(_, _, text)| text.len()).sum();
    assert!(told <= (64 << 20) + 256 * storm.len(), "{told}");
    assert!(!surveyed.incomplete || told > 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Plain lines are told as they are, each once, however they are divided and whenever they come.
    #[test]
    fn every_line_that_is_written_is_told_once(
        texts in proptest::collection::vec("[a-z0-9]{1,8}( [a-zäß][a-zäß日]{0,8}){0,6}", 0..40),
        size in 1usize..50,
        pause in 0i64..30,
    ) {
        let output: String = texts.iter().flat_map(|text| [text.as_str(), "\r\n"]).collect();
        let steps: Vec<String> = output.chars().collect::<Vec<_>>()
            .chunks(size).map(|chunk| chunk.iter().collect()).collect();
        let steps: Vec<(i64, char, &str)> = steps.iter().zip(0_i64..)
            .map(|(text, number)| (number * pause, 'o', text.as_str())).collect();
        let mut found: Vec<String> = shown(&steps).into_iter().map(|(_, text)| text).collect();
        let mut expected = texts;
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
    }

    /// Whatever a program writes and a client sends, nothing breaks, and facts do not depend on lines.
    #[test]
    fn anything_may_be_in_a_session(
        steps in proptest::collection::vec(
            (0i64..100, any::<bool>(), proptest::collection::vec(
                prop_oneof![Just(0x1b), Just(b'['), Just(b'J'), Just(b'H'), Just(b'?'), b'0'..=b'9', any::<u8>()],
                0..60)),
            0..40),
    ) {
        let mut messages = session(&[]);
        let mut time = 0;
        for (pause, output, data) in steps {
            time += pause * MILLISECOND;
            messages.push(Message::new("c", time, Some(0), io(u64::from(output), &data)));
        }
        let (surveyed, _) = survey(&messages);
        let mut facts = Survey::of_facts();
        for message in &messages {
            facts.push(message, |_| unreachable!());
        }
        prop_assert_eq!(facts.finish(|_| unreachable!()).facts, surveyed.facts);
    }
}
