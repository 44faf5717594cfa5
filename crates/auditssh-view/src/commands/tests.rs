use super::*;
use auditssh_log::message::{Event, Exec, Io, Pty, Shell, Subsystem};
use proptest::prelude::*;

const MILLISECOND: i64 = 1_000_000;

/// A shell on a terminal of 20 columns, and what passes: stream and bytes, 100 ms from one to
/// the next.
fn shell(parts: &[(u64, &[u8])]) -> Vec<Message> {
    let pty = Pty {
        term: "xterm".into(),
        columns: 20,
        rows: 5,
        ..Pty::default()
    };
    let mut events = vec![Event::Pty(pty), Event::Shell(Shell::default())];
    events.extend(parts.iter().map(|(stream, data)| {
        Event::Io(Io {
            stream: (*stream).into(),
            data: data.to_vec(),
        })
    }));
    let times = [0, 0]
        .into_iter()
        .chain((0..).map(|n| n * 100 * MILLISECOND));
    let messages = times.zip(events);
    let messages = messages.map(|(time, event)| Message::new("c", time, Some(3), event));
    messages.collect()
}

fn given(messages: &[Message]) -> Vec<Given> {
    let (mut commands, mut found) = (Commands::default(), Vec::new());
    for message in messages {
        commands.push(message, |given| found.push(given));
    }
    commands.finish(|given| found.push(given));
    found
}

/// Time in milliseconds since the program began, and text.
fn lines(messages: &[Message]) -> Vec<(u64, String)> {
    let commands = given(messages).into_iter().map(|given| given.command);
    let lines = commands.map(|command| (command.at / 1_000_000, command.text));
    lines.collect()
}

fn texts(messages: &[Message]) -> Vec<String> {
    lines(messages).into_iter().map(|(_, text)| text).collect()
}

#[test]
fn a_program_begins_with_its_command() {
    let exec = |program: &str| {
        Event::Exec(Exec {
            request_id: 0,
            program: program.into(),
        })
    };
    let sftp = Event::Subsystem(Subsystem {
        request_id: 0,
        subsystem: "sftp".into(),
    });
    let messages = [
        Message::new("c", 1, Some(0), exec("make \x1b[2J")),
        Message::new("c", 2, Some(0), Event::Close),
        Message::new("c", 3, Some(1), sftp),
        Message::new("c", 4, Some(1), Event::Close),
    ];
    let command = Command {
        at: 0,
        text: "make \\x1b[2J".to_owned(),
        how: How::Started,
    };
    let expected = Given {
        channel: 0,
        program: 0,
        command,
    };
    assert_eq!(given(&messages), [expected]);
}

#[test]
fn a_line_is_told_as_it_was_shown_when_it_was_entered() {
    let messages = shell(&[
        (1, b"\x1b[32m~\x1b[0m $ "),
        (0, b"l"),
        (1, b"l"),
        (0, b"x\x7fs"),
        (1, b"x\x08 \x08s"),
        (0, b"\r"),
        (1, b"\r\nfile\r\n~ $ "),
        // An empty line is no command.
        (0, b"\r"),
        (1, b"\r\n~ $ "),
        // From the history, and longer than a row.
        (0, b"\x1b[A"),
        (1, b"echo one two three four"),
        (0, b"\r"),
        (1, b"\r\none two three four\r\n~ $ "),
    ]);
    let expected = [
        (500, "ls".to_owned()),
        (1100, "echo one two three four".to_owned()),
    ];
    assert_eq!(lines(&messages), expected);
    assert!(
        given(&messages)
            .iter()
            .all(|given| given.command.how == How::Typed)
    );
    assert!(
        given(&messages)
            .iter()
            .all(|given| given.channel == 3 && given.program == 0)
    );
}

#[test]
fn what_was_not_shown_is_no_command() {
    let messages = shell(&[
        (1, b"$ "),
        (0, b"su\r"),
        (1, b"su\r\n"),
        (1, b"Password: "),
        (0, b"hunter2\r"),
        (1, b"\r\n# "),
        (0, b"id\r"),
        (1, b"id\r\nuid=0\r\n# "),
    ]);
    assert_eq!(texts(&messages), ["su", "id"]);
    // Where output is not in the log, nobody knows what was shown.
    let blind = shell(&[(0, b"su\r"), (0, b"hunter2\r")]);
    assert_eq!(lines(&blind), [(0, String::new()), (100, String::new())]);
}

#[test]
fn what_is_typed_while_a_program_writes_is_told_when_it_shows() {
    let messages = shell(&[
        (1, b"$ "),
        (0, b"make\r"),
        (1, b"make\r\ncc a"),
        (0, b"ls\r"),
        (1, b".c\r\ncc b.c\r\n"),
        (1, b"$ ls\r\nfile\r\n$ "),
    ]);
    assert_eq!(
        lines(&messages),
        [(100, "make".to_owned()), (300, "ls".to_owned())]
    );
}

#[test]
fn input_may_be_in_the_log_only_where_it_was_echoed() {
    let messages = shell(&[
        (1, b"$ "),
        (0, b"su\r"),
        (1, b"su\r\nPassword: "),
        (1, b"\r\n# "),
        (1, b"i"),
        (1, b"d\r\nuid=0\r\n# "),
        (0, b"ls\r"),
        (1, b"ls\r\n# "),
    ]);
    assert_eq!(texts(&messages), ["su", "id", "ls"]);
}

#[test]
fn an_editor_has_no_commands() {
    let messages = shell(&[
        (1, b"$ "),
        (0, b"vi\r"),
        (1, b"vi\r\n\x1b[?1049h\x1b[H~\r\n~"),
        (0, b"ihello\r"),
        (1, b"hello\r\nworld"),
        (0, b"\x1b:q!\r"),
        (1, b"\x1b[?1049l$ "),
        (0, b"ls\r"),
        (1, b"ls\r\n$ "),
    ]);
    assert_eq!(texts(&messages), ["vi", "ls"]);
}

#[test]
fn a_search_in_the_history_shows_its_prompt_no_more_when_it_is_entered() {
    let messages = shell(&[
        (1, b"$ "),
        (0, b"a\r"),
        (1, b"a\r\n$ "),
        (0, b"\x12"),
        (1, b"\r(search)`': "),
        (0, b"m"),
        (1, b"\x08\x08\x08m': make"),
        (0, b"\r"),
        (1, b"\r\x1b[K$ make\r\nmade\r\n$ "),
    ]);
    assert_eq!(texts(&messages), ["a", "make"]);
}

#[test]
fn shells_that_mark_are_believed() {
    for (begin, number) in [("\x1b]133;", "133"), ("\x1b]633;", "633")] {
        let prompt = format!("{begin}A\x07$ {begin}B\x07");
        let runs = format!("l\r\n{begin}C\x07out\r\n{begin}D;0\x07{prompt}");
        let aborted = format!("x^C\r\n{begin}D\x07{prompt}");
        for has_input in [true, false] {
            let mut parts: Vec<(u64, &[u8])> = vec![
                (1, prompt.as_bytes()),
                (0, b"l"),
                (0, b"\r"),
                (1, runs.as_bytes()),
                (0, b"x\x03"),
                (1, aborted.as_bytes()),
                (0, b"l\r"),
                (1, runs.as_bytes()),
            ];
            parts.retain(|(stream, _)| has_input || *stream == 1);
            let found = given(&shell(&parts));
            let texts: Vec<&str> = found
                .iter()
                .map(|given| given.command.text.as_str())
                .collect();
            assert_eq!(texts, ["l", "l"], "{number}, input: {has_input}");
            assert!(found.iter().all(|given| given.command.how == How::Marked));
        }
    }
}

#[test]
fn a_shell_that_marks_prompts_only() {
    let prompt = b"\x1b]133;A\x07$ \x1b]133;B\x07";
    let (one, two) = ([b"one\r\n..\r\n", &prompt[..]].concat(), b"two\r\n..\r\n");
    let messages = shell(&[
        (1, prompt),
        (0, b"one\r"),
        (1, &one),
        (0, b"two\r"),
        (1, two),
    ]);
    assert_eq!(
        lines(&messages),
        [(100, "one".to_owned()), (300, "two".to_owned())]
    );
}

#[test]
fn without_input_and_marks_it_is_what_is_written_at_a_prompt_after_a_pause() {
    let messages = shell(&[
        (1, b"hello\r\n$ "),
        (1, b"l"),
        (1, b"s"),
        (1, b"\r\nfile\r\n$ "),
        (1, b"\r\n$ "),
        (1, b"pwd"),
        (1, b"\r\n/\r\n"),
        (1, b"no prompt"),
        (1, b"text\r\n"),
    ]);
    assert_eq!(
        lines(&messages),
        [(300, "ls".to_owned()), (600, "pwd".to_owned())]
    );
    assert!(
        given(&messages)
            .iter()
            .all(|given| given.command.how == How::Shown)
    );
}

#[test]
fn much_output_changes_nothing() {
    let much = b"line of output\r\n".repeat(20_000);
    let messages = shell(&[
        (1, b"$ "),
        (0, b"yes\r"),
        (1, b"yes\r\n"),
        (1, &much),
        (1, b"\x1b[?1049h"),
        (1, &much),
        (1, b"\x1b[?1049l"),
        (1, &much),
        (1, b"$ "),
        (0, b"ls\r"),
        (1, b"ls\r\n"),
    ]);
    assert_eq!(texts(&messages), ["yes", "ls"]);
}

proptest! {
    /// Whatever passes: texts are short and safe, times never run back, and how bytes of one moment
    /// are divided does not matter to marks.
    #[test]
    fn what_is_told_is_bounded_and_safe(
        parts in prop::collection::vec((0..3_u64, prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            Just(b"\x1b]133;A\x07$ \x1b]133;B\x07".to_vec()),
            Just(b"ls\r\n\x1b]133;C\x07".to_vec()),
            Just(b"\x1b[?1049h".to_vec()),
            Just(b"\r".to_vec()),
            "[a-z ]{0,40}\r?\n?".prop_map(String::into_bytes),
        ]), 0..40)
    ) {
        let parts: Vec<(u64, &[u8])> = parts.iter().map(|(s, data)| (*s, data.as_slice())).collect();
        let found = given(&shell(&parts));
        let mut last = 0;
        for Given { command, .. } in found {
            prop_assert!(command.text.len() <= LONGEST);
            prop_assert!(command.text.chars().all(crate::is_visible));
            prop_assert!(command.at >= last);
            last = command.at;
        }
    }
}
