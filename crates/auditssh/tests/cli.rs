//! The built program: what it answers, and with which exit status.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const COMMANDS: [&str; 10] = [
    "serve",
    "decode",
    "list",
    "verify",
    "recover",
    "salvage",
    "config",
    "hash-password",
    "completions",
    "man",
];

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auditssh"));
    command.stdin(Stdio::null()).env_remove("AUDITSSH_LOG");
    command
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

fn fed(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = program()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn every_command_explains_itself() {
    let general = run(&["--help"]);
    assert_eq!(status(&general), 0);
    assert!(stdout(&general).contains("Exit status:"));
    for command in COMMANDS {
        assert!(
            stdout(&general).contains(&format!("\n  {command} ")),
            "{command}"
        );
        let help = run(&[command, "--help"]);
        assert_eq!(status(&help), 0, "{command}");
        assert!(
            stdout(&help).contains(&format!("Usage: auditssh {command}")),
            "{command}"
        );
        assert!(!stdout(&help).contains('\u{1b}'), "{command}");
    }
    let version = stdout(&run(&["--version"]));
    assert_eq!(
        version,
        concat!("auditssh ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn wrong_usage_has_a_status_of_its_own() {
    for (arguments, expected) in [
        (&[][..], 1),
        (&["sing"][..], 1),
        (&["serve", "--sing"][..], 1),
        (&["serve", "--config", "a", "--data-dir", "b"][..], 1),
        (&["serve", "--listen", "localhost"][..], 1),
        (&["completions", "tcsh"][..], 1),
        // 1 and 2 are verdicts there.
        (&["verify"][..], 3),
        (&["verify", "--sing"][..], 3),
    ] {
        let output = run(arguments);
        assert_eq!(status(&output), expected, "{arguments:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert_eq!(status(&output), 0, "{shell}");
        for command in COMMANDS {
            assert!(stdout(&output).contains(command), "{shell} {command}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man/man1");
    assert_eq!(status(&run(&["man", pages.to_str().unwrap()])), 0);
    let page = |name: &str| std::fs::read_to_string(pages.join(name)).unwrap();
    assert!(page("auditssh.1").contains("\n.SH \"EXIT STATUS\"\n.TP\n"));
    assert!(page("auditssh-decode.1").contains("\n.SH NOTES\n"));
    assert!(page("containerssh-auditlog-decoder.1").contains("-file"));
    for command in COMMANDS {
        let text = page(&format!("auditssh-{command}.1"));
        assert!(text.contains(".TH") && !text.contains("EXTRA"), "{command}");
    }
    let nowhere = run(&["man", "/proc/nowhere"]);
    assert_eq!(status(&nowhere), 1);
    let said = stderr(&nowhere);
    assert!(
        said.starts_with("auditssh: manual pages cannot be written to /proc/nowhere: "),
        "{said}"
    );
}

#[test]
fn output_that_nobody_reads_is_no_failure_to_talk_about() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = program()
        .args(["completions", "bash"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_password_is_hashed_and_not_repeated() {
    let output = fed(&["hash-password"], b"correct horse\n");
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    assert!(
        stdout(&output).starts_with("$argon2id$v=19$"),
        "{}",
        stdout(&output)
    );
    assert_eq!(stdout(&output).lines().count(), 1);
    for (input, expected) in [
        (&b""[..], "standard input is empty"),
        (b"\n", "auditssh: "),
        (&[b'x'; 5000], "auditssh: "),
    ] {
        let output = fed(&["hash-password"], input);
        assert_eq!(status(&output), 1);
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        assert!(!stderr(&output).contains("xx") && output.stdout.is_empty());
    }
}

fn configuration(directory: &Path, text: &str) -> String {
    let file = directory.join("config.yaml");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_configuration_is_checked_without_showing_its_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let hash = stdout(&fed(&["hash-password"], b"correct horse\n"));
    let good = configuration(
        directory.path(),
        &format!(
            "audit: {{format: audit, storage: file}}\nusers: {{alice: {{password: \"{}\"}}}}\n",
            hash.trim()
        ),
    );
    let output = run(&["config", "check", &good]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    assert!(
        stdout(&output).contains("shutdownGrace: 10s"),
        "{}",
        stdout(&output)
    );
    assert!(stderr(&output).contains("warning: "), "{}", stderr(&output));
    assert!(!(stdout(&output) + &stderr(&output)).contains("argon2id"));
    for quiet in ["--quiet", "-q"] {
        let less = run(&["config", "check", quiet, &good]);
        assert_eq!(status(&less), 0, "{}", stderr(&less));
        assert_eq!(stdout(&less), "");
        assert_eq!(stderr(&less), stderr(&output));
    }
    // What is printed is itself a configuration, but for the secrets.
    let again = configuration(
        directory.path(),
        &stdout(&output).replace("(hidden)", hash.trim()),
    );
    assert_eq!(status(&run(&["config", "check", &again])), 0);

    let bad = configuration(directory.path(), "audit:\n  fromat: audit\n");
    let expected = format!("auditssh: {bad}:2:3: unknown key `fromat`; did you mean `format`?\n");
    for arguments in [
        &["config", "check", &bad][..],
        &["config", "check", "-q", &bad],
    ] {
        let output = run(arguments);
        assert_eq!(status(&output), 1);
        assert_eq!(stderr(&output), expected);
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn the_schema_is_json() {
    let output = run(&["config", "schema"]);
    assert_eq!(status(&output), 0);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(schema.pointer("/properties/audit/description").is_some());
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let serve = |text: &str| {
        let file = configuration(directory.path(), text);
        let output = run(&["serve", "--config", &file]);
        assert_eq!(status(&output), 1, "{text}");
        let said = stderr(&output);
        assert!(said.contains("auditssh: "), "{said}");
        said
    };
    assert!(serve("sss: {}").contains("config.yaml:1:1: unknown key `sss`; did you mean `ssh`?"));
    let missing = directory.path().join("no key");
    let said = serve(&format!("ssh: {{hostkeys: [\"{}\"]}}", missing.display()));
    assert!(
        said.contains("ssh-keygen") && said.contains("no key"),
        "{said}"
    );
    let output = run(&["serve", "--config", "/nonexistent/config.yaml"]);
    assert_eq!(
        stderr(&output),
        "auditssh: /nonexistent/config.yaml: No such file or directory (os error 2)\n"
    );
}
