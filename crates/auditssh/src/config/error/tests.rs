use super::*;
use proptest::prelude::*;

#[test]
fn the_nearest_word_is_suggested() {
    let known = [
        "format",
        "storage",
        "type",
        "hostkeys",
        "clientAliveInterval",
    ];
    for (found, expected) in [
        ("fromat", Some("format")),
        ("Format", Some("format")),
        ("host_keys", Some("hostkeys")),
        ("hostKey", Some("hostkeys")),
        ("clientAliveIntervall", Some("clientAliveInterval")),
        ("client-alive-interval", Some("clientAliveInterval")),
        ("zebra", None),
        ("", None),
    ] {
        assert_eq!(nearest(found, &known), expected, "{found}");
    }
}

#[test]
fn only_names_are_repeated() {
    assert_eq!(unknown("key", "a b", "", &[]), "unknown key");
    assert_eq!(
        unknown("key", "\u{1b}[2J", "log", &[]),
        "unknown key in `log`"
    );
    assert_eq!(
        unknown("key", "ab", "log", &["xyz", "uvw"]),
        "unknown key `log.ab`; known here: xyz, uvw"
    );
}

proptest! {
    #[test]
    fn distance_is_a_distance(a in "[a-d]{0,8}", b in "[a-d]{0,8}") {
        prop_assert_eq!(distance(&a, &b), distance(&b, &a));
        prop_assert_eq!(distance(&a, &b) == 0, a == b);
        prop_assert!(distance(&a, &b) <= a.len().max(b.len()));
    }
}
