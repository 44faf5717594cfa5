use super::{Sources, glob};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn allows(list: &str, address: &str) -> bool {
    Sources::patterns(list)
        .unwrap()
        .allow(address.parse().unwrap())
}

#[test]
fn addresses_networks_and_wildcards_match() {
    for (list, address, expected) in [
        ("192.0.2.7", "192.0.2.7", true),
        ("192.0.2.7", "192.0.2.70", false),
        ("192.0.2.7", "::ffff:192.0.2.7", true),
        ("192.0.2.0/24", "192.0.2.255", true),
        ("192.0.2.0/24", "192.0.3.0", false),
        ("0.0.0.0/0", "203.0.113.9", true),
        ("0.0.0.0/0", "2001:db8::1", false),
        ("::/0", "2001:db8::1", true),
        ("::/0", "203.0.113.9", false),
        ("::ffff:192.0.2.0/120", "192.0.2.9", true),
        ("2001:db8::/33", "2001:db8:7fff::1", true),
        ("2001:db8::/33", "2001:db8:8000::1", false),
        ("192.0.2.*", "192.0.2.99", true),
        ("192.0.?.1", "192.0.2.1", true),
        ("192.0.?.1", "192.0.20.1", false),
        ("*", "2001:db8::1", true),
        ("2001:DB8:*", "2001:db8::1", true),
        ("10.0.0.0/8,!10.1.0.0/16", "10.2.0.1", true),
        ("10.0.0.0/8,!10.1.0.0/16", "10.1.0.1", false),
        ("!10.1.0.0/16,10.0.0.0/8", "10.1.0.1", false),
        ("!10.1.0.1", "10.1.0.2", false),
    ] {
        assert_eq!(allows(list, address), expected, "{list} {address}");
    }
}

#[test]
fn what_could_never_match_is_refused() {
    for list in [
        "",
        ",",
        "10.0.0.1,",
        "host.example.com",
        "*.example.com",
        "!host",
        "10.0.0.0/33",
        "10.0.0.1/24",
        "2001:db8::1/64",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "10.0.0.0/8/8",
        "10.0.0",
        "10.0.0.0/255.0.0.0",
        "!!10.0.0.1",
        "10.0.0.1, 10.0.0.2",
        "10.0.0.1, 127.*",
    ] {
        assert!(Sources::patterns(list).is_err(), "{list}");
    }
    assert!(Sources::patterns(&vec!["10.0.0.1"; 257].join(",")).is_err());
}

#[test]
fn certificates_have_neither_wildcards_nor_exclusions() {
    assert!(Sources::networks("10.0.0.0/8,2001:db8::/32").is_ok());
    for list in ["10.0.0.*", "!10.0.0.1", "*", "host"] {
        assert!(Sources::networks(list).is_err(), "{list}");
    }
}

/// Says the same as `glob`, slowly.
fn simple(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|from| simple(rest, &text[from..])),
        ([b'?', rest @ ..], [_, after @ ..]) => simple(rest, after),
        ([p, rest @ ..], [t, after @ ..]) => p == t && simple(rest, after),
        _ => false,
    }
}

proptest! {
    #[test]
    fn globs_match_as_defined(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
        let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
        prop_assert_eq!(glob(pattern, text), simple(pattern, text));
    }

    #[test]
    fn networks_hold_exactly_what_shares_their_prefix(a: u32, b: u32, bits in 0_u32..=32) {
        let base = if bits == 0 { 0 } else { a & (u32::MAX << (32 - bits)) };
        let list = format!("{}/{bits}", Ipv4Addr::from_bits(base));
        let inside = bits == 0 || (a ^ b) >> (32 - bits) == 0;
        let address = IpAddr::from(Ipv4Addr::from_bits(b));
        prop_assert_eq!(Sources::patterns(&list).unwrap().allow(address), inside);
    }

    #[test]
    fn an_address_allows_itself_alone(a: u128, b: u128) {
        let (a, b) = (IpAddr::from(Ipv6Addr::from_bits(a)), IpAddr::from(Ipv6Addr::from_bits(b)));
        let sources = Sources::patterns(&a.to_canonical().to_string()).unwrap();
        prop_assert!(sources.allow(a));
        prop_assert_eq!(sources.allow(b), a == b);
    }
}
