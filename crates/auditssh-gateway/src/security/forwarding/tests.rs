use super::*;

fn places(mode: Mode, permit: &[&str]) -> Places {
    let permit = permit.iter().map(|text| Place::open(text).unwrap());
    Places {
        mode,
        permit: permit.collect(),
    }
}

#[test]
fn nothing_is_forwarded_by_default() {
    let none = Forwarding::default();
    assert_eq!(none.open.judge("a", 1), Err(Barred::Disabled));
    assert_eq!(none.listen.judge("a", 1), Err(Barred::Disabled));
    for mode in [none.socket, none.socket_listen, none.x11, none.agent] {
        assert_eq!(mode.judge(), Err(Barred::Disabled));
    }
}

#[test]
fn a_filter_allows_what_is_listed_and_nothing_else() {
    let listed = places(
        Mode::Filter,
        &["db.example:5432", "*:443", "[::1]:80", "host:*"],
    );
    for (host, port) in [
        ("db.example", 5432),
        ("DB.example", 5432),
        ("x", 443),
        ("::1", 80),
        ("host", 9),
    ] {
        assert_eq!(listed.judge(host, port), Ok(()), "{host} {port}");
    }
    for (host, port) in [
        ("db.example", 5433),
        ("db", 5432),
        ("x", 443 + 65536),
        ("::1", 81),
    ] {
        assert_eq!(
            listed.judge(host, port),
            Err(Barred::NotAllowed),
            "{host} {port}"
        );
    }
    assert_eq!(
        places(Mode::Filter, &[]).judge("x", 1),
        Err(Barred::NotAllowed)
    );
    assert_eq!(places(Mode::Enable, &[]).judge("x", 1), Ok(()));
}

#[test]
fn what_is_no_place_is_refused() {
    for text in [
        "", "host", "host:", ":80", "::1:80", "[::1]", "a:0", "a:70000", "a:+1", "a*:1", "a b:1",
        "[a:1",
    ] {
        assert_eq!(Place::open(text), Err(NoPlace), "{text}");
    }
    assert!(Place::listen("8080").unwrap().holds("anything", 8080));
    assert!(Place::listen("*").unwrap().holds("anything", 1));
    assert!(
        Place::listen("localhost:8080")
            .unwrap()
            .holds("localhost", 8080)
    );
    assert!(Place::listen("0").is_err());
}

#[test]
fn addresses_are_taken_as_openssh_takes_them() {
    use GatewayPorts::{ClientSpecified, No, Yes};
    let named = |address: &str| Interface::Named(address.to_owned());
    for (ports, asked, expected) in [
        (No, "", Interface::Loopback),
        (No, "*", Interface::Loopback),
        (No, "0.0.0.0", Interface::Loopback),
        (No, "192.0.2.1", Interface::Loopback),
        (No, "localhost", Interface::Loopback),
        (No, "127.0.0.1", named("127.0.0.1")),
        (No, "::1", named("::1")),
        (ClientSpecified, "", Interface::Any),
        (ClientSpecified, "*", Interface::Any),
        (ClientSpecified, "localhost", Interface::Loopback),
        (ClientSpecified, "0.0.0.0", named("0.0.0.0")),
        (ClientSpecified, "192.0.2.1", named("192.0.2.1")),
        (ClientSpecified, "::1", named("::1")),
        (Yes, "localhost", Interface::Any),
        (Yes, "127.0.0.1", Interface::Any),
    ] {
        assert_eq!(ports.interface(asked), expected, "{ports:?} {asked}");
    }
}
