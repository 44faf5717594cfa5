//! `auditssh verify` as it is called: output and exit status.

#![expect(clippy::unwrap_used, reason = "a test")]

use auditssh_log::codec::Format;
use auditssh_log::seal::{Chain, Chunk, Deflate, Ending, Flags, SigningKey};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOpKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";

fn log(key: Option<&SigningKey>) -> Vec<u8> {
    let mut log = Format::Audit.header().to_vec();
    let mut chain = Chain::new(&Format::Audit.header());
    let chunk = Chunk {
        count: 1,
        ..Chunk::default()
    };
    log.extend(
        chain
            .seal(b"\x9f\xa0", &chunk, &mut Deflate::new())
            .unwrap(),
    );
    log.extend(chain.finish(Ending::Array, Flags::NONE, key).unwrap());
    log
}

fn verify(directory: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_auditssh"))
        .current_dir(directory)
        .arg("verify")
        .args(arguments)
        .output()
        .unwrap();
    told(&output)
}

fn told(output: &Output) -> (i32, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), text)
}

#[test]
fn every_log_is_told_and_the_worst_decides() {
    let directory = tempfile::tempdir().unwrap();
    let write =
        |name: &str, bytes: &[u8]| std::fs::write(directory.path().join(name), bytes).unwrap();
    let intact = log(None);
    let mut altered = intact.clone();
    altered[190] ^= 1;
    write("intact", &intact);
    write("cut", &intact[..intact.len() - 1]);
    write("altered", &altered);
    write("signed", &log(Some(&SigningKey::from_bytes(&[7; 32]))));
    write("key.pub", KEY.as_bytes());
    let run = |arguments: &[&str]| verify(directory.path(), arguments);

    assert_eq!(run(&["intact"]).0, 0);
    assert_eq!(run(&["intact", "signed"]).0, 0);
    assert_eq!(run(&["missing"]).0, 3);
    assert_eq!(run(&["missing", "cut"]).0, 2);
    assert_eq!(run(&["--require", "chain", "intact"]).0, 0);
    assert_eq!(run(&["--require", "signature", "intact"]).0, 2);
    assert_eq!(run(&["--key", "key.pub", "signed"]).0, 0);
    assert_eq!(run(&["--key", "key.pub", "intact"]).0, 2);
    assert_eq!(run(&["--key", "intact", "signed"]).0, 3);
    assert_eq!(run(&[]).0, 3);

    let (code, text) = run(&["."]);
    assert_eq!(code, 2);
    let words: Vec<_> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(words, ["altered", "cut", "intact", "intact", "4"], "{text}");
    assert!(
        text.contains("member 0 at byte 40: its hash does not hold"),
        "{text}"
    );
    assert!(text.contains(KEY), "{text}");

    let (_, text) = run(&["--json", "."]);
    let verdicts: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|log| format!("{} {}", log["verdict"], log["exitCode"]))
        .collect();
    assert_eq!(
        verdicts,
        [
            r#""altered" 2"#,
            r#""cut" 2"#,
            r#""intact" 0"#,
            r#""intact" 0"#
        ]
    );
}

#[test]
fn standard_input_is_a_log_too() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_auditssh"))
        .args(["verify", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&log(None)).unwrap();
    let (code, text) = told(&child.wait_with_output().unwrap());
    assert_eq!(code, 0);
    assert!(text.starts_with("intact     -  1 messages"), "{text}");
}

#[test]
fn nothing_to_check_is_a_failure_if_something_is_required() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(verify(directory.path(), &["."]).0, 0);
    for required in ["chain", "signature"] {
        let (code, _) = verify(directory.path(), &["--require", required, "."]);
        assert_eq!(code, 3, "{required}");
    }
}

#[test]
fn what_recovery_set_aside_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let write =
        |name: &str, bytes: &[u8]| std::fs::write(directory.path().join(name), bytes).unwrap();
    write("kept", &log(None));
    write(".kept.damaged0", b"");
    let (status, text) = verify(directory.path(), &["kept"]);
    assert_eq!(status, 2, "{text}");
    assert!(text.contains("SET ASIDE") && text.contains(".kept.damaged0"));
    let (status, json) = verify(directory.path(), &["--json", "kept"]);
    assert_eq!(status, 2, "{json}");
    assert!(json.contains("\"setAside\":[\".kept.damaged0\"]"), "{json}");
    let list = Command::new(env!("CARGO_BIN_EXE_auditssh"))
        .arg("list")
        .arg(directory.path())
        .output()
        .unwrap();
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(list.contains("intact (+1 aside)"), "{list}");
}
