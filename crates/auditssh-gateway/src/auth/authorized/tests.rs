use super::{AuthorizedKey, KeyError, Line};
use proptest::prelude::*;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

#[test]
fn lines_are_split_as_sshd_does() {
    for (line, options) in [
        (KEY.to_owned(), ""),
        (format!("  \t{KEY} a comment # with \"marks\r"), ""),
        (format!("no-pty {KEY}"), "no-pty"),
        (format!("no-pty,restrict \t {KEY} me"), "no-pty,restrict"),
        (
            format!(r#"command="echo \" a b" {KEY}"#),
            r#"command="echo \" a b""#,
        ),
        (
            format!(r#"command="ssh-ed25519 AAAA" {KEY}"#),
            r#"command="ssh-ed25519 AAAA""#,
        ),
    ] {
        let split = Line::split(&line).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(split.options, options, "{line}");
        assert!(split.key.starts_with(KEY), "{line}");
        assert!(split.blob().is_some(), "{line}");
    }
}

#[test]
fn what_holds_no_key_is_none() {
    for line in [
        "",
        " ",
        "# comment",
        "ssh-ed25519",
        "garbage",
        "no-pty no-pty",
        "ssh-dss AAAAB3NzaC1kc3M=",
        &format!("# {KEY}"),
        &format!("command=\"{KEY}"),
        &format!("a b {KEY}"),
    ] {
        let blob = Line::split(line).and_then(|line| line.blob());
        assert_eq!(blob, None, "{line}");
    }
    assert!(Line::split(&format!("{KEY} {}", "x".repeat(16 * 1024))).is_none());
}

#[test]
fn the_type_must_be_that_of_the_key() {
    let line = KEY.replace("ssh-ed25519", "ssh-rsa");
    assert!(Line::split(&line).unwrap().blob().is_none());
    assert_eq!(line.parse::<AuthorizedKey>(), Err(KeyError::Form));
}

#[test]
fn errors_of_the_configuration_say_what_is_wrong() {
    assert_eq!("".parse::<AuthorizedKey>(), Err(KeyError::Form));
    let option = format!("frobnicate {KEY}")
        .parse::<AuthorizedKey>()
        .unwrap_err();
    assert!(option.to_string().contains("frobnicate"), "{option}");
    let key: AuthorizedKey = format!("restrict {KEY} me").parse().unwrap();
    assert!(key.fingerprint().starts_with("SHA256:"), "{key:?}");
}

proptest! {
    #[test]
    fn any_line_is_split_without_a_panic(line in "\\PC{0,80}") {
        if let Some(line) = Line::split(&line) {
            _ = line.blob();
        }
        _ = line.parse::<AuthorizedKey>();
    }

    #[test]
    fn options_and_comments_never_hide_the_key(comment in "[^\\n]{0,30}", command in "[a-z #,=]{1,20}") {
        let line = format!("command=\"{command}\" {KEY} {comment}");
        let split = Line::split(&line).unwrap();
        prop_assert_eq!(split.options, format!("command=\"{command}\""));
        prop_assert_eq!(split.blob(), Line::split(KEY).unwrap().blob());
    }
}
