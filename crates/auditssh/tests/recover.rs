//! `auditssh recover` and `auditssh salvage` as they are called, on what a crash left.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use auditssh_log::codec::{Format, encode};
use auditssh_log::message::{Connect, Event};
use auditssh_log::{Message, tail};
use std::path::Path;
use std::process::Command;

const ID: &str = "00112233445566778899aabbccddeeff";

/// A log of which one message stands in a tail.
fn crashed(directory: &Path) {
    let header = tail::Header {
        id: ID.as_bytes().try_into().unwrap(),
        version: 1,
        nonce: [1; 8],
    };
    let message = Message {
        connection_id: ID.into(),
        timestamp: 5,
        channel_id: None,
        event: Event::Connect(Connect {
            remote_addr: "::1".into(),
            country: "XX".into(),
        }),
        extra: Vec::new(),
        envelope_extra: Vec::new(),
    };
    let mut bytes = header.encode().to_vec();
    tail::open(&mut bytes, tail::Stamp::default(), false, |out| {
        encode(&message, out);
    });
    tail::place(&mut bytes[tail::HEADER..], header.seed(), 0, 0).unwrap();
    std::fs::write(directory.join(ID), Format::Audit.header()).unwrap();
    std::fs::write(directory.join(format!(".{ID}.tail0")), bytes).unwrap();
}

fn run(directory: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_auditssh"))
        .current_dir(directory)
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), text)
}

#[test]
fn a_crashed_log_is_recovered_once() {
    let directory = tempfile::tempdir().unwrap();
    crashed(directory.path());
    let run = |arguments: &[&str]| run(directory.path(), arguments);
    let (code, text) = run(&["verify", "."]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("`auditssh recover` completes it"), "{text}");
    let (code, text) = run(&["recover", "."]);
    assert_eq!(
        (code, text),
        (0, format!("{ID}  recovered, 1 messages from its tails\n"))
    );
    let (code, text) = run(&["verify", ID]);
    assert_eq!(code, 1);
    assert!(text.starts_with("recovered"), "{text}");
    assert_eq!(run(&["recover", "."]), (0, String::new()));
    assert_eq!(run(&["recover", "missing"]).0, 1);
}

#[test]
fn a_live_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    crashed(directory.path());
    let lock = std::fs::File::open(directory.path()).unwrap();
    lock.lock().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_auditssh"))
        .args(["recover".as_ref(), directory.path().as_os_str()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("a server uses this directory"), "{said}");
    assert!(output.stdout.is_empty());
    assert!(directory.path().join(format!(".{ID}.tail0")).exists());
}

#[test]
fn a_salvaged_log_tells_that_it_is_one() {
    let directory = tempfile::tempdir().unwrap();
    crashed(directory.path());
    let run = |arguments: &[&str]| run(directory.path(), arguments);
    let (code, text) = run(&["salvage", ID]);
    assert_eq!(code, 0);
    assert_eq!(
        text,
        format!(
            "{ID}.salvaged: 0 messages proven, 1 from tails, by CRC only, the end is missing\n"
        )
    );
    let (code, text) = run(&["verify", &format!("{ID}.salvaged")]);
    assert_eq!(code, 1);
    assert!(text.contains("messages are missing (GAP)"), "{text}");
    assert_eq!(run(&["salvage", ID]).0, 1, "never overwritten");
    assert_eq!(run(&["salvage", ID, "-o", "other"]).0, 0);
}

#[test]
fn a_whole_log_under_the_name_of_another_is_salvaged() {
    let directory = tempfile::tempdir().unwrap();
    crashed(directory.path());
    let run = |arguments: &[&str]| run(directory.path(), arguments);
    assert_eq!(run(&["recover", "."]).0, 0);
    let other = ID.replace('0', "7");
    std::fs::copy(directory.path().join(ID), directory.path().join(&other)).unwrap();
    let (code, text) = run(&["salvage", &other]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(
        text,
        format!(
            "{other}.salvaged: 1 messages proven, of another connection than the log's name says\n"
        )
    );
    let (code, text) = run(&["salvage", ID]);
    assert_eq!(
        (code, text),
        (0, format!("{ID}.salvaged: 1 messages proven\n"))
    );
}

#[test]
fn a_log_that_a_crash_left_is_followed_to_where_it_ends() {
    let directory = tempfile::tempdir().unwrap();
    crashed(directory.path());
    let output = Command::new(env!("CARGO_BIN_EXE_auditssh"))
        .current_dir(directory.path())
        .args(["decode", "--follow", ID])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("no server writes it") && said.contains("auditssh recover"),
        "{said}"
    );
    let lines = String::from_utf8_lossy(&output.stdout);
    assert_eq!(lines.lines().count(), 1, "{lines}");
}
