//! The built program: what it answers, and with which exit status.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const COMMANDS: [&str; 16] = [
    "serve",
    "decode",
    "convert",
    "replay",
    "show",
    "files",
    "search",
    "list",
    "verify",
    "recover",
    "index",
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
        (&["serve", "--listen", "localhost:2222"][..], 1),
        (&["decode", "--type", "exce", "log"][..], 1),
        (&["decode", "--channel", "first", "log"][..], 1),
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
fn wrong_arguments_are_told_with_what_is_wanted() {
    for (arguments, expected) in [
        (
            &["serve", "--listen", "localhost:2222"][..],
            "a host name stands where an address is wanted",
        ),
        (&["serve", "--listen", "::1"], "the port is missing"),
        (&["serve", "--listen", "22"], "the address is missing"),
        (&["decode", "--type", "exce", "log"], "did you mean `exec`?"),
        (&["decode", "--type", "zebra", "log"], "auth_password"),
        (
            &["decode", "--channel", "first", "log"],
            "a channel is a number",
        ),
        (&["decode", "--since", "soon", "log"], "2026-01-31 12:00"),
        (
            &["decode", "--since", "20261126", "log"],
            "for a day write 2026-11-26",
        ),
        (&["decode", "--until", "2026", "log"], "10 digits (seconds"),
    ] {
        let said = stderr(&run(arguments));
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let help = stdout(&run(&["decode", "--help"]));
    for word in ["auth_password (", "exec (", "milliseconds (13)", "#0"] {
        assert!(help.contains(word), "{word}");
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
fn output_that_finds_no_room_is_told_apart_from_what_is_read() {
    let log = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../testdata/containerssh/v1-0.4.0.audit"
    );
    for arguments in [&["decode", log][..], &["config", "schema"]] {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let output = program()
            .args(arguments)
            .stdout(full.unwrap())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = stderr(&output);
        let expected = "auditssh: the output cannot be written: No space left on device";
        assert!(said.starts_with(expected), "{said}");
    }
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
        (b"caf\xe9 xx\n", "the password is not UTF-8"),
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
    let expected =
        format!("auditssh: {bad}:2:3: unknown key `audit.fromat`; did you mean `format`?\n");
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

/// Wrong configurations, and what is said of each behind the name of its file.
const WRONG: &[(&str, &str)] = &[
    (
        "audit",
        "1:1: a text stands here where a map of keys and values is wanted; an empty one is {}",
    ),
    (
        "[]",
        "1:1: a list stands here where a map of keys and values is wanted; an empty one is {}",
    ),
    (
        "5",
        "1:1: a number stands here where a map of keys and values is wanted; an empty one is {}",
    ),
    ("audit:", "1:6: `audit`: nothing stands here where a map"),
    (
        "audit: file",
        "1:8: `audit`: a text stands here where a map",
    ),
    (
        "audit: {enable: 1}",
        "1:17: `audit.enable`: a number stands here where true or false is wanted",
    ),
    (
        "audit: {enable: []}",
        "1:17: `audit.enable`: a list stands here where true or false is wanted",
    ),
    (
        "audit: {format: {audit: {}}}",
        "1:17: `audit.format`: a map stands here where one of none, audit, binary, asciinema is wanted",
    ),
    (
        "audit: {format: [audit]}",
        "1:17: `audit.format`: a list stands here where one of none,",
    ),
    (
        "audit: {format: Audit}",
        "1:17: `audit.format`: unknown value `Audit`; did you mean `audit`?",
    ),
    (
        "audit: {format: audit, storage: {file: /var/log}}",
        "1:33: `audit.storage`: a map stands here where one of none, file, s3 is wanted",
    ),
    (
        "audit: {format: audit, type: fiel}",
        "1:30: `audit.type`: unknown value `fiel`; did you mean `file`?",
    ),
    (
        "audit: {intercept: all}",
        "1:20: `audit.intercept`: a text stands here where a map",
    ),
    (
        "audit: {intercept: {stdin: {}}}",
        "1:28: `audit.intercept.stdin`: a map stands here where one of false, true, echoed is wanted",
    ),
    (
        "audit: {file: /var/log}",
        "1:15: `audit.file`: a text stands here where a map",
    ),
    (
        "audit: {file: {directory: [/var/log]}}",
        "1:27: `audit.file.directory`: a list stands here where a text is wanted",
    ),
    (
        "audit: {file: {group: {name: adm}}}",
        "1:23: `audit.file.group`: a map stands here where a text is wanted",
    ),
    (
        "audit: {sync: yes}",
        "1:15: `audit.sync`: unknown value `yes`; known here: none, interval, always",
    ),
    (
        "audit: {syncInterval: [1s]}",
        "1:23: `audit.syncInterval`: a list stands here where a duration such as 60s or 1m30s is wanted",
    ),
    (
        "audit: {syncInterval: 1}",
        "1:23: `audit.syncInterval`: 1ns is out of bounds: it must lie between 10ms and 1h",
    ),
    (
        "audit: {onFailure: [terminate]}",
        "1:20: `audit.onFailure`: a list stands here where one of terminate, continue is wanted",
    ),
    (
        "audit: {s3: {tags: [a]}}",
        "1:20: `audit.s3.tags`: a list stands here where a map",
    ),
    (
        "audit: {s3: {parallelUploads: many}}",
        "1:31: `audit.s3.parallelUploads`: a text stands here where a whole number from 1 to 1000 is wanted",
    ),
    (
        "audit: {s3: {parallelUploads: 5000}}",
        "1:31: `audit.s3.parallelUploads`: 5000 is out of bounds: it must lie between 1 and 1000",
    ),
    (
        "audit: {s3: {objectLock: {mode: {}}}}",
        "1:33: `audit.s3.objectLock.mode`: a map stands here where one of GOVERNANCE, COMPLIANCE is wanted",
    ),
    (
        "audit: {format: audit, storage: s3, s3: {region: x}}",
        "1:41: `audit.s3`: `bucket` is missing: name a bucket that exists",
    ),
    (
        "ssh: {listen: localhost:2222}",
        "1:15: `ssh.listen`: a host name stands where an address is wanted",
    ),
    (
        "ssh: {listen: 2222}",
        "1:15: `ssh.listen`: a number stands here where a text or a list of texts is wanted",
    ),
    (
        "ssh: {listen: [127.0.0.1]}",
        "1:16: `ssh.listen[1]`: the port is missing",
    ),
    (
        "ssh: {listen: [\"127.0.0.1:2222\", \"[::1]:2222\", \"127.0.0.1:2222\"]}",
        "1:15: `ssh.listen` names 127.0.0.1:2222 more than once; remove one of them",
    ),
    (
        "ssh: {hostkeys: /etc/key}",
        "1:17: `ssh.hostkeys`: a text stands here where a list is wanted; an empty one is []",
    ),
    (
        "ssh: {banner: [hello]}",
        "1:15: `ssh.banner`: a list stands here where a text is wanted",
    ),
    (
        "ssh: {clientAliveCountMax: -3}",
        "1:28: `ssh.clientAliveCountMax`: a negative number stands here where a whole number from 1 to 1000 is wanted",
    ),
    (
        "ssh: {rekeyLimit: 1GB}",
        "1:19: `ssh.rekeyLimit`: not a size",
    ),
    (
        "users: [alice]",
        "1:8: `users`: a list stands here where a map",
    ),
    (
        "users: {alice: secret}",
        "1:16: `users.alice`: a text stands here where a map",
    ),
    (
        "users: {alice: {authorizedKeys: {a: b}}}",
        "1:33: `users.alice.authorizedKeys`: a map stands here where a list is wanted",
    ),
    (
        "users: {alice: {authorizedKeys: [ssh-ed25519]}}",
        "1:34: `users.alice.authorizedKeys[1]`: ",
    ),
    (
        "usersFile: [a]",
        "1:12: `usersFile`: a list stands here where a text is wanted",
    ),
    (
        "usersFile: /nonexist",
        "1:12: `usersFile`: /nonexist: No such file",
    ),
    (
        "backend: {local: {}}",
        "1:10: `backend`: a map stands here where one of local, sshproxy, docker, kubernetes is wanted",
    ),
    (
        "local: {subsystems: [sftp]}",
        "1:21: `local.subsystems`: a list stands here where a map",
    ),
    (
        "local: {acceptEnv: LANG}",
        "1:20: `local.acceptEnv`: a text stands here where a list",
    ),
    (
        "local: {acceptEnv: [LANG=C]}",
        "1:21: `local.acceptEnv[1]`: the name of a variable is wanted here",
    ),
    (
        "geoip: {provider: {maxmind: x}}",
        "1:19: `geoip.provider`: a map stands here where one of dummy, maxmind is wanted",
    ),
    (
        "geoip: {provider: maxmind, maxmind-geoip2-file: /nonexist}",
        "1:49: `geoip.maxmind-geoip2-file`: /nonexist: No such file",
    ),
    (
        "geoip: {provider: maxmind}",
        "1:19: `geoip.provider`: /var/lib/GeoIP/GeoIP2-Country.mmdb: No such file",
    ),
    (
        "log: {level: 3}",
        "1:14: `log.level`: unknown value `3`; write `error`",
    ),
    (
        "log: {level: loud}",
        "1:14: `log.level`: unknown value `loud`; known here: error, warning, info, debug, trace",
    ),
    (
        "limits: {connections: 1e3}",
        "1:23: `limits.connections`: a number that is not written as a whole one stands here where a whole number from 0 to 1000000 is wanted",
    ),
    (
        "log: {}\n---\nlog: {}\n",
        "a second YAML document begins here, but a configuration is one document",
    ),
];

#[test]
fn every_wrong_configuration_is_told_with_place_key_and_remedy() {
    let directory = tempfile::tempdir().unwrap();
    for &(text, expected) in WRONG {
        let file = configuration(directory.path(), text);
        let output = run(&["config", "check", &file]);
        assert_eq!(status(&output), 1, "{text}");
        let said = stderr(&output);
        assert!(
            said.starts_with(&format!("auditssh: {file}:")),
            "{text}: {said}"
        );
        assert!(said.contains(expected), "{text}: {said}");
        for word in [
            "externally",
            "enum",
            "expected",
            "serde",
            "mapping",
            "scalar",
            "u64",
        ] {
            assert!(!said.contains(word), "{text}: {said}");
        }
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
