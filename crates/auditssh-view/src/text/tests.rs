use super::*;
use auditssh_log::extension::{Continued, Gap};
use auditssh_log::message::{Exec, Io};
use proptest::prelude::*;

fn shown(messages: &[Message]) -> String {
    let mut text = Text::new(Vec::new());
    for message in messages {
        text.push(message).expect("memory");
    }
    String::from_utf8(text.finish().expect("memory")).expect("UTF-8")
}

fn io(time: i64, channel: u64, stream: u64, data: &[u8]) -> Message {
    let event = Event::Io(Io {
        stream: stream.into(),
        data: data.to_vec(),
    });
    Message::new("c", time * 1_000_000, Some(channel), event)
}

fn close(time: i64, channel: u64) -> Message {
    Message::new("c", time * 1_000_000, Some(channel), Event::Close)
}

#[test]
fn output_is_gathered_to_lines() {
    let text = shown(&[
        io(1, 0, 1, b"one\r\ntw"),
        io(2, 0, 0, b"l"),
        io(3, 1, 1, b"other\n"),
        io(4, 0, 1, b"o \xc3"),
        io(5, 0, 1, b"\xa4\n\n"),
        io(6, 0, 2, b"late"),
        io(7, 0, 0, b"s\r"),
        close(8, 0),
    ]);
    let expected = "\
1970-01-01 00:00:00.001Z  #0  out | one
1970-01-01 00:00:00.003Z  #1  out | other
1970-01-01 00:00:00.001Z  #0  out | two ä
1970-01-01 00:00:00.005Z  #0  out | \n\
1970-01-01 00:00:00.002Z  #0  in  | ls
1970-01-01 00:00:00.006Z  #0  err | late
1970-01-01 00:00:00.008Z  #0  channel closed
";
    assert_eq!(text, expected);
}

#[test]
fn a_gap_tells_whose_session_goes_on() {
    let gap = Gap {
        messages: 1,
        bytes: 0,
        reason: "r".into(),
        from: 1,
        to: 2,
    };
    let known = Continued {
        log: "before".into(),
        remote_addr: Some("::1".into()),
        username: Some("alice".into()),
        ..Continued::default()
    };
    let (event, mut extra) = gap.record();
    extra.extend(known.to_extra());
    let first = Message {
        extra,
        ..Message::new("id", 100, None, event)
    };
    let text = shown(&[first]);
    let told = "GAP: 1 messages, 0 bytes not recorded: r; the session's log before this one is before; it is that of alice; from ::1\n";
    assert!(text.ends_with(told), "{text}");
}

#[test]
fn nothing_in_a_log_controls_the_terminal() {
    let evil = b"\x1b]0;x\x07\x9b2J\xc2\x9b2J\rfake\x08\xe2\x80\xae\xff\x7f";
    let exec = Event::Exec(Exec {
        request_id: 0,
        program: evil[..].into(),
    });
    let text = shown(&[io(0, 0, 1, evil), Message::new("c", 0, Some(0), exec)]);
    let expected = r"\x1b]0;x\x07\x9b2J\u{9b}2J\x0dfake\x08\u{202e}\xff\x7f";
    assert_eq!(text.matches(expected).count(), 2, "{text}");
}

#[test]
fn raw_text_is_what_the_program_wrote() {
    let mut text = Text::raw(Vec::new());
    for message in [
        io(0, 0, 1, b"\x1b[1mx"),
        io(0, 0, 0, b"secret"),
        close(0, 0),
        io(0, 0, 2, b"e\n"),
    ] {
        text.push(&message).expect("memory");
    }
    let bytes = text.finish().expect("memory");
    let text = String::from_utf8(bytes).expect("UTF-8");
    assert!(
        text.starts_with("\x1b[1mx\r\n1970-01-01") && text.ends_with("channel closed\ne\n"),
        "{text:?}"
    );
    assert!(!text.contains("secret"));
}

#[test]
fn many_channels_and_long_lines_are_held_within_bounds() {
    let mut text = Text::new(Vec::new());
    for channel in 0..1000 {
        text.push(&io(0, channel, 1, &[b'x'; 3000]))
            .expect("memory");
        text.push(&io(0, channel, 1, &[b'y'; 3000]))
            .expect("memory");
    }
    assert!(text.lines.held() <= 64 * 2 * 4096, "{}", text.lines.held());
    let shown = String::from_utf8(text.finish().expect("memory")).expect("UTF-8");
    assert_eq!(shown.matches('x').count(), 3_000_000);
    assert_eq!(shown.matches('y').count(), 3_000_000);
}

#[test]
fn a_great_many_lines_at_once_need_no_memory() {
    let mut text = Text::new(std::io::sink());
    text.push(&io(0, 0, 1, &vec![b'\n'; 1 << 20]))
        .expect("a sink");
    text.push(&io(0, 0, 1, &vec![b'x'; 1 << 20]))
        .expect("a sink");
    assert!(text.lines.held() <= 2 * 4096, "{}", text.lines.held());
}

#[test]
fn what_goes_beyond_a_limit_is_counted() {
    let mut text = Text::new(Vec::new());
    text.set_limit(100);
    for message in [
        io(0, 0, 1, &[b'\n'; 1000]),
        close(0, 0),
        io(0, 0, 1, b"more"),
    ] {
        text.push(&message).expect("memory");
    }
    text.set_limit(1000);
    text.push(&io(0, 0, 1, b"again\n")).expect("memory");
    let shown = String::from_utf8(text.finish().expect("memory")).expect("UTF-8");
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 5, "{shown}");
    assert!(lines[3].starts_with("… 1 events and 1001 bytes"), "{shown}");
    assert!(lines[4].ends_with("out | again"), "{shown}");
}

proptest! {
    #[test]
    fn no_stream_of_bytes_gets_a_control_character_through(
        parts in proptest::collection::vec((0u64..3, proptest::collection::vec(any::<u8>(), 0..40)), 0..20)
    ) {
        let messages: Vec<Message> = parts.iter().map(|(stream, data)| io(0, 0, *stream, data)).collect();
        let text = shown(&messages);
        prop_assert!(text.chars().all(|c| c == '\n' || crate::is_visible(c)), "{:?}", text);
        let lines = text.lines().all(|line| line.starts_with("1970-01-01 00:00:00.000Z  #0 "));
        prop_assert!(lines, "{}", text);
    }
}

#[test]
fn what_was_forced_stands_beside_what_was_asked_for() {
    use auditssh_log::extension::Forced;
    let forced = Forced {
        command: "printf 'a\n'".into(),
        by: "key".into(),
    };
    let event = Event::Exec(Exec {
        request_id: 0,
        program: "id".into(),
    });
    let mut message = Message::new("c", 0, Some(0), event);
    assert!(shown(std::slice::from_ref(&message)).ends_with("exec id\n"));
    message.extra = forced.to_extra();
    let text = shown(&[message]);
    assert!(
        text.ends_with("exec id; forced by the key instead: printf 'a\\x0a'\n"),
        "{text}"
    );
}
