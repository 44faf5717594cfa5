use super::*;
use crate::Message;
use crate::codec::{Decoder, arbitrary};
use crate::message::{Event, Exec};
use proptest::prelude::*;

fn line(message: &Message, style: Style) -> String {
    let mut out = Vec::new();
    write(message, style, &mut out).expect("memory");
    String::from_utf8(out).expect("JSON is UTF-8")
}

proptest! {
    #[test]
    fn what_is_written_is_read(message in arbitrary::message(), rfc3339 in any::<bool>()) {
        let line = line(&message, Style { rfc3339, ..Style::FULL });
        prop_assert_eq!(read(line.as_bytes()).expect("a message"), message, "{}", line);
    }

    #[test]
    fn every_line_is_one_line_of_json(message in arbitrary::message()) {
        for style in [Style::UPSTREAM, Style::FULL] {
            let line = line(&message, style);
            prop_assert!(!line.contains('\n'));
            prop_assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{}", line);
        }
    }

    #[test]
    fn any_line_is_survived(line in ".{0,80}") {
        let _ = read(line.as_bytes());
    }
}

#[test]
fn our_output_of_their_logs_is_theirs() {
    for name in ["v1-0.4.0", "v2-all-types", "v2-bad-utf8"] {
        let base = format!(
            "{}/../../testdata/containerssh/{name}",
            env!("CARGO_MANIFEST_DIR")
        );
        let file = std::fs::read(format!("{base}.audit")).expect("golden log");
        let golden =
            std::fs::read_to_string(format!("{base}.upstream.jsonl")).expect("golden output");
        let ours: Vec<String> = Decoder::new(&file[..])
            .map(|message| line(&message.expect("undamaged"), Style::UPSTREAM))
            .collect();
        let theirs: Vec<String> = golden
            .lines()
            .filter(|line| !line.starts_with("{\"error\": "))
            .map(named)
            .collect();
        assert!(theirs.len() > 10, "{name}");
        let has_bad_text = name == "v2-bad-utf8";
        assert_eq!(ours.len() > theirs.len(), has_bad_text, "{name}");
        assert_eq!(ours[..theirs.len()], theirs, "{name}");
        if has_bad_text {
            assert!(
                ours[theirs.len()].contains("\\ufffd"),
                "{}",
                ours[theirs.len()]
            );
            assert!(
                ours.last()
                    .expect("lines")
                    .contains("\"typeId\":\"disconnect\"")
            );
        }
    }
}

/// The two types that their decoder has no names for.
fn named(line: &str) -> String {
    let invalid = "\"typeId\":\"invalid\",\"typeName\":\"invalid\"";
    let failed = "\"typeId\":\"handshake_failed\",\"typeName\":\"Handshake failed\"";
    let successful = "\"typeId\":\"handshake_successful\",\"typeName\":\"Handshake successful\"";
    let by = if line.contains("\"type\":198,") {
        failed
    } else {
        successful
    };
    line.replace(invalid, by)
}

#[test]
fn bytes_of_bad_text_stand_beside_it_in_the_full_style_only() {
    let event = Event::Exec(Exec {
        request_id: 1,
        program: b"ls \xff"[..].into(),
    });
    let message = Message::new("c", 1_700_000_000_000_000_001, Some(2), event);
    let payload = |style| {
        let line = line(&message, style);
        let (_, rest) = line.split_once("\"payload\":").expect("a payload");
        rest.to_owned()
    };
    assert_eq!(
        payload(Style::UPSTREAM),
        r#"{"requestId":1,"program":"ls \ufffd"},"channelId":2}"#
    );
    assert_eq!(
        payload(Style::FULL),
        r#"{"requestId":1,"program":"ls \ufffd","programBytes":"bHMg/w=="},"channelId":2}"#
    );
    let timed = line(
        &message,
        Style {
            rfc3339: true,
            ..Style::UPSTREAM
        },
    );
    assert!(
        timed.contains(r#""timestamp":"2023-11-14T22:13:20.000000001Z","type":403"#),
        "{timed}"
    );
}

#[test]
fn strings_are_escaped_as_go_does() {
    let mut out = Vec::new();
    string::string(
        "\"\\<>&\n\r\t\u{8}\u{c}\u{1b}\u{7f}\u{2028}ü\u{fffd}".as_bytes(),
        &mut out,
    )
    .expect("memory");
    let expected = "\"\\\"\\\\\\u003c\\u003e\\u0026\\n\\r\\t\\b\\f\\u001b\u{7f}\\u2028ü\u{fffd}\"";
    assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
}

#[test]
fn long_bytes_are_one_base64_string() {
    use base64::Engine as _;
    for length in [0, 1, 3071, 3072, 3073, 10_000] {
        let bytes = vec![7; length];
        let mut out = Vec::new();
        string::base64(&bytes, &mut out).expect("memory");
        let whole = base64::engine::general_purpose::STANDARD.encode(&bytes);
        assert_eq!(out, format!("\"{whole}\"").into_bytes());
    }
}

#[test]
fn the_documentation_names_every_type_and_its_examples_are_messages() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/json.md");
    let page = std::fs::read_to_string(file).expect("the page");
    for (number, name, _) in Event::types() {
        assert!(page.contains(&format!("`{name}`")), "{number} {name}");
    }
    let examples: Vec<&str> = page.lines().filter(|line| line.starts_with('{')).collect();
    assert!(examples.len() > 10);
    for example in examples {
        let message = read(example.as_bytes()).expect("a message");
        assert_eq!(line(&message, Style::FULL), example);
    }
}
