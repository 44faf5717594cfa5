use super::{OptionError, Options};
use crate::auth::Restrictions;
use crate::security::Place;
use proptest::prelude::*;
use std::time::{Duration, UNIX_EPOCH};

fn parse(text: &str) -> Options {
    Options::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn nothing_said_allows_all() {
    assert_eq!(parse(""), Options::default());
    assert_eq!(parse("").restrictions, Restrictions::default());
}

#[test]
fn restrictions_follow_their_order() {
    let all = "restrict,pty,port-forwarding,agent-forwarding,X11-forwarding,user-rc";
    assert_eq!(parse(all).restrictions, Restrictions::default());
    let none = parse("pty,restrict").restrictions;
    assert_eq!(none, Restrictions::least());
    let each = "no-pty,no-port-forwarding,no-agent-forwarding,no-X11-forwarding,no-user-rc";
    assert_eq!(parse(each).restrictions, none);
    assert!(
        !parse("No-Pty").restrictions.pty,
        "names are told apart without case"
    );
}

#[test]
fn values_are_unquoted() {
    let options = parse(r#"command="echo \"a, b\" \\ # = c",no-pty,environment="A=1, 2=3""#);
    let may = options.restrictions;
    assert_eq!(may.command.as_deref(), Some(r#"echo "a, b" \\ # = c"#));
    assert_eq!(may.environment, [("A".to_owned(), "1, 2=3".to_owned())]);
    assert!(!may.pty);
    let kept = parse(r#"command="id",environment="A=1",restrict"#).restrictions;
    assert_eq!(kept.command.as_deref(), Some("id"));
    assert_eq!(kept.environment.len(), 1);
}

#[test]
fn what_limits_forwarding_is_kept() {
    assert!(!parse(r#"tunnel="0""#).restrictions.port_forwarding);
    let text =
        r#"permitopen="host:80",permitopen="*:443",restrict,port-forwarding,permitlisten="8080""#;
    let may = parse(text).restrictions;
    assert!(may.port_forwarding && !may.pty);
    assert_eq!(may.permit_open.unwrap().len(), 2);
    assert_eq!(may.permit_listen.unwrap(), [Place::listen("8080").unwrap()]);
    assert!(Options::parse(r#"permitopen="host""#).is_err());
    assert!(Options::parse(r#"permitlisten="none at all""#).is_err());
}

#[test]
fn moments_are_understood() {
    let at = |text: &str| {
        let options = parse(&format!("expiry-time=\"{text}\""));
        options.expires.unwrap().duration_since(UNIX_EPOCH).unwrap()
    };
    assert_eq!(at("19700102Z"), Duration::from_hours(24));
    assert_eq!(at("197001020304Z"), Duration::from_mins(27 * 60 + 4));
    assert_eq!(
        at("19700102030405Z"),
        Duration::from_secs(86400 + 3 * 3600 + 4 * 60 + 5)
    );
    // Local time: within a day of the same in UTC.
    assert!(at("20300101").abs_diff(at("20300101Z")) <= Duration::from_hours(24));
}

#[test]
fn what_can_not_be_honoured_refuses_the_line() {
    for text in [
        "no-such-option",
        r#"no-such="x""#,
        "verify-required",
        "command",
        r#"command="""#,
        r#"command="a",command="b""#,
        r#"command="a"#,
        r"command=a",
        "pty,",
        ",pty",
        ",",
        r#"pty="x""#,
        r#"restrict="x""#,
        r#"environment="1A=x""#,
        r#"environment="A""#,
        r#"environment="LD_PRELOAD=/x""#,
        r#"environment="HOME=/x""#,
        r#"environment="BASH_ENV=x""#,
        r#"environment="SSH_ORIGINAL_COMMAND=x""#,
        r#"from="host.example.com""#,
        r#"from="""#,
        r#"from="10.0.0.1",from="10.0.0.2""#,
        r#"expiry-time="never""#,
        r#"expiry-time="2030""#,
        r#"expiry-time="20301301Z""#,
        r#"expiry-time="20300101z""#,
        r#"expiry-time="+2300101""#,
        r#"principals="a""#,
        r#"cert-authority,principals="a,,b""#,
        r#"command="a"pty"#,
        "pty restrict",
        "command=\"a\0\"",
        "environment=\"A=\0\"",
        "from",
        "principals",
        "expiry-time",
        "environment",
        "tunnel",
        "\"",
    ] {
        assert!(Options::parse(text).is_err(), "{text}");
    }
    let many = [r#"environment="A=1""#; 10].join(",");
    assert!(Options::parse(&many).is_ok(), "the first of a name counts");
    let many: Vec<_> = (0..65).map(|n| format!("environment=\"A{n}=1\"")).collect();
    assert!(Options::parse(&many.join(",")).is_err());
}

#[test]
fn errors_name_the_option() {
    let error = Options::parse("no-pty,frobnicate").unwrap_err();
    assert_eq!(error, OptionError::Unknown("frobnicate".to_owned()));
    assert!(error.to_string().contains("frobnicate"));
}

proptest! {
    #[test]
    fn a_quoted_value_comes_back(value in r"[^\\\x00]{1,40}") {
        let text = format!("command=\"{}\",no-pty", value.replace('"', "\\\""));
        let options = parse(&text);
        prop_assert_eq!(options.restrictions.command, Some(value));
    }

    #[test]
    fn any_text_is_parsed_without_a_panic(text in r#"([a-z-]{0,12}=?"?[^"]{0,10}"?,?){0,4}"#) {
        _ = Options::parse(&text);
    }
}
