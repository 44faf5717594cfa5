//! `auditssh decode` and `containerssh-auditlog-decoder`, as they are started.

#![expect(clippy::expect_used, reason = "a test")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const DECODE: &str = env!("CARGO_BIN_EXE_auditssh");
const DECODER: &str = env!("CARGO_BIN_EXE_containerssh-auditlog-decoder");

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata/containerssh")
        .join(name)
}

fn decode(arguments: &[&str], file: &str) -> Output {
    let mut command = Command::new(DECODE);
    command.arg("decode").args(arguments).arg(golden(file));
    command.output().expect("started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn decoder(arguments: &[&str]) -> Output {
    Command::new(DECODER)
        .args(arguments)
        .output()
        .expect("started")
}

fn decoded(file: &str) -> (String, Option<i32>) {
    let path = golden(file);
    let output = decoder(&["-file", path.to_str().expect("UTF-8")]);
    (text(&output.stdout), output.status.code())
}

#[test]
fn the_decoder_prints_what_containerssh_prints() {
    let upstream =
        std::fs::read_to_string(golden("v2-all-types.upstream.jsonl")).expect("golden output");
    let nameless = r#""typeId":"invalid","typeName":"invalid""#;
    let expected: Vec<String> = upstream
        .lines()
        .map(|line| {
            let name = if line.contains(r#""type":198,"#) {
                "failed"
            } else {
                "successful"
            };
            let named = format!(r#""typeId":"handshake_{name}","typeName":"Handshake {name}""#);
            line.replace(nameless, &named)
        })
        .collect();
    let (lines, code) = decoded("v2-all-types.audit");
    assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
    assert_eq!(code, Some(0));
}

#[test]
fn the_decoder_reports_errors_as_lines_and_ends_with_0() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = std::fs::read(golden("v1-0.4.0.audit")).expect("golden log");
    let run = |bytes: &[u8]| {
        let path = directory.path().join("log");
        std::fs::write(&path, bytes).expect("written");
        let output = decoder(&["--file", path.to_str().expect("UTF-8")]);
        assert_eq!(output.status.code(), Some(0));
        text(&output.stdout)
    };
    let cut = run(&log[..300]);
    assert!(cut.starts_with(r#"{"connectionId":"#), "{cut}");
    assert!(
        cut.ends_with("{\"error\":\"failed to decode messages (unexpected EOF)\"}\n"),
        "{cut}"
    );
    let mut other = log.clone();
    other[32] = 3;
    assert_eq!(
        run(&other),
        "{\"error\":\"file format version is higher than supported: 3\"}\n"
    );
    assert!(run(&[b'x'; 50]).starts_with("{\"error\":\"invalid file format header: [120 120 "));
    // As the original says it of these.
    let error = |error: &str| format!("{{\"error\":\"{error}\"}}\n");
    for (length, expected) in [
        (0, "EOF"),
        (39, "unexpected EOF"),
        (40, "failed to open gzip stream (EOF)"),
        (49, "failed to open gzip stream (unexpected EOF)"),
        (50, "failed to decode messages (unexpected EOF)"),
    ] {
        assert_eq!(run(&log[..length]), error(expected), "{length} bytes");
    }
    other[32] = 0;
    assert_eq!(run(&other), "");
}

#[test]
fn the_decoder_ends_with_1_without_a_file() {
    for arguments in [&[][..], &["x"], &["-file", "/nonexistent/log"]] {
        let output = decoder(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
    let missing = text(&decoder(&["-file", "/nonexistent/log"]).stderr);
    assert!(
        missing.contains(" failed to open audit log file /nonexistent/log ("),
        "{missing}"
    );
    assert_eq!(decoder(&["-x"]).status.code(), Some(2));
    assert_eq!(decoder(&["-h"]).status.code(), Some(0));
}

#[test]
fn decode_shows_what_stands_behind_bad_text() {
    let output = decode(&[], "v2-bad-utf8.audit");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    assert!(
        lines.contains(r"\ufffd") && lines.contains(r#""programBytes":""#),
        "{lines}"
    );
    assert!(
        lines
            .lines()
            .last()
            .expect("lines")
            .contains(r#""typeId":"disconnect""#)
    );
}

#[test]
fn decode_filters() {
    let count = |arguments: &[&str]| {
        let output = decode(arguments, "v2-all-types.audit");
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout).lines().count()
    };
    assert_eq!(count(&[]), 39);
    assert_eq!(count(&["--type", "auth_password", "--type", "1"]), 4);
    assert_eq!(count(&["--channel", "0"]), 19);
    assert_eq!(count(&["--channel", "7"]), 0);
    assert_eq!(count(&["--since", "1700000000000000030"]), 10);
    assert_eq!(count(&["--since", "9ns"]), 10);
    assert_eq!(count(&["--until", "2023-11-14T22:13:20.000000003Z"]), 3);
    assert_eq!(count(&["--rfc3339", "--type", "connect"]), 1);
    let timed = text(&decode(&["--rfc3339", "--type", "connect"], "v2-all-types.audit").stdout);
    assert!(
        timed.contains(r#""timestamp":"2023-11-14T22:13:20.000000001Z""#),
        "{timed}"
    );
}

#[test]
fn decode_prints_text_for_people() {
    let output = decode(&["--text"], "v2-all-types.audit");
    assert_eq!(output.status.code(), Some(0));
    let lines = text(&output.stdout);
    for part in [
        "connected from 127.0.0.1",
        "exec ls <&>",
        "out | hello",
        "ended with status 4294967295",
        "disconnected",
    ] {
        assert!(lines.contains(part), "{part} is not in:\n{lines}");
    }
    assert!(
        lines
            .lines()
            .all(|line| line.starts_with("2023-11-14 22:13:20.000Z  ")),
        "{lines}"
    );
}

#[test]
fn decode_reads_standard_input() {
    let mut child = Command::new(DECODE)
        .args(["decode", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let log = std::fs::read(golden("v1-0.4.0.audit")).expect("golden log");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(&log)
        .expect("written");
    let output = child.wait_with_output().expect("ended");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, decode(&[], "v1-0.4.0.audit").stdout);
}

#[test]
fn decode_ends_with_2_if_the_log_is_cut_or_damaged_and_with_1_if_it_cannot_be_opened() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let log = std::fs::read(golden("v1-0.4.0.audit")).expect("golden log");
    let run = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        Command::new(DECODE)
            .arg("decode")
            .arg(&path)
            .output()
            .expect("started")
    };
    let cut = run(&log[..300]);
    assert_eq!(cut.status.code(), Some(2));
    assert!(
        text(&cut.stdout).ends_with("offset 300\"}\n"),
        "{}",
        text(&cut.stdout)
    );
    let mut damaged = log.clone();
    damaged[40] ^= 1;
    let damaged = run(&damaged);
    assert_eq!(damaged.status.code(), Some(2));
    assert!(
        text(&damaged.stdout).starts_with("{\"error\":\"damaged at offset 4"),
        "{}",
        text(&damaged.stdout)
    );
    let shown = Command::new(DECODE)
        .args(["decode", "--text"])
        .arg(&path)
        .output()
        .expect("started");
    let said = text(&shown.stderr);
    let file = path.to_str().expect("UTF-8");
    assert!(
        said.starts_with(&format!("auditssh: {file}: damaged at offset 4"))
            && said.contains("auditssh salvage"),
        "{said}"
    );
    assert_eq!(decode(&[], "none").status.code(), Some(1));
    assert_eq!(
        decode(&["--type", "nothing"], "v1-0.4.0.audit")
            .status
            .code(),
        Some(1)
    );
    assert_eq!(decode(&[], "").status.code(), Some(1));
}

#[test]
fn a_reader_that_goes_away_ends_decode_quietly() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let format = auditssh_log::codec::Format::Binary;
    let mut content = Vec::new();
    let io = auditssh_log::message::Io {
        stream: 1.into(),
        data: vec![b'x'; 30_000],
    };
    let message = auditssh_log::Message::new("c", 1, Some(0), auditssh_log::Event::Io(io));
    for _ in 0..100 {
        auditssh_log::codec::encode(&message, &mut content);
    }
    // Stored blocks: a gzip stream that never ends, as ContainerSSH leaves it.
    let mut log = format.header().to_vec();
    log.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
    for block in content.chunks(65_535) {
        let length = u16::try_from(block.len()).expect("a block");
        log.push(0);
        log.extend(length.to_le_bytes());
        log.extend((!length).to_le_bytes());
        log.extend(block);
    }
    std::fs::write(&path, log).expect("written");
    let mut child = Command::new(DECODE)
        .arg("decode")
        .arg(&path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ended");
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(141));
}
