use super::*;
use crate::config::raw::Raw;
use std::fmt::Write as _;

/// What is said of a configuration that is refused.
fn said(text: &str) -> String {
    parse::<Raw>(text).unwrap_err().to_string()
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
            "2:3: unknown key `fromat`; did you mean `format`?",
        ),
        (
            "ssh:\n  listen: 0.0.0.0:22\n  host_keys: [a]\n",
            "3:3: unknown key `host_keys`; did you mean `hostkeys`?",
        ),
        (
            "users: {alice: {pasword: x}}",
            "1:17: unknown key `pasword`; did you mean `password`?",
        ),
        (
            "log:\n  colour: true\n",
            "2:3: unknown key `colour`; known here: level, format",
        ),
        (
            "audit:\n  format: audti\n",
            "2:11: unknown value `audti`; did you mean `audit`?",
        ),
        (
            "audit:\n  intercept:\n    stdin: echo\n",
            "3:5: unknown value `echo`; did you mean `echoed`?",
        ),
        (
            "backend: docker\n",
            "1:10: unknown value `docker`; known here: local",
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
            "1:6: a map of keys and values is wanted here; an empty one is {}",
        ),
        (
            "- audit",
            "1:1: a map of keys and values is wanted here; an empty one is {}",
        ),
        (
            "users: {a: {authorizedKeys: k}}",
            "1:29: a list is wanted here; an empty one is []",
        ),
        (
            "limits:\n  authAttempts: -1",
            "2:17: a whole number, not negative, is wanted here",
        ),
        (
            "audit: {intercept: {stdout: maybe}}",
            "1:29: true or false is wanted here",
        ),
        (
            "audit: {intercept: {stdin: 5}}",
            "1:21: integer where true, false or echoed is wanted",
        ),
        (
            "audit: {file: {directory: }}",
            "1:25: nothing stands here where a text is wanted; an empty text is \"\"",
        ),
        (
            "ssh: {listen: localhost}",
            "1:15: not an address and a port such as 0.0.0.0:2222 or [::]:2222",
        ),
        (
            "ssh: {listen: [1.1.1.1:1, x]}",
            "1:27: not an address and a port such as 0.0.0.0:2222 or [::]:2222",
        ),
        (
            "limits: {channelBuffer: 8MB}",
            "1:25: not a size: write a number and a unit (B, KiB, MiB, GiB)",
        ),
        (
            "audit: {syncInterval: 1 s}",
            "1:23: not a duration: write a number and a unit (ns, us, ms, s, m, h), for example 60s or 1m30s",
        ),
        (
            "users:\n  a: {}\n  a: {}\n",
            "3:3: the key `a` stands here a second time",
        ),
        (
            "audit:\n\tformat: x",
            "2:2: tabs disallowed within this context (block indentation)",
        ),
    ] {
        assert_eq!(said(text), expected, "{text}");
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
        let error = parse::<Raw>(text).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{text}: {error}");
        assert!(
            !format!("{error:?}").contains("hunter2"),
            "{text}: {error:?}"
        );
    }
}

#[test]
fn a_secret_is_never_shown() {
    let text = "users: {alice: {password: hunter2}}\naudit: {s3: {secretKey: hunter2}}";
    let raw: Raw = parse(text).unwrap();
    assert_eq!(
        raw.users["alice"].password.as_ref().unwrap().value.expose(),
        "hunter2"
    );
    for shown in [format!("{raw:?}"), serde_json::to_string(&raw).unwrap()] {
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
