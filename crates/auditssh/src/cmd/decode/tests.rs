use super::filter::{Filter, Type, When, channel, types};
use auditssh_log::{Event, Message};

fn message(channel: Option<u64>, timestamp: i64) -> Message {
    Message::new("c", timestamp, channel, Event::Close)
}

#[test]
fn times_are_read_in_many_ways() {
    for (number, unit) in [
        ("1700000000", "seconds"),
        ("1700000000000", "milliseconds"),
        ("1700000000000000", "microseconds"),
        ("1700000000000000000", "nanoseconds"),
    ] {
        let when = Ok(When::At(1_700_000_000_000_000_000));
        assert_eq!(number.parse(), when, "{unit}");
    }
    for (text, nanoseconds) in [
        ("1764130000.5", 1_764_130_000_500_000_000),
        ("1764130000.123456789", 1_764_130_000_123_456_789),
        ("1764130000.1234567899", 1_764_130_000_123_456_789),
        ("-1764130000.5", -1_764_130_000_500_000_000),
        ("+1764130000", 1_764_130_000_000_000_000),
        ("0000000000", 0),
        ("-9223372036854775808", i64::MIN),
    ] {
        assert_eq!(text.parse(), Ok(When::At(nanoseconds)), "{text}");
    }
    for (text, same) in [
        ("2023-11-14 22:13", "2023-11-14T22:13:00"),
        ("2023-11-14", "2023-11-14 00:00"),
        ("2023-11-14 22:13:20Z", "1700000000"),
    ] {
        let [text, same] = [text, same].map(str::parse::<When>);
        assert!(
            matches!(text, Ok(When::At(_))) && text == same,
            "{text:?} {same:?}"
        );
    }
    assert_eq!(
        "1700000000000000001".parse(),
        Ok(When::At(1_700_000_000_000_000_001))
    );
    assert_eq!(
        "2023-11-14T22:13:20.000000001Z".parse(),
        Ok(When::At(1_700_000_000_000_000_001))
    );
    assert_eq!(
        "2023-11-15T00:13:20+02:00".parse(),
        Ok(When::At(1_700_000_000_000_000_000))
    );
    assert_eq!("90s".parse(), Ok(When::BeforeEnd(90_000_000_000)));
    assert_eq!("1h30m".parse(), Ok(When::BeforeEnd(5_400_000_000_000)));
    assert_eq!("1d".parse(), Ok(When::BeforeEnd(86_400_000_000_000)));
    assert_eq!("1d12h".parse::<When>(), "36h".parse::<When>());
    for wrong in [
        "",
        "yesterday",
        "2023-14-11",
        "-5m",
        "-1d",
        "1mo",
        "9999999999",
        "9223372036854775808",
        "9999999999999999999999",
        "1764130000.",
        ".5",
        "1764130000.5.5",
        "-",
    ] {
        assert!(wrong.parse::<When>().is_err(), "{wrong}");
    }
}

#[test]
fn now_is_a_time() {
    let now = || jiff::Timestamp::now().as_nanosecond();
    let before = now();
    let Ok(When::At(time)) = "now".parse::<When>() else {
        panic!("no time");
    };
    assert!((before..=now()).contains(&i128::from(time)));
}

#[test]
fn numbers_that_are_no_unix_time_are_refused() {
    for (text, expected) in [
        ("20261126", "not 8; for a day write 2026-11-26"),
        ("2026", "not 4; for a day write 2026-01-01"),
        ("20261399", "(nanoseconds), not 8"),
        ("0", "10 digits (seconds"),
        ("-1", "not 1"),
        ("202611261200", "not 12"),
        ("17000000000", "not 11"),
        ("20261126.5", "10 digits stand before the point"),
        ("1764130000000.5", "10 digits stand before the point"),
        ("9999999999", "between 1677 and 2262"),
    ] {
        let said = text.parse::<When>().expect_err(text);
        assert!(said.contains(expected), "{text}: {said}");
    }
    let said = "20261399".parse::<When>().expect_err("no day");
    assert!(!said.contains("for a day"), "{said}");
}

#[test]
fn types_are_numbers_or_names() {
    assert_eq!("499".parse(), Ok(Type(499)));
    assert_eq!("x11-req".parse(), Ok(Type(409)));
    assert_eq!("handshake_failed".parse(), Ok(Type(198)));
    assert_eq!("777".parse(), Ok(Type(777)));
    let error = "exec2".parse::<Type>().expect_err("no type");
    assert!(error.contains("did you mean `exec`?"), "{error}");
    let error = "nothing".parse::<Type>().expect_err("no type");
    assert!(error.contains("exec, "), "{error}");
    for (number, name, _) in Event::types() {
        assert!(types().contains(&format!("{name} ({number})")), "{name}");
    }
}

#[test]
fn channels_are_numbers_as_they_are_shown() {
    assert_eq!((channel("0"), channel("#12")), (Ok(0), Ok(12)));
    for wrong in ["", "x", "-1", "##1"] {
        assert!(channel(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn filters_pass_what_fits_all_of_them() {
    assert!(Filter::default().passes(&message(None, 0)));
    let filter = Filter {
        channels: vec![1, 2],
        types: vec![Type(497), Type(1)],
        since: Some(10),
        until: Some(20),
    };
    for (channel, time, passes) in [
        (Some(1), 10, true),
        (Some(2), 20, true),
        (Some(3), 15, false),
        (None, 15, false),
        (Some(1), 9, false),
        (Some(1), 21, false),
    ] {
        assert_eq!(
            filter.passes(&message(channel, time)),
            passes,
            "{channel:?} {time}"
        );
    }
    let other = Filter {
        types: vec![Type(1)],
        ..Filter::default()
    };
    assert!(!other.passes(&message(Some(1), 15)));
}
