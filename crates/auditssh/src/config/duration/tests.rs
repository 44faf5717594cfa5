use super::*;
use proptest::prelude::*;

fn nanoseconds(text: &str) -> Option<u128> {
    Span::parse(text).map(|span| span.0.as_nanos())
}

#[test]
fn go_durations_are_read() {
    for (text, expected) in [
        ("0", 0),
        ("0s", 0),
        ("60s", 60_000_000_000),
        ("1m30s", 90_000_000_000),
        ("1.5h", 5_400_000_000_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("250ms", 250_000_000),
        ("3us", 3_000),
        ("3µs", 3_000),
        ("3μs", 3_000),
        ("+7ns", 7),
        ("0.1000000000000000000000000000000000001s", 100_000_000),
    ] {
        assert_eq!(nanoseconds(text), Some(expected), "{text}");
    }
}

#[test]
fn anything_else_is_refused() {
    for text in [
        "",
        "5",
        "s",
        ".s",
        "-1s",
        "1d",
        "1 s",
        "1s ",
        "1S",
        "1.2.3s",
        "one",
        "+",
        "99999999h",
        "99999999999999999999999999999999999999999999999s",
    ] {
        assert_eq!(nanoseconds(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(nanoseconds: u64) {
        let span = Span(Duration::from_nanos(nanoseconds));
        prop_assert_eq!(Span::parse(&span.to_string()), Some(span));
    }

    #[test]
    fn no_text_panics(text in ".{0,40}|[0-9.hmsnuµ]{0,60}") {
        let _ = Span::parse(&text);
    }
}
