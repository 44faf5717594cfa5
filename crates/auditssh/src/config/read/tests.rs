use super::*;
use crate::config::raw::Raw;
use std::fmt::Write as _;

/// What is said of a configuration that is refused.
fn said(text: &str) -> String {
    let faults = parse::<Raw>(text).unwrap_err();
    let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

#[test]
fn an_empty_file_is_a_configuration() {
    for text in ["", "# nothing\n", "{}", "---\n"] {
        parse::<Raw>(text).unwrap();
    }
}

#[test]
fn unknown_keys_are_refused_with_place_and_suggestion() {
    for (text, expected) in [
        (
            "audit:\n  fromat: audit\n",
            "2:3: unknown key `audit.fromat`; did you mean `format`?",
        ),
        (
            "ssh:\n  listen: 0.0.0.0:22\n  host_keys: [a]\n",
            "3:3: unknown key `ssh.host_keys`; did you mean `hostkeys`?",
        ),
        (
            "users: {alice: {pasword: x}}",
            "1:17: unknown key `users.alice.pasword`; did you mean `password`?",
        ),
        (
            "log:\n  colour: true\n",
            "2:3: unknown key `log.colour`; known here: destination, file, format, level, syslog",
        ),
        (
            "audit:\n  format: audti\n",
            "2:11: `audit.format`: unknown value `audti`; did you mean `audit`?",
        ),
        (
            "audit:\n  intercept:\n    stdin: echo\n",
            "3:5: `audit.intercept.stdin`: unknown value `echo`; did you mean `echoed`?",
        ),
        (
            "audit:\n  intercept:\n    stdin: \"true\"\n",
            "3:5: `audit.intercept.stdin`: unknown value `true`; write it without quotes",
        ),
        (
            "backend: container\n",
            "1:10: `backend`: unknown value `container`; known here: local, sshproxy, docker, kubernetes",
        ),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn wrong_values_are_refused_with_place_and_remedy() {
    for (text, expected) in [
        (
            "audit:\n",
            "1:6: `audit`: nothing stands here where a map of keys and values is wanted; an empty one is {}",
        ),
        (
            "- audit",
            "1:1: a list stands here where a map of keys and values is wanted; an empty one is {}",
        ),
        (
            "users: {a: {authorizedKeys: k}}",
            "1:29: `users.a.authorizedKeys`: a text stands here where a list is wanted; an empty one is []",
        ),
        (
            "limits:\n  authAttempts: -1",
            "2:17: `limits.authAttempts`: a negative number stands here where a whole number from 1 to 100 is wanted",
        ),
        (
            "audit: {intercept: {stdout: maybe}}",
            "1:29: `audit.intercept.stdout`: a text stands here where true or false is wanted",
        ),
        (
            "audit: {intercept: {stdin: 5}}",
            "1:28: `audit.intercept.stdin`: a number stands here where one of false, true, echoed is wanted",
        ),
        (
            "audit: {file: {directory: }}",
            "1:25: `audit.file.directory`: nothing stands here where a text is wanted; an empty one is \"\"",
        ),
        (
            "ssh: {listen: localhost}",
            "1:15: `ssh.listen`: not an address and a port such as 0.0.0.0:2222 or [::]:2222",
        ),
        (
            "ssh: {listen: [1.1.1.1:1, x]}",
            "1:27: `ssh.listen[2]`: not an address and a port such as 0.0.0.0:2222 or [::]:2222",
        ),
        (
            "limits: {channelBuffer: 8MB}",
            "1:25: `limits.channelBuffer`: not a size: write a number and a unit (B, KiB, MiB, GiB)",
        ),
        (
            "audit: {syncInterval: 1 s}",
            "1:23: `audit.syncInterval`: not a duration: write a number and a unit (ns, us, ms, s, m, h), for example 60s or 1m30s",
        ),
        (
            "users:\n  a: {}\n  a: {}\n",
            "3:3: the key `a` stands here a second time",
        ),
        (
            "audit:\n\tformat: x",
            "2:2: this is not YAML: tabs disallowed within this context (block indentation)",
        ),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn text_that_is_not_utf_8_is_refused_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("c.yaml");
    for (bytes, place) in [
        (&b"# one\naudit: {} # caf\xe9"[..], "2:16"),
        (b"\xff\xfea\0", "1:1"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let error = read::<Raw>(&file).unwrap_err().to_string();
        let expected = format!("c.yaml:{place}: this is not UTF-8 text; save the file as UTF-8");
        assert!(error.ends_with(&expected), "{error}");
    }
}

#[test]
fn a_value_of_another_kind_is_named_with_what_is_wanted() {
    for (text, expected) in [
        (
            "audit: {format: {audit: }}",
            "1:17: `audit.format`: a map stands here where one of none, audit, binary, asciinema is wanted",
        ),
        (
            "backend: [local]",
            "1:10: `backend`: a list stands here where one of local, sshproxy, docker, kubernetes is wanted",
        ),
        (
            "audit: {s3: logs}",
            "1:13: `audit.s3`: a text stands here where a map of keys and values is wanted; an empty one is {}",
        ),
        (
            "users: {a: true}",
            "1:12: `users.a`: true stands here where a map of keys and values is wanted; an empty one is {}",
        ),
        (
            "ssh: {listen: {port: 22}}",
            "1:15: `ssh.listen`: a map stands here where a text or a list of texts is wanted",
        ),
        (
            "ssh: {hostkeys: [[a]]}",
            "1:18: `ssh.hostkeys[1]`: a list stands here where a text is wanted; an empty one is \"\"",
        ),
        (
            "limits: {connections: 1.5}",
            "1:23: `limits.connections`: a fraction stands here where a whole number from 0 to 1000000 is wanted",
        ),
        (
            "limits: {channels: 6.0}",
            "1:20: `limits.channels`: a number that is not written as a whole one stands here where a whole number from 1 to 1000000000 is wanted",
        ),
        (
            "limits: {channels: 99999999999999999999}",
            "1:20: `limits.channels`: a very large number stands here where a whole number from 1 to 1000000000 is wanted",
        ),
        (
            "audit: {sealInterval: 1.5}",
            "1:23: `audit.sealInterval`: a fraction stands here where a duration such as 60s or 1m30s is wanted",
        ),
        (
            "limits: {nameBytes: true}",
            "1:21: `limits.nameBytes`: true stands here where a size such as 8MiB is wanted",
        ),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn all_keys_that_are_wrong_are_named_at_once() {
    let said = said("audit: {fromat: x}\nssh: []\nlimts: {}\n");
    let places: Vec<&str> = said.lines().map(|line| &line[..4]).collect();
    assert_eq!(places, ["1:9:", "2:6:", "3:1:"], "{said}");
}

#[test]
fn a_second_document_is_refused() {
    for text in ["log: {}\n---\nlog: {}\n", "---\nlog: {}\n---\n"] {
        let said = said(text);
        assert!(
            said.contains("a second YAML document begins here"),
            "{said}"
        );
    }
}

#[test]
fn no_error_shows_a_secret() {
    for text in [
        "users:\n  alice:\n    password: [hunter2]\n",
        "users:\n  alice:\n    password: hunter2: x\n",
        "users:\n  alice:\n    password: \"hunter2\n",
        "users:\n  alice:\n    password: {hunter2: x}\n",
        "users:\n  alice:\n    password: hunter2\n  bad\n",
        "users:\n  alice:\n    password: !!binary hunter2\n",
        "users:\n  alice:\n    password: *hunter2\n",
        "users:\n  alice: \"hunter2 hunter2\"\n",
        "users:\n  alice: {\"hunter2 hunter2\": x}\n",
        "audit: {s3: {secretKey: [hunter2]}}",
        "audit: {format: \"hunter2 hunter2\"}",
        "audit: {format: \"$argon2id$hunter2\"}",
        "limits: {authAttempts: hunter2}",
        "limits: {channelBuffer: hunter2}",
        "limits: {shutdownGrace: hunter2}",
        "ssh: {listen: hunter2}",
    ] {
        let faults = parse::<Raw>(text).unwrap_err();
        let (said, shown) = (said(text), format!("{faults:?}"));
        assert!(
            !said.contains("hunter2") && !shown.contains("hunter2"),
            "{text}: {said} {shown}"
        );
    }
}

#[test]
fn a_secret_is_never_shown() {
    let text = "users: {alice: {password: hunter2}}\naudit: {s3: {secretKey: hunter2}}";
    let (raw, outline) = parse::<Raw>(text).unwrap();
    assert_eq!(
        raw.users["alice"].password.as_ref().unwrap().value.expose(),
        "hunter2"
    );
    for shown in [
        format!("{raw:?}"),
        format!("{outline:?}"),
        serde_json::to_string(&raw).unwrap(),
    ] {
        assert!(
            shown.contains("alice") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = String::from("x0: &x0 [a]\n");
    for n in 1..40 {
        writeln!(text, "x{n}: &x{n} [*x{0}, *x{0}, *x{0}]", n - 1).unwrap();
    }
    text.push_str("audit: *x39\n");
    assert!(parse::<Raw>(&text).is_err());
}

#[test]
fn what_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("none.yaml");
    let error = read::<Raw>(&missing).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "{}: No such file or directory (os error 2)",
            missing.display()
        )
    );
    let binary = directory.path().join("binary.yaml");
    std::fs::write(&binary, b"audit: \xff").unwrap();
    let error = read::<Raw>(&binary).unwrap_err().to_string();
    assert!(error.starts_with(&binary.display().to_string()), "{error}");
    assert!(error.contains("UTF-8"), "{error}");
}
