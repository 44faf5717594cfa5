//! The commands that read logs, where things are not as they should be.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

use auditssh_archive::reader::LogReader;
use auditssh_log::codec::{Decoder, End, Format, encode};
use auditssh_log::message::{Connect, Event, Exec, HandshakeSuccessful, Message};
use auditssh_log::seal::{Chain, Chunk, Deflate, Ending, Flags};
use auditssh_log::tail;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const ID: &str = "00112233445566778899aabbccddeeff";
const COUNT: u64 = 12;

fn run(directory: &Path, arguments: &[&OsStr]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_auditssh"))
        .current_dir(directory)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn told(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    let output = run(directory, &arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap();
    (code, text(&output.stdout), text(&output.stderr))
}

fn message(number: u64) -> Message {
    let event = match number {
        0 => Event::Connect(Connect {
            remote_addr: "::1".into(),
            country: "XX".into(),
        }),
        1 => Event::HandshakeSuccessful(HandshakeSuccessful {
            username: b"al\x1b[31mice"[..].into(),
        }),
        _ if number == COUNT - 1 => Event::Disconnect,
        _ => Event::Exec(Exec {
            request_id: number,
            program: format!("echo {number}").into(),
        }),
    };
    let time = 1_700_000_000_000_000_000 + i64::try_from(number).unwrap();
    let channel = (2..COUNT - 1).contains(&number).then_some(0);
    Message::new(ID, time, channel, event)
}

/// A log of ours with three messages a member, as far as `messages` go.
fn log(format: Format, messages: u64, finish: bool) -> Vec<u8> {
    let mut log = format.header().to_vec();
    let mut chain = Chain::new(&format.header());
    let mut content = format.prologue().to_vec();
    for number in 0..messages {
        encode(&message(number), &mut content);
        if number % 3 == 2 {
            let chunk = Chunk {
                count: 3,
                ..Chunk::default()
            };
            let member = chain.seal(&content, &chunk, &mut Deflate::new());
            log.extend(member.unwrap());
            content.clear();
        }
    }
    if finish {
        let ending = match format {
            Format::Audit => Ending::Array,
            Format::Binary => Ending::Sequence,
        };
        log.extend(chain.finish(ending, Flags::NONE, None).unwrap());
    }
    log
}

fn write_tail(directory: &Path, chunk: u32, first: u64, count: u64) {
    let header = tail::Header {
        id: ID.as_bytes().try_into().unwrap(),
        version: 1,
        nonce: [1; 8],
    };
    let mut bytes = header.encode().to_vec();
    for number in first..first + count {
        let start = bytes.len();
        tail::open(&mut bytes, tail::Stamp::default(), false, |out| {
            encode(&message(number), out);
        });
        tail::place(&mut bytes[start..], header.seed(), chunk, number).unwrap();
    }
    let name = format!(".{ID}.tail{}", chunk % 2);
    std::fs::write(directory.join(name), bytes).unwrap();
}

/// Logs of every kind, and the messages in them.
fn samples() -> Vec<(String, Vec<u8>)> {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/containerssh");
    let mut samples: Vec<_> = std::fs::read_dir(golden)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "audit")
        })
        .map(|path| (path.display().to_string(), std::fs::read(path).unwrap()))
        .collect();
    assert_eq!(samples.len(), 3);
    for format in [Format::Audit, Format::Binary] {
        samples.push((format!("ours, {format}"), log(format, COUNT, true)));
        samples.push((format!("ours, open, {format}"), log(format, 9, false)));
    }
    samples
}

#[test]
fn every_prefix_of_a_log_is_a_prefix_of_its_messages_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(ID);
    for (name, bytes) in samples() {
        let all: Vec<Message> = Decoder::new(&bytes[..]).map(Result::unwrap).collect();
        let ended = all
            .last()
            .is_some_and(|last| last.event == Event::Disconnect);
        for length in 0..=bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let mut decoder = Decoder::new(LogReader::open(&path, false).unwrap());
            let found: Vec<Message> = decoder.by_ref().map(Result::unwrap).collect();
            assert!(all.starts_with(&found), "{name}: cut at {length}");
            let is_all = ended && found.len() == all.len();
            let end = decoder.end().unwrap();
            assert_eq!(end == End::Complete, is_all, "{name}: cut at {length}");
            let can_tell = matches!(end, End::Complete | End::Cut | End::Open);
            assert!(can_tell, "{name}: cut at {length}: {end:?}");
            if length % 29 == 0 || length == bytes.len() {
                is_told(
                    directory.path(),
                    &found,
                    end,
                    &format!("{name}: cut at {length}"),
                );
            }
        }
    }
}

/// The same by the commands themselves.
fn is_told(directory: &Path, found: &[Message], end: End, what: &str) {
    let (code, lines, said) = told(directory, &["decode", ID]);
    let is_message = |line: &&str| !line.starts_with(r#"{"error""#);
    let messages = lines.lines().filter(is_message).count();
    assert_eq!(messages, found.len(), "{what}: {lines}");
    let error = lines.lines().find(|line| !is_message(line));
    match code {
        0 if end == End::Complete => assert!(said.is_empty() && error.is_none(), "{what}: {said}"),
        0 => assert!(
            end == End::Open && said.contains("the log has no end"),
            "{what}: {said}"
        ),
        2 => assert!(error.unwrap().contains("the log is cut"), "{what}: {lines}"),
        code => panic!("{what}: {code}: {said}"),
    }
    assert!(code == 2 || end != End::Cut, "{what}");
    let (text_code, _, text_said) = told(directory, &["decode", "--text", ID]);
    assert_eq!(text_code, code, "{what}");
    assert_eq!(
        text_said.is_empty(),
        end == End::Complete,
        "{what}: {text_said}"
    );
}

#[test]
fn a_log_without_its_end_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let decode = |arguments: &[&str]| told(directory.path(), &[&["decode"], arguments].concat());
    std::fs::write(directory.path().join(ID), log(Format::Audit, 6, false)).unwrap();
    let (code, lines, _) = decode(&[ID]);
    assert_eq!((code, lines.lines().count()), (2, 7), "{lines}");
    assert!(lines.contains("its end is missing"), "{lines}");
    write_tail(directory.path(), 2, 6, 2);
    let (code, lines, said) = decode(&[ID]);
    assert_eq!((code, lines.lines().count()), (0, 8), "{lines}");
    assert!(said.contains("not recovered yet"), "{said}");
    let lock = std::fs::File::open(directory.path()).unwrap();
    lock.lock().unwrap();
    let (code, _, said) = decode(&[ID]);
    assert_eq!(
        (code, said.as_str()),
        (0, "auditssh: the log is still being written\n")
    );
    let (code, table, _) = told(directory.path(), &["list", "."]);
    assert!(code == 0 && table.contains("  open  "), "{table}");
    drop(lock);
    let (_, table, _) = told(directory.path(), &["list", "."]);
    assert!(table.contains("  cut  "), "{table}");
    assert_eq!(told(directory.path(), &["verify", "."]).0, 2);
    assert_eq!(told(directory.path(), &["recover", "."]).0, 0);
    let (code, lines, said) = decode(&[ID]);
    assert_eq!((code, lines.lines().count()), (0, 8), "{lines}");
    assert!(said.contains("its server died"), "{said}");
    let (code, table, _) = told(directory.path(), &["list", "."]);
    assert!(code == 0 && table.contains("  recovered  "), "{table}");
}

#[test]
fn a_list_knows_what_verify_knows() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(directory.path().join(name), bytes);
    let whole = log(Format::Audit, COUNT, true);
    let mut altered = whole.clone();
    altered[200] ^= 1;
    let id = |digit: &str| ID.replace('0', digit);
    write(&id("1"), &whole).unwrap();
    write(&id("2"), &altered).unwrap();
    write(&id("3"), &whole[..whole.len() - 1]).unwrap();
    write(&id("4"), &samples()[0].1).unwrap();
    write("copy of a log", &whole).unwrap();
    write("no log", b"at all").unwrap();
    let json = |arguments: &[&str]| {
        let (code, lines, _) = told(directory.path(), arguments);
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        (code, lines.collect::<Vec<serde_json::Value>>())
    };
    let (code, listed) = json(&["list", "--json", "."]);
    assert_eq!((code, listed.len()), (0, 5));
    let (_, verified) = json(&["verify", "--json", "."]);
    for log in &verified {
        let name = log["path"].as_str().unwrap().trim_start_matches("./");
        let row = listed.iter().find(|row| row["id"] == name).unwrap();
        assert_eq!(row["state"], log["verdict"], "{name}");
    }
    let (_, table, _) = told(directory.path(), &["list", "."]);
    assert_eq!(table.lines().count(), 6);
    assert!(!table.contains('\x1b'), "{table}");
    assert_eq!(told(directory.path(), &["list", "missing"]).0, 1);
}

#[test]
fn errors_are_the_same_whatever_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("junk"), b"no log at all").unwrap();
    for arguments in [
        &["decode", "missing"][..],
        &["decode", "."],
        &["decode", "--follow", "-"],
        &["decode", "--since", "5m", "-"],
        &["decode", "--text", "junk"],
        &["decode", "--type", "nothing", "junk"],
        &["convert", "--to", "text", "missing"],
        &["convert", "junk"],
        &["show", "missing"],
        &["files", "junk"],
        &["replay", "missing"],
        &["list", "missing"],
        &["verify", "--key", "junk", "junk"],
        &["verify", "--key", "missing", "junk"],
        &["recover", "missing"],
        &["salvage", "junk"],
        &["salvage", "missing"],
        &["serve", "--config", "missing"],
        &["config", "check", "missing"],
        &["hash-password"],
    ] {
        let said = |backtrace: &str| {
            let output = Command::new(env!("CARGO_BIN_EXE_auditssh"))
                .current_dir(directory.path())
                .env("RUST_BACKTRACE", backtrace)
                .args(arguments)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            assert_ne!(output.status.code(), Some(0), "{arguments:?}");
            String::from_utf8(output.stderr).unwrap()
        };
        let plain = said("0");
        assert_eq!(said("1"), plain, "{arguments:?}");
        assert_eq!(said("full"), plain, "{arguments:?}");
        assert!(!plain.contains("backtrace"), "{plain}");
        assert!(plain.lines().count() < 12, "{plain}");
    }
}

#[test]
fn names_of_files_do_nothing_to_the_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let name = OsStr::from_bytes(b"\x1b]0;evil\x07\xff\xe2\x80\xaename");
    std::fs::write(directory.path().join(name), log(Format::Audit, COUNT, true)).unwrap();
    let missing = OsStr::from_bytes(b"\x1b[2Jmissing");
    let option = OsStr::from_bytes(b"--\x1b[2Joption");
    let run = |arguments: &[&OsStr]| run(directory.path(), arguments);
    for arguments in [
        &[OsStr::new("verify"), name][..],
        &[OsStr::new("verify"), OsStr::new(".")],
        &[OsStr::new("verify"), OsStr::new("--json"), OsStr::new(".")],
        &[OsStr::new("verify"), missing],
        &[OsStr::new("list"), OsStr::new(".")],
        &[OsStr::new("list"), OsStr::new("--json"), OsStr::new(".")],
        &[OsStr::new("list"), missing],
        &[OsStr::new("decode"), name],
        &[OsStr::new("decode"), OsStr::new("--text"), name],
        &[OsStr::new("decode"), missing],
        &[OsStr::new("decode"), option],
        &[OsStr::new("show"), name],
        &[OsStr::new("show"), OsStr::new("--json"), name],
        &[OsStr::new("files"), missing],
        &[OsStr::new("convert"), OsStr::new("--to=text"), name],
        &[OsStr::new("replay"), missing],
        &[OsStr::new("salvage"), name],
        &[OsStr::new("salvage"), missing],
        &[OsStr::new("recover"), missing],
        &[missing],
    ] {
        let output = run(arguments);
        let all = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(all).unwrap();
        let is_json = arguments.contains(&OsStr::new("--json"));
        let evil = |c: char| c.is_control() && c != '\n' || c == '\u{202e}' && !is_json;
        assert!(!text.contains(evil), "{arguments:?}: {text:?}");
    }
}

#[test]
fn what_is_no_file_is_told_and_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join(ID);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    std::fs::create_dir(directory.path().join("folder")).unwrap();
    std::fs::write(directory.path().join("empty"), b"").unwrap();
    let run = |arguments: &[&str]| told(directory.path(), arguments);
    let (code, text, _) = run(&["verify", "."]);
    assert!(code == 3 && text.contains("no regular file"), "{text}");
    let (code, text, _) = run(&["list", "."]);
    assert!(code == 0 && text.contains("  unchecked  "), "{text}");
    assert_eq!(run(&["salvage", ID]).0, 1);
    for (arguments, expected) in [
        (&["decode", "empty"][..], 2),
        (&["decode", "/dev/null"], 2),
        (&["decode", "/dev/zero"], 2),
        (&["decode", "folder"], 1),
        (&["decode", "missing"], 1),
        (&["decode", "--since", "1s", "/dev/null"], 1),
        (&["verify", "empty"], 2),
        (&["verify", "/dev/null"], 2),
        (&["verify", "/dev/zero"], 2),
        (&["verify", "missing"], 3),
        (&["verify", "missing", "empty"], 2),
        (&["verify", "--key", "/dev/zero", "empty"], 3),
        (&["show", "empty"], 2),
        (&["show", "folder"], 1),
        (&["files", "/dev/zero"], 2),
        (&["convert", "--to", "text", "/dev/null"], 2),
        (&["convert", "--to", "json", "folder"], 1),
        (&["replay", "empty"], 1),
        (&["salvage", "empty"], 1),
        (&["salvage", "/dev/zero"], 1),
        (&["salvage", "folder"], 1),
        (&["recover", "empty"], 1),
        (&["list", "empty"], 1),
        (&["verify", "folder"], 0),
    ] {
        let (code, text, said) = run(arguments);
        assert_eq!(code, expected, "{arguments:?}: {text}{said}");
    }
}

#[test]
fn links_lead_to_logs_and_to_who_writes_them() {
    let directory = tempfile::tempdir().unwrap();
    let audit = directory.path().join("audit");
    std::fs::create_dir(&audit).unwrap();
    std::fs::write(audit.join(ID), log(Format::Audit, 6, false)).unwrap();
    write_tail(&audit, 2, 6, 2);
    std::os::unix::fs::symlink(&audit, directory.path().join("logs")).unwrap();
    std::os::unix::fs::symlink(audit.join(ID), directory.path().join("log")).unwrap();
    let lock = std::fs::File::open(&audit).unwrap();
    lock.lock().unwrap();
    let through = format!("logs/{ID}");
    for path in ["audit", "logs", "log", &through] {
        let (code, text, _) = told(directory.path(), &["verify", path]);
        assert!(code == 1 && text.starts_with("open "), "{path}: {text}");
    }
}

#[test]
fn times_may_be_anything() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(ID), log(Format::Audit, COUNT, true)).unwrap();
    let count = |arguments: &[&str]| {
        let (code, lines, said) = told(directory.path(), &[&["decode", ID], arguments].concat());
        (code, lines.lines().count(), said)
    };
    for (arguments, expected) in [
        (&["--since", "0000000000"][..], 12),
        (&["--since", "-1000000000"], 12),
        (&["--since", "1700000000.000000011"], 1),
        (&["--since", "now"], 0),
        (&["--until", "now"], 12),
        (&["--since", "-9223372036854775808"], 12),
        (&["--since", "9223372036854775807"], 0),
        (&["--until", "-1000000000"], 0),
        (&["--until", "9223372036854775807"], 12),
        (&["--since", "1700000000000000011"], 1),
        (&["--until", "1700000000000000000"], 1),
        (
            &[
                "--since",
                "1700000000000000005",
                "--until",
                "1700000000000000004",
            ],
            0,
        ),
        (&["--since", "0s"], 1),
        (&["--until", "0s"], 12),
        (&["--since", "2ns", "--until", "1ns"], 2),
        (&["--since", "87600h"], 12),
        (&["--since", "3650d"], 12),
    ] {
        let (code, lines, said) = count(arguments);
        assert_eq!((code, lines), (0, expected), "{arguments:?}: {said}");
    }
    for wrong in [
        "",
        "soon",
        "-5m",
        "0",
        "-1",
        "2026",
        "20261126",
        "9223372036854775808",
        "2023-13-01T00:00:00Z",
    ] {
        assert_eq!(count(&["--since", wrong]).0, 1, "{wrong}");
    }
}

#[test]
fn readers_that_go_away_are_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..3 {
        let name = format!("{number:032x}");
        std::fs::write(directory.path().join(name), log(Format::Audit, COUNT, true)).unwrap();
    }
    for arguments in [
        &["list", "."][..],
        &["list", "--json", "."],
        &["verify", "."],
        &["verify", "--json", "."],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = Command::new(env!("CARGO_BIN_EXE_auditssh"))
            .current_dir(directory.path())
            .args(arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(141), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}");
    }
}
